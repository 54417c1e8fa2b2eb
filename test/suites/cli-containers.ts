/** The life of containers after `run`, asked of any command line that is used as Docker's is. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { waitFor } from '../../scripts/engine-client.ts';
import type { Cli, TestEngine } from '../harness/engine.ts';

/** Ends with status 5 on SIGTERM and the signal that its environment names. */
const POLITE = 'trap "exit 5" TERM $SIGNAL; echo up; while :; do sleep 0.05; done';

export function containersSuite(docker: () => Cli, engine: () => TestEngine): void {
  const inspect = (name: string, field: string) => docker().ok('inspect', '-f', `{{${field}}}`, name);
  const polite = async (name: string, ...flags: string[]) => {
    await docker().ok('run', '-d', '--name', name, ...flags, 'busybox', 'sh', '-c', POLITE);
    await waitFor(`${name} to be up`, async () => (await docker().ok('logs', name)).includes('up'));
  };
  const remove = (...names: string[]) => docker().ok('rm', '-f', ...names);

  test('version and info name both sides', async () => {
    assert.match(
      await docker().ok('version', '--format', '{{.Client.Version}} {{.Server.APIVersion}}'),
      /^\S+ 1\.\d+$/,
    );
    const info = JSON.parse(await docker().ok('info', '--format', '{{json .}}')) as Record<string, unknown>;
    assert.equal(info.OSType, 'linux');
    assert.equal(info.NCPU, Number(await engine().sandbox.ok(['nproc', '--all'])));
    assert.match(await docker().ok('info'), /Storage Driver: overlay/);
  });

  test('create, start, wait: the exit status of a container that ran in the background', async () => {
    const id = await docker().ok('create', '--name', 'later', 'busybox', 'sh', '-c', 'exit 6');
    assert.equal(await inspect('later', '.State.Status'), 'created');
    assert.equal(await docker().ok('start', 'later'), 'later');
    assert.equal(await docker().ok('wait', 'later'), '6');
    assert.equal(await inspect(id.slice(0, 12), '.State.Status'), 'exited');
    assert.equal(
      (await docker().run(['start', '-a', 'later'])).code,
      6,
      'start -a attaches and passes the status on',
    );
    await remove('later');
  });

  test('ps: states, filters, formats', async () => {
    await docker().ok('run', '-d', '--name', 'one', '--label', 'role=x', 'busybox', 'sleep', '300');
    await docker().run(['run', '--name', 'two', '--label', 'role=y', 'busybox', 'sh', '-c', 'exit 3']);
    await docker().ok('create', '--name', 'three', '--label', 'role=x', 'busybox');
    const names = (...flags: string[]) => docker().ok('ps', '--format', '{{.Names}}', ...flags);
    assert.equal(await names(), 'one');
    assert.equal(await names('-a'), 'three\ntwo\none');
    assert.equal(await names('-a', '--filter', 'label=role=x'), 'three\none');
    assert.equal(await names('-a', '--filter', 'status=exited'), 'two');
    assert.equal(await names('-a', '--filter', 'exited=3'), 'two');
    assert.equal(await names('-a', '--filter', 'name=^t'), 'three\ntwo');
    assert.equal(await names('-a', '--filter', 'ancestor=busybox', '--filter', 'before=two'), 'one');
    assert.equal(await names('-a', '--filter', 'since=two'), 'three');
    assert.equal(await names('-n', '1'), 'three');
    assert.match(
      await docker().ok('ps', '-a', '--filter', 'name=two', '--format', '{{.Status}}'),
      /^Exited \(3\) .* ago$/,
    );
    assert.match(
      await docker().ok('ps', '--format', '{{.Image}} {{.Command}} {{.Status}}'),
      /^busybox "sleep 300" Up /,
    );
    assert.match(await docker().ok('ps', '-q', '--no-trunc'), /^[0-9a-f]{64}$/);
    assert.match(
      await docker().ok('ps', '-a', '-s', '--format', '{{.Names}} {{.Size}}'),
      /three 0B \(virtual .*MB\)/,
    );
    assert.match(
      (await docker().ok('ps')).split('\n')[0] ?? '',
      /^CONTAINER ID +IMAGE +COMMAND +CREATED +STATUS +PORTS +NAMES$/,
    );
    await remove('one', 'two', 'three');
  });

  test('logs: both streams, tail, times, since and until', async () => {
    await docker().ok(
      'run',
      '--name',
      'talker',
      'busybox',
      'sh',
      '-c',
      'for i in 1 2 3 4; do echo $i; sleep 0.02; done; echo e >&2',
    );
    const whole = await docker().run(['logs', 'talker']);
    assert.deepEqual([whole.stdout, whole.stderr], ['1\n2\n3\n4\n', 'e\n']);
    assert.equal((await docker().run(['logs', '--tail', '2', 'talker'])).stdout, '4\n');
    const stamped = (await docker().ok('logs', '-t', 'talker')).split('\n');
    const times = stamped.map(
      (line) => /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z) \d$/.exec(line)?.[1] ?? line,
    );
    assert.deepEqual([...times].sort(), times, 'in order, with nanoseconds');
    assert.equal(await docker().ok('logs', '--since', times[2] ?? '', 'talker'), '3\n4');
    assert.equal(await docker().ok('logs', '--until', times[1] ?? '', 'talker'), '1\n2');
    await remove('talker');
  });

  test('logs -f: follows to the end of the container', async () => {
    await docker().ok(
      'run',
      '-d',
      '--name',
      'followed',
      'busybox',
      'sh',
      '-c',
      'echo first; read x < /go; echo last',
    );
    const follower = docker().start('logs', '-f', 'followed');
    await follower.prints(/first/);
    await docker().ok('rm', '-f', 'followed');
    assert.equal((await follower.ended).code, 0);

    await docker().ok(
      'run',
      '-d',
      '--name',
      'followed',
      'busybox',
      'sh',
      '-c',
      'mkfifo /go; echo first; read x < /go; echo last $x',
    );
    const second = docker().start('logs', '-f', 'followed');
    await second.prints(/first/);
    await docker().ok('exec', 'followed', 'sh', '-c', 'echo now > /go');
    const { code, stdout } = await second.ended;
    assert.deepEqual([code, stdout], [0, 'first\nlast now\n']);
    await remove('followed');
  });

  test('exec: output, input, status, user, environment, directory', async () => {
    await docker().ok('run', '-d', '--name', 'host', '-e', 'FROM=container', 'busybox', 'sleep', '300');
    const result = await docker().run([
      'exec',
      '-e',
      'X=y',
      '-w',
      '/tmp',
      '-u',
      'mail',
      'host',
      'sh',
      '-c',
      'echo $X $FROM $PWD $(id -un); echo err >&2; exit 4',
    ]);
    assert.deepEqual([result.code, result.stdout, result.stderr], [4, 'y container /tmp mail\n', 'err\n']);
    assert.equal(
      (await docker().run(['exec', '-i', 'host', 'tr', 'a-z', 'A-Z'], { input: 'louder' })).stdout,
      'LOUDER',
    );
    assert.equal(await docker().ok('exec', '-d', 'host', 'sh', '-c', 'echo done > /made'), '');
    await waitFor(
      'the detached program',
      async () => (await docker().run(['exec', 'host', 'cat', '/made'])).stdout === 'done\n',
    );
    assert.match(
      (await docker().run(['exec', 'host', 'nope'])).stdout +
        (await docker().run(['exec', 'host', 'nope'])).stderr,
      /"nope": executable file not found in \$PATH/,
    );
    const terminal = docker().terminal('exec', '-it', 'host', 'sh');
    await terminal.prints(/# /);
    terminal.write('stty size; exit 8\r');
    const ended = await terminal.ended;
    assert.match(ended.stdout, /24 80/);
    assert.equal(ended.code, 8);
    await docker().ok('stop', '-t', '0', 'host');
    assert.match(await docker().fails(1, 'exec', 'host', 'true'), /is not running/);
    await remove('host');
  });

  test('attach: several clients see the output, one gives the input', async () => {
    await docker().ok(
      'run',
      '-d',
      '-i',
      '--name',
      'echoer',
      'busybox',
      'sh',
      '-c',
      'while read line; do echo "got $line"; done; echo end',
    );
    const watcher = docker().start('attach', '--no-stdin', 'echoer');
    const typist = docker().start('attach', 'echoer');
    // Nothing says that a client is attached but what it prints.
    await waitFor('both clients to see the output', () => {
      typist.write('one\n');
      return typist.stdout.includes('got one') && watcher.stdout.includes('got one');
    });
    typist.child.kill('SIGKILL');
    await typist.ended;
    assert.equal(
      await inspect('echoer', '.State.Running'),
      'true',
      'a client that dies takes nothing with it',
    );
    const second = docker().start('attach', 'echoer');
    second.write('two\n');
    await watcher.prints(/got two/);
    second.child.kill('SIGKILL');
    await docker().ok('stop', '-t', '0', 'echoer');
    await watcher.ended;
    await remove('echoer');
  });

  test('stop, kill, restart', async () => {
    await polite('courteous');
    await docker().ok('stop', 'courteous');
    assert.equal(await inspect('courteous', '.State.ExitCode'), '5');
    await docker().ok('start', 'courteous');
    await docker().ok('kill', '-s', 'KILL', 'courteous');
    assert.equal(await docker().ok('wait', 'courteous'), '137');
    assert.match(await docker().fails(1, 'kill', 'courteous'), /is not running/);
    await docker().ok('start', 'courteous');
    const before = await inspect('courteous', '.State.Pid');
    await docker().ok('restart', '-t', '3', 'courteous');
    assert.notEqual(await inspect('courteous', '.State.Pid'), before);
    assert.equal(await inspect('courteous', '.State.Running'), 'true');
    await remove('courteous');

    await docker().ok('run', '-d', '--name', 'deaf', 'busybox', 'sh', '-c', 'trap "" TERM; sleep 300');
    await docker().ok('stop', '-t', '1', 'deaf');
    assert.equal(await inspect('deaf', '.State.ExitCode'), '137');
    await remove('deaf');

    await polite('special', '--stop-signal', 'USR1', '-e', 'SIGNAL=USR1');
    await docker().ok('stop', 'special');
    assert.equal(await inspect('special', '.State.ExitCode'), '5');
    await remove('special');
  });

  test('rename, top, inspect by several keys', async () => {
    await docker().ok('run', '-d', '--name', 'old', 'busybox', 'sleep', '301');
    await docker().ok('rename', 'old', 'new');
    assert.match(await docker().fails(1, 'inspect', 'old'), /no such object: old/i);
    assert.match(await docker().ok('top', 'new'), /sleep 301/);
    assert.match(await docker().ok('top', 'new', '-o', 'pid,args'), /^PID\s+COMMAND\n\d+\s+sleep 301$/);
    const [container] = JSON.parse(await docker().ok('inspect', '-s', 'new')) as Record<string, unknown>[];
    assert.equal(container?.Name, '/new');
    assert.equal(typeof container?.SizeRootFs, 'number');
    assert.deepEqual([container?.Path, container?.Args], ['sleep', ['301']]);
    await remove('new');
  });

  test('rm: what runs stays unless forced', async () => {
    await docker().ok('run', '-d', '--name', 'alive', 'busybox', 'sleep', '300');
    assert.match(
      await docker().fails(1, 'rm', 'alive'),
      /container is running|You cannot remove a running container/i,
    );
    await docker().ok('rm', '-f', 'alive');
    assert.match(await docker().fails(1, 'rm', 'alive'), /No such container: alive/);
  });

  test('events: what happened, filtered, as JSON', async () => {
    const since = String((Date.now() - 50) / 1000);
    await docker().ok('run', '--name', 'eventful', '--label', 'k=v', 'busybox', 'true');
    await docker().ok('rm', 'eventful');
    const until = String((Date.now() + 50) / 1000);
    const flags = [
      '--since',
      since,
      '--until',
      until,
      '--filter',
      'container=eventful',
      '--format',
      '{{json .}}',
    ];
    const events = (await docker().ok('events', ...flags))
      .split('\n')
      .map((line) => JSON.parse(line) as { Action: string; Actor: { Attributes: Record<string, string> } });
    const actions = events.map((event) => event.Action);
    for (const action of ['create', 'attach', 'start', 'die', 'destroy'])
      assert.ok(actions.includes(action), `${action} in ${actions}`);
    const died = events.find((event) => event.Action === 'die');
    assert.equal(died?.Actor.Attributes.exitCode, '0');
    assert.equal(died?.Actor.Attributes.k, 'v');
    assert.equal(died?.Actor.Attributes.image, 'busybox');
  });

  test('events: live', async () => {
    const watcher = docker().start(
      'events',
      '--filter',
      'event=rename',
      '--format',
      '{{.Actor.Attributes.name}}',
    );
    await docker().ok('create', '--name', 'a0', 'busybox');
    // The subscription has no acknowledgement: rename back and forth until one is seen.
    let turn = 0;
    await waitFor('an event', async () => {
      await docker().ok('rename', `a${turn}`, `a${turn + 1}`);
      turn++;
      return /^a\d+$/m.test(watcher.stdout);
    });
    watcher.child.kill('SIGINT');
    await watcher.ended;
    await remove(`a${turn}`);
  });

  test('port, and network and volume ls and inspect', async () => {
    await docker().ok(
      'run',
      '-d',
      '--name',
      'web',
      '-p',
      '127.0.0.1:8123:80',
      '-p',
      '53/udp',
      '-v',
      'stuff:/stuff',
      'busybox',
      'sleep',
      '300',
    );
    assert.equal(await docker().ok('port', 'web', '80/tcp'), '127.0.0.1:8123');
    assert.match(await docker().ok('port', 'web'), /^53\/udp -> 0\.0\.0\.0:\d+$/m);
    assert.match(await docker().ok('ps', '--format', '{{.Ports}}'), /127\.0\.0\.1:8123->80\/tcp/);
    assert.deepEqual(
      (await docker().ok('network', 'ls', '--format', '{{.Name}} {{.Driver}}')).split('\n').sort(),
      ['bridge bridge', 'host host', 'none null'],
    );
    const [bridge] = JSON.parse(await docker().ok('network', 'inspect', 'bridge')) as {
      Containers: Record<string, { Name: string; IPv4Address: string }>;
      IPAM: { Config: { Subnet: string }[] };
    }[];
    const [endpoint] = Object.values(bridge?.Containers ?? {});
    assert.equal(endpoint?.Name, 'web');
    assert.match(endpoint?.IPv4Address ?? '', /^\d+\.\d+\.\d+\.\d+\/\d+$/);
    assert.match(await docker().ok('volume', 'ls', '-q'), /^stuff$/m);
    assert.equal(
      await docker().ok('volume', 'inspect', '-f', '{{.Driver}} {{.Scope}}', 'stuff'),
      'local local',
    );
    assert.match(await docker().fails(1, 'volume', 'rm', 'stuff'), /volume is in use/);
    await remove('web');
    await docker().ok('volume', 'rm', 'stuff');
    assert.match(await docker().fails(1, 'volume', 'inspect', 'stuff'), /no such volume/i);
  });
}
