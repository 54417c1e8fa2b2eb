/** Restart policies: when a container comes back, how often, and what waits for it. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, describe, test } from 'node:test';
import { waitFor } from '../scripts/engine-client.ts';
import { engineName, useEngine } from './harness/engine.ts';

interface Inspect {
  Id: string;
  State: {
    Status: string;
    Running: boolean;
    Restarting: boolean;
    ExitCode: number;
    StartedAt: string;
    Pid: number;
  };
  RestartCount: number;
  HostConfig: { RestartPolicy: object };
}
interface Answer {
  StatusCode: number;
  Error?: { Message: string };
}

const own = engineName === 'dockerd' && 'beyond Docker';

describe('restart policies', () => {
  const engine = useEngine({ images: ['busybox'] });
  const api = () => engine().client;
  const docker = (...args: string[]) =>
    engine()
      .cli('docker-28')
      .ok(...args);
  afterEach(() => engine().clear());

  const inspect = (id: string) => api().json<Inspect>('GET', `/containers/${id}/json`);
  const status = async (id: string) => (await inspect(id)).State.Status;
  const is = (id: string, wanted: string) =>
    waitFor(`${id} to be ${wanted}`, async () => (await status(id)) === wanted);
  const run = (name: string, policy: string, script: string, ...flags: string[]) =>
    docker(
      'run',
      '-d',
      '--name',
      name,
      '--network',
      'none',
      '--restart',
      policy,
      ...flags,
      'busybox',
      'sh',
      '-c',
      script,
    );
  const wait = async (id: string, condition: string) =>
    api().json<Answer>('POST', `/containers/${id}/wait?condition=${condition}`);
  /** Every wait of a running program that ends by SIGTERM. */
  const patient = 'trap "exit 0" TERM; while :; do sleep 0.1; done';

  test('on-failure gives up after its tries, and stays down after success', async () => {
    await run('fails', 'on-failure:2', 'exit 4');
    await run('succeeds', 'on-failure', 'exit 0');
    await is('fails', 'exited');
    const { RestartCount, State } = await inspect('fails');
    assert.deepEqual([RestartCount, State.ExitCode, State.Restarting], [2, 4, false]);
    await is('succeeds', 'exited');
    assert.equal((await inspect('succeeds')).RestartCount, 0);
    assert.equal((await wait('fails', 'not-running')).StatusCode, 4);
  });

  test('what ends by itself comes back under always, what is stopped or killed by hand does not', async () => {
    await run('ends', 'always', 'sleep 0.1; exit 3');
    await waitFor('two restarts', async () => (await inspect('ends')).RestartCount >= 2);
    await waitFor('the list to say so', async () =>
      /^Restarting \(3\)/.test(
        await docker('ps', '--filter', 'status=restarting', '--format', '{{.Status}}'),
      ),
    );
    await docker('stop', 'ends');
    assert.equal(await status('ends'), 'exited');
    for (const how of ['stop', 'kill']) {
      await run(how, 'always', patient);
      // A stop before the shell has set its trap is ignored by it.
      await docker(how, ...(how === 'stop' ? ['-t', '1'] : []), how);
      assert.equal(await status(how), 'exited');
      assert.equal((await inspect(how)).RestartCount, 0);
    }
    await run('inside', 'unless-stopped', 'kill -9 -1; sleep 0.2; exit 1');
    await waitFor('it to come back', async () => (await inspect('inside')).RestartCount > 0);
  });

  test('update gives another policy to what waits for its restart', async () => {
    await run('box', 'always', 'exit 5');
    await waitFor('some restarts', async () => (await inspect('box')).RestartCount >= 2);
    await docker('update', '--restart', 'no', 'box');
    await is('box', 'exited');
    await docker('update', '--restart', 'on-failure:1', 'box');
    await docker('start', 'box');
    await waitFor('the last try', async () => {
      const { RestartCount, State } = await inspect('box');
      return RestartCount === 1 && State.Status === 'exited';
    });
  });

  test('several wait for one end; for the next exit, and for the removal by --rm', async () => {
    await docker('run', '-d', '--rm', '--name', 'box', '--network', 'none', 'busybox', 'sleep', '1000');
    const conditions = ['not-running', 'not-running', 'next-exit', 'removed', 'removed'];
    const answers = Promise.all(conditions.map((condition) => wait('box', condition)));
    // They are registered when their heads have come; the command line is slower than that.
    await docker('kill', '-s', 'KILL', 'box');
    assert.deepEqual(
      (await answers).map(({ StatusCode }) => StatusCode),
      [137, 137, 137, 137, 137],
    );
  });

  test('after a daemon that was killed, and after a restart of the machine', { skip: own }, async () => {
    await run('always', 'always', patient);
    await run('always-stopped', 'always', patient);
    await run('unless', 'unless-stopped', patient);
    await run('unless-stopped', 'unless-stopped', patient);
    await run('failure', 'on-failure', patient);
    await run('no', 'no', patient);
    await docker('stop', '-t', '1', 'always-stopped', 'unless-stopped');
    const names = ['always', 'always-stopped', 'unless', 'unless-stopped', 'failure', 'no'];
    const statuses = () => Promise.all(names.map(status));
    const before = (await inspect('always')).State.StartedAt;
    // The machine goes down: everything dies at once, and another boot id is told when it is up.
    const { directory } = engine().sandbox;
    const pids = await Promise.all(names.map(async (name) => (await inspect(name)).State.Pid));
    const shims = readdirSync('/proc').filter(
      (pid) =>
        /^\d+$/.test(pid) &&
        commandLine(pid).includes(`${directory}/exec`) &&
        commandLine(pid).startsWith('wharf-shim'),
    );
    await engine().signal('SIGKILL');
    for (const pid of [...shims, ...pids.filter((p) => p > 0)]) {
      try {
        process.kill(Number(pid), 'SIGKILL');
      } catch {
        // it went with its shim
      }
    }
    const id = `${directory}/boot-id`;
    writeFileSync(id, '11111111-2222-3333-4444-555555555555\n');
    const [program = '', ...args] = engine().sandbox.inside([
      'mount',
      '--bind',
      id,
      '/proc/sys/kernel/random/boot_id',
    ]);
    execFileSync(program, args);
    await engine().launch();
    await is('always', 'running');
    await is('failure', 'running');
    await is('always-stopped', 'running');
    await is('unless', 'running');
    assert.deepEqual(await statuses(), ['running', 'running', 'running', 'exited', 'running', 'exited']);
    assert.equal((await inspect('no')).State.ExitCode, 255);
    assert.notEqual((await inspect('always')).State.StartedAt, before);
    // A daemon that stops takes its containers down; it is not the user who stopped them.
    await engine().signal('SIGTERM');
    await engine().launch();
    await is('always', 'running');
    await is('unless', 'running');
    assert.equal(await status('unless-stopped'), 'exited');
  });

  describe('on-unhealthy', { skip: own }, () => {
    const check = ['--health-cmd', 'test ! -e /sick', '--health-interval', '100ms', '--health-retries', '1'];

    test('starts anew what is unhealthy, as often as it may; wait for healthy waits so long', async () => {
      // Sick from its first breath, until it has been restarted once.
      const script = `test -e /once || touch /sick; test ! -e /once || rm -f /sick; touch /once; ${patient}`;
      await run('box', 'on-unhealthy:2', script, ...check);
      assert.deepEqual((await inspect('box')).HostConfig.RestartPolicy, {
        Name: 'on-unhealthy',
        MaximumRetryCount: 2,
      });
      assert.deepEqual(await wait('box', 'healthy'), { StatusCode: 0 });
      assert.equal((await inspect('box')).RestartCount, 1);
      await docker('exec', 'box', 'sh', '-c', 'rm /once; touch /sick');
      await waitFor('the second restart', async () => (await inspect('box')).RestartCount === 2);
      // The second restart leaves it sick, and there is no third.
      assert.deepEqual(await wait('box', 'healthy'), {
        StatusCode: 1,
        Error: { Message: 'it is unhealthy' },
      });
      const { RestartCount, State } = await inspect('box');
      assert.deepEqual([RestartCount, State.Status], [2, 'running']);
      await docker('stop', '-t', '0', 'box');
      assert.equal(await status('box'), 'exited');
    });

    test('also what fails by itself; wait for healthy tells of an end and of no check', async () => {
      await run('box', 'on-unhealthy:1', 'exit 6', ...check);
      const ended = await wait('box', 'healthy');
      assert.deepEqual(ended, {
        StatusCode: 6,
        Error: { Message: 'it ended with exit code 6 before it was healthy' },
      });
      assert.equal((await inspect('box')).RestartCount, 1);
      const { stderr } = await engine().cli('wharf').run(['wait', '--condition', 'healthy', 'box']);
      assert.match(stderr, /it ended with exit code 6/);
      await run('unchecked', 'no', patient);
      const { status: code, body } = await api().request(
        'POST',
        '/containers/unchecked/wait?condition=healthy',
      );
      assert.deepEqual([code, /no health check/.test(String(body))], [400, true]);
    });
  });
});

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}
