/** `wharf explain`: each verdict by a real cause. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, test } from 'node:test';
import { waitFor } from '../scripts/engine-client.ts';
import { engineName, useEngine } from './harness/engine.ts';

interface Explanation {
  Name: string;
  Status: string;
  Health?: string;
  Summary: string;
  Findings: { Code: string; Text: string; Evidence: string[]; Try: string[] }[];
  Log: string[];
}
interface Inspect {
  State: { Status: string; Pid: number; Health?: { Status: string } };
  RestartCount: number;
}

describe('explain', { skip: engineName === 'dockerd' && 'beyond Docker' }, () => {
  const engine = useEngine({ images: ['busybox'] });
  const api = () => engine().client;
  const cli = () => engine().cli('docker-28');
  const docker = (...args: string[]) => cli().ok(...args);
  afterEach(() => engine().clear());

  const explain = (name: string) => api().json<Explanation>('GET', `/wharf/containers/${name}/explain`);
  const inspect = (id: string) => api().json<Inspect>('GET', `/containers/${id}/json`);
  const codes = async (name: string) => (await explain(name)).Findings.map(({ Code }) => Code);
  const is = (name: string, wanted: string) =>
    waitFor(`${name} to be ${wanted}`, async () => (await inspect(name)).State.Status === wanted);
  const create = (name: string, ...args: string[]) =>
    docker('create', '--name', name, '--network', 'none', ...args);
  const run = (name: string, ...args: string[]) =>
    docker('run', '-d', '--name', name, '--network', 'none', ...args);
  const sh = (script: string) => ['busybox', 'sh', '-c', script];
  const evidence = ({ Findings }: Explanation) => Findings.flatMap(({ Evidence }) => Evidence).join('\n');

  /** An image of these files only. */
  async function image(name: string, files: Record<string, string | Buffer>): Promise<void> {
    const root = join(engine().sandbox.directory, name);
    mkdirSync(root);
    for (const [path, content] of Object.entries(files)) {
      writeFileSync(join(root, path), content);
      chmodSync(join(root, path), path.endsWith('.txt') ? 0o644 : 0o755);
    }
    execFileSync('tar', ['-cf', `${root}.tar`, '-C', root, '.']);
    await docker('import', `${root}.tar`, name);
  }

  test('what never ran: not started, and what an image cannot run', async () => {
    await create('never', ...sh('true'));
    assert.deepEqual(await codes('never'), ['never-started']);
    const foreign = readFileSync('/bin/busybox').subarray(0, 4096);
    foreign.writeUInt16LE(process.arch === 'arm64' ? 62 : 183, 18); // e_machine of the other one
    await image('broken', {
      foreign,
      script: '#!/bin/no-such\n',
      windows: '#!/bin/sh\r\ntrue\r\n',
      'plain.txt': 'text',
      // glibc's loader is not there.
      dynamic: readFileSync('/bin/ls'),
    });
    const wanted: Record<string, [string, RegExp]> = {
      '/foreign': ['wrong-architecture', /is built for \S+, and this machine is \S+\.$/],
      '/script': ['missing-loader', /the interpreter it needs, \/bin\/no-such, is not in the image/],
      '/dynamic': ['missing-loader', /the loader .* it needs, \/lib.*, is not in the image/],
      '/windows': ['script-line-endings', /Windows line endings/],
      '/plain.txt': ['program-not-executable', /not executable/],
      '/nothing': ['program-not-found', /"\/nothing" is not in the image/],
    };
    for (const [program, [code, text]] of Object.entries(wanted)) {
      const name = `x${program.replace(/\W/g, '')}`;
      await create(name, 'broken', program);
      assert.notEqual((await cli().run(['start', name])).code, 0);
      const explanation = await explain(name);
      assert.equal(explanation.Findings[0]!.Code, code, program);
      assert.match(explanation.Summary, text);
      assert.match(evidence(explanation), /its start failed: /);
      assert.notEqual(explanation.Findings[0]!.Try.length, 0);
    }
    await create('elsewhere', '-w', '/bin/busybox', ...sh('true'));
    assert.notEqual((await cli().run(['start', 'elsewhere'])).code, 0);
    assert.deepEqual(await codes('elsewhere'), ['working-directory']);
  });

  test('a port that is taken, and who has it', async () => {
    await docker('run', '-d', '--name', 'holder', '-p', '127.0.0.1:18080:80', ...sh('sleep 1000'));
    await docker('create', '--name', 'asking', '-p', '127.0.0.1:18080:80', ...sh('sleep 1000'));
    assert.notEqual((await cli().run(['start', 'asking'])).code, 0);
    const taken = await explain('asking');
    assert.equal(taken.Findings[0]!.Code, 'port-in-use');
    assert.match(evidence(taken), /port 18080 is held by container holder/);
    await docker('rm', '-f', 'holder');
    assert.match(evidence(await explain('asking')), /nobody has port 18080 now/);
    const listen = "require('net').createServer().listen(18081, '127.0.0.1', () => console.log('ready'))";
    const holder = engine().helper([process.execPath, '-e', listen]);
    await waitFor('the port to be taken', () => holder.stdout.includes('ready'));
    await docker('create', '--name', 'other', '-p', '127.0.0.1:18081:80', ...sh('sleep 1000'));
    assert.notEqual((await cli().run(['start', 'other'])).code, 0);
    assert.match(evidence(await explain('other')), /port 18081 is held by process \S+ \(pid \d+\)/);
  });

  test('ends of its own: success, failure, a command missing in a script, memory', async () => {
    await run('finished', ...sh('echo all done'));
    await run('failed', ...sh('echo one; echo two >&2; exit 3'));
    await run('typo', ...sh('no-such-command'));
    await run('hungry', '-m', '16m', '--memory-swap', '16m', 'busybox', 'tail', '/dev/zero');
    for (const name of ['finished', 'failed', 'typo', 'hungry']) await is(name, 'exited');
    assert.deepEqual(await codes('finished'), ['finished']);
    const failed = await explain('failed');
    assert.deepEqual([failed.Findings[0]!.Code, failed.Status], ['failed', 'exited']);
    assert.deepEqual(failed.Log.toSorted(), ['one', 'two']);
    assert.match((await explain('typo')).Findings[0]!.Try.join(), /is not in the image, or not in its PATH/);
    const hungry = await explain('hungry');
    assert.equal(hungry.Findings[0]!.Code, 'oom-killed');
    assert.match(hungry.Summary, /more memory than its limit of 16 MiB/);
    assert.match(evidence(hungry), /memory limit 16 MiB \(16777216 bytes\)\n/);
  });

  test('ends by others: stop, a kill after the time-out, a signal from outside, a crash', async () => {
    await run('stopped', '--init', ...sh('sleep 1000'));
    await docker('stop', 'stopped');
    const stopped = await explain('stopped');
    assert.equal(stopped.Findings[0]!.Code, 'stopped');
    assert.match(stopped.Summary, /It was stopped by Docker-Client\/28\S* .*SIGTERM ended it/);
    await run('deaf', ...sh('trap "" TERM; sleep 1000'));
    await docker('stop', '-t', '1', 'deaf');
    assert.match(
      (await explain('deaf')).Summary,
      /did not end within 1 seconds of its stop signal, so SIGKILL/,
    );
    await run('killed', ...sh('sleep 1000'));
    await docker('kill', 'killed');
    assert.equal((await codes('killed'))[0], 'killed');
    await run('outside', ...sh('sleep 1000'));
    process.kill((await inspect('outside')).State.Pid, 'SIGKILL');
    await is('outside', 'exited');
    assert.deepEqual(await codes('outside'), ['killed-outside']);
    await run('crashed', ...sh('f() { f; }; f')); // to the end of its stack
    await is('crashed', 'exited');
    assert.deepEqual(await codes('crashed'), ['crashed']);
  });

  test('health: the failed probe’s words, one that takes too long, one that cannot run; paused', async () => {
    const health = (cmd: string, ...more: string[]) => [
      ...['--health-cmd', cmd, '--health-interval', '100ms', '--health-retries', '1', ...more],
      ...sh('sleep 1000'),
    ];
    await run('sick', ...health('echo database is away; exit 7'));
    await run('slow', ...health('sleep 100', '--health-timeout', '100ms'));
    await run('curl', ...health('curl -f localhost'));
    await run('well', ...health('true'));
    await run('young', ...health('true', '--health-interval', '1h'));
    for (const [name, status] of Object.entries({
      sick: 'unhealthy',
      slow: 'unhealthy',
      curl: 'unhealthy',
      well: 'healthy',
    })) {
      await waitFor(
        `${name} to be ${status}`,
        async () => (await inspect(name)).State.Health?.Status === status,
      );
    }
    const sick = await explain('sick');
    assert.deepEqual([sick.Findings[0]!.Code, sick.Health], ['unhealthy', 'unhealthy']);
    assert.match(evidence(sick), /with exit code 7 and said: database is away/);
    assert.match((await explain('slow')).Findings[0]!.Try.join(), /--health-timeout/);
    assert.match((await explain('curl')).Findings[0]!.Try.join(), /a command that is not in the image/);
    assert.deepEqual(await codes('well'), ['healthy']);
    assert.deepEqual(await codes('young'), ['health-starting']);
    await docker('pause', 'well');
    assert.deepEqual(await codes('well'), ['paused']);
  });

  test('restarts: when the next is due, and when there is none any more', async () => {
    await run('loops', '--restart', 'always', ...sh('exit 1'));
    await run('limited', '--restart', 'on-failure:1', ...sh('exit 1'));
    await is('limited', 'exited');
    assert.deepEqual(await codes('limited'), ['failed', 'restarts-used-up']);
    await waitFor('some restarts', async () => (await inspect('loops')).RestartCount >= 3);
    await is('loops', 'restarting');
    const loops = await explain('loops');
    assert.deepEqual(
      [loops.Status, loops.Findings.map(({ Code }) => Code)],
      ['restarting', ['failed', 'restart-pending']],
    );
    await docker('stop', 'loops');
    assert.deepEqual((await codes('loops')).slice(1), ['restart-held']);
  });

  test('what is missing around it: a mount, a volume, its image', async () => {
    const source = join(engine().sandbox.directory, 'source');
    mkdirSync(source);
    await image('passing', { busybox: readFileSync('/bin/busybox') });
    await create('poor', '--mount', `type=bind,src=${source},dst=/data`, 'passing', '/busybox', 'true');
    rmSync(source, { recursive: true });
    await docker('rmi', '-f', 'passing');
    assert.deepEqual((await codes('poor')).slice(1), ['mount-missing', 'image-gone']);
  });

  test('a new daemon knows it all the same; and what the old one did', async () => {
    await run('failed', ...sh('exit 9'));
    await is('failed', 'exited');
    await run('running', '--init', ...sh('sleep 1000'));
    await run('bound', '--init', ...sh('sleep 1000'));
    await docker('kill', '-s', 'TERM', 'bound');
    await is('bound', 'exited');
    await engine().signal('SIGTERM');
    await engine().launch();
    assert.deepEqual(await codes('failed'), ['failed']);
    assert.deepEqual(await codes('running'), ['stopped-by-daemon']);
    assert.match((await explain('bound')).Summary, /It was killed by Docker-Client.* SIGTERM ended it/);
    await run('again', ...sh('sleep 1000'));
    const { Pid } = (await inspect('again')).State;
    await engine().signal('SIGKILL');
    process.kill(Pid, 'SIGKILL');
    await engine().launch();
    assert.deepEqual(await codes('again'), ['killed-outside']);
  });

  test('the command line: text for people, JSON for programs, an error for a name there is none of', async () => {
    await run('failed', ...sh('echo "cannot open config.yaml"; exit 78'));
    await is('failed', 'exited');
    const wharf = engine().cli('wharf');
    const text = await wharf.ok('explain', 'failed');
    assert.match(
      text,
      /^failed \([0-9a-f]{12}\) is exited\n\n {2}Its program ended itself with exit code 78/,
    );
    assert.match(text, /\n {4}evidence {2}exit code 78/);
    assert.match(text, /\n {4}try {7}docker logs failed/);
    assert.match(text, /\n {4}\| cannot open config.yaml$/);
    assert.deepEqual(
      JSON.parse(await wharf.ok('explain', '--format', 'json', 'failed')),
      await explain('failed'),
    );
    assert.match(await wharf.fails(1, 'explain', 'nobody'), /No such container: nobody/);
    assert.match(await wharf.fails(1, 'explain', '--format', 'xml', 'failed'), /use text or json/);
  });
});
