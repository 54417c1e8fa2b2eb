/** Fields of Config and HostConfig that are neither limits, devices, networks nor confinement: their effect, seen from inside. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, test } from 'node:test';
import { waitFor } from '../scripts/engine-client.ts';
import { engineName, useEngine } from './harness/engine.ts';

const newer = engineName === 'dockerd' && 'not in dockerd 20.10';

describe('fields', () => {
  const engine = useEngine({ images: ['busybox'] });
  const docker = () => engine().cli('docker-28');
  const api = () => engine().client;
  afterEach(() => engine().clear());
  const inside = (flags: readonly string[], script: string) =>
    docker().ok('run', '--rm', ...flags, 'busybox', 'sh', '-c', script);
  const runtimeSpec = async (id: string) =>
    JSON.parse(
      await engine().sandbox.ok(['cat', `${engine().sandbox.directory}/exec/containers/${id}/config.json`]),
    ) as { annotations?: Record<string, string> };

  test('User: by name, id, with a group, unknown; GroupAdd by name and id', async () => {
    const id = 'id -u; id -g; id -G';
    assert.equal(await inside(['-u', 'mail'], id), '8\n8\n8');
    assert.equal(await inside(['-u', '1234'], id), '1234\n0\n0');
    assert.equal(await inside(['-u', '1234:56'], id), '1234\n56\n56');
    assert.equal(await inside(['-u', 'mail:daemon'], 'id -u; id -g'), '8\n1');
    assert.match(await inside(['--group-add', 'mail', '--group-add', '4321'], 'id -G'), /\b8\b.*\b4321\b/);
    const missing = (user: string) => docker().fails(125, 'run', '--rm', '-u', user, 'busybox', 'true');
    assert.match(await missing('nosuch'), /unable to find user nosuch: no matching entries in passwd file/);
    assert.match(await missing('0:nosuch'), /unable to find group nosuch: no matching entries in group file/);
    assert.match(
      await docker().fails(125, 'run', '--rm', '--group-add', 'nosuch', 'busybox', 'true'),
      /unable to find group nosuch/i,
    );
  });

  test('ShmSize, Tmpfs, ReadonlyRootfs, WorkingDir, Env, Entrypoint, Cmd', async () => {
    assert.match(await inside(['--shm-size', '3m'], 'df -k /dev/shm | tail -n 1'), /\b3072\b/);
    const tmpfs = await inside(
      ['--tmpfs', '/t:size=1m,mode=1750,uid=5,noexec'],
      'stat -c "%a %u" /t; grep " /t " /proc/mounts',
    );
    assert.match(tmpfs, /^1750 5\n.*noexec.*size=1024k/);
    assert.equal(
      await inside(
        ['--read-only', '--tmpfs', '/run'],
        'touch /x 2>/dev/null || echo no; touch /run/x && echo yes',
      ),
      'no\nyes',
    );
    assert.equal(
      await inside(['-w', '/made/here', '-u', '5'], 'pwd; stat -c %u /made/here'),
      '/made/here\n0',
    );
    assert.equal(
      await inside(['-e', 'A=1', '-e', 'A=2', '-e', 'EMPTY='], 'echo $A; env | grep EMPTY'),
      '2\nEMPTY=',
    );
    assert.equal(
      await docker().ok('run', '--rm', '--entrypoint', 'echo', 'busybox', 'one', 'two'),
      'one two',
    );
  });

  test('Init reaps orphans and passes signals on; StopSignal, StopTimeout', async () => {
    assert.match(await inside(['--init'], 'cat /proc/1/comm'), /docker-init|tini/);
    await docker().ok(
      'run',
      '-d',
      '--init',
      '--name',
      'inited',
      'busybox',
      'sh',
      '-c',
      '(sleep 0.1 &) ; exec sleep 1000',
    );
    await waitFor(
      'the orphan to be reaped',
      async () =>
        !/^\d+\s+Z|\d\s+\S+\s+sleep 0\.1$/m.test(await docker().ok('top', 'inited', '-eo', 'pid,stat,args')),
    );
    await docker().ok(
      'run',
      '-d',
      '--name',
      'usr',
      '--stop-signal',
      'USR1',
      'busybox',
      'sh',
      '-c',
      'trap "exit 7" USR1; touch /up; while :; do sleep 0.05; done',
    );
    await waitFor(
      'the trap',
      async () => (await docker().run(['exec', 'usr', 'test', '-e', '/up'])).code === 0,
    );
    await docker().ok('stop', 'usr');
    assert.equal(await docker().ok('inspect', '-f', '{{.State.ExitCode}}', 'usr'), '7');
    await docker().ok('run', '-d', '--name', 'deaf', '--stop-timeout', '0', 'busybox', 'sleep', '1000');
    await docker().ok('stop', 'deaf');
    assert.equal(await docker().ok('inspect', '-f', '{{.State.ExitCode}}', 'deaf'), '137');
  });

  test('Labels, Annotations, Runtime', { skip: newer }, async () => {
    const id = await docker().ok(
      'run',
      '-d',
      '--label',
      'a=b',
      '--annotation',
      'org.example.note=yes',
      'busybox',
      'sleep',
      '1000',
    );
    assert.equal(
      await docker().ok(
        'inspect',
        '-f',
        '{{.Config.Labels.a}} {{index .HostConfig.Annotations "org.example.note"}}',
        id,
      ),
      'b yes',
    );
    assert.equal((await runtimeSpec(id)).annotations?.['org.example.note'], 'yes');
    assert.match(
      await docker().fails(125, 'run', '--runtime', 'nosuch', 'busybox'),
      /unknown or invalid runtime name: nosuch/,
    );
    if ((await docker().ok('info', '-f', '{{json .Runtimes}}')).includes('"runc"')) {
      assert.equal(
        await docker().ok('run', '--rm', '--runtime', 'runc', 'busybox', 'echo', 'by runc'),
        'by runc',
      );
    }
  });

  test('AutoRemove, VolumesFrom, Volumes, Binds and Mounts', async () => {
    const host = join(engine().sandbox.directory, 'fields-bind');
    mkdirSync(host, { recursive: true });
    writeFileSync(join(host, 'file'), 'of the host');
    await docker().ok(
      'run',
      '--name',
      'keeper',
      '-v',
      '/data',
      '-v',
      `${host}:/bind:ro`,
      'busybox',
      'sh',
      '-c',
      'echo kept > /data/x',
    );
    assert.equal(
      await inside(
        ['--volumes-from', 'keeper'],
        'cat /data/x /bind/file; touch /bind/y 2>/dev/null || echo ro',
      ),
      'kept\nof the hostro',
    );
    assert.equal(await inside(['--volumes-from', 'keeper:ro'], 'touch /data/y 2>/dev/null || echo ro'), 'ro');
    const mount = (spec: string, script: string) => inside(['--mount', spec], script);
    assert.equal(
      await mount(`type=bind,source=${host}/file,target=/one,readonly`, 'cat /one'),
      'of the host',
    );
    assert.match(
      await mount('type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=700', 'stat -c %a /t; df -k /t | tail -n 1'),
      /^700\n.*\b1024\b/,
    );
    assert.equal(
      await mount(
        'type=volume,source=named,target=/etc,volume-nocopy',
        'ls /etc | grep -v -e hosts -e hostname -e resolv.conf | wc -l',
      ),
      '0',
    );
    assert.equal(
      await mount('type=volume,source=copied,target=/etc', 'test -e /etc/passwd && echo copied'),
      'copied',
    );
    assert.match(
      await docker().fails(
        125,
        'run',
        '--rm',
        '--mount',
        'type=bind,source=/nowhere/at/all,target=/x',
        'busybox',
      ),
      /bind source path does not exist: \/nowhere\/at\/all/,
    );
    const gone = await docker().ok('run', '--rm', '-d', '-v', '/anonymous', 'busybox', 'true');
    await waitFor(
      'the container to go',
      async () => (await api().request('GET', `/containers/${gone}/json`)).status === 404,
    );
  });

  test('Tty, OpenStdin, StdinOnce, ConsoleSize', { skip: newer }, async () => {
    const client = docker().terminal(
      'run',
      '--rm',
      '-it',
      'busybox',
      'sh',
      '-c',
      'tty; stty size; read x; echo got $x',
    );
    await client.prints(/\/dev\/pts\/0\s+24 80/);
    client.child.stdin?.write('this\n');
    await client.prints(/got this/);
    await client.ended;
    const { stdout } = await docker().run(['run', '--rm', '-i', 'busybox', 'cat'], { input: 'through' });
    assert.equal(stdout, 'through');
  });

  test('an image for another machine is not what was asked for', { skip: newer }, async () => {
    const body = { Image: 'busybox' };
    const answer = await api().request('POST', '/containers/create?platform=linux/s390x', { body });
    assert.equal(answer.status, 404);
    assert.match(
      answer.body,
      /was found but its platform \(linux\/\w+\) does not match the specified platform \(linux\/s390x\)/,
    );
  });
});
