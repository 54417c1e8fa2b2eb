/** Health checks, by the docker command line and the API. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, test } from 'node:test';
import { waitFor } from '../scripts/engine-client.ts';
import { engineName, useEngine } from './harness/engine.ts';

interface Health {
  Status: string;
  FailingStreak: number;
  Log: { Start: string; End: string; ExitCode: number; Output: string }[];
}
interface Inspect {
  Id: string;
  State: { Status: string; Pid: number; Health?: Health };
  Config: { Healthcheck?: object };
}
interface Event {
  Action: string;
  Actor: { Attributes: Record<string, string> };
}

/** What Debian's dockerd, five years older, does differently or not at all. */
const newer = engineName === 'dockerd' && 'not in dockerd 20.10';
const MS = 1_000_000;

describe('health checks', () => {
  const engine = useEngine({ images: ['busybox'] });
  const api = () => engine().client;
  const docker = (...args: string[]) =>
    engine()
      .cli('docker-28')
      .ok(...args);
  afterEach(() => engine().clear());

  const inspect = (id: string) => api().json<Inspect>('GET', `/containers/${id}/json`);
  const health = async (id: string) => (await inspect(id)).State.Health;
  const reaches = (id: string, status: string) =>
    waitFor(`${id} to be ${status}`, async () => (await health(id))?.Status === status);
  const probed = async (id: string, since = '') => {
    const last = async () => (await health(id))?.Log.at(-1)?.Start ?? '';
    await waitFor(`${id} to be probed`, async () => (await last()) > since);
    return last();
  };
  const run = (name: string, ...args: string[]) =>
    docker('run', '-d', '--name', name, '--network', 'none', '--health-interval', '100ms', ...args);
  const sleeper = ['busybox', 'sleep', '1000'];
  /** Healthy unless there is /sick. */
  const check = ['--health-cmd', 'echo checked; test ! -e /sick'];
  const events = async (container: string) => {
    const filters = JSON.stringify({ container: [container] });
    const until = (Date.now() / 1000).toFixed(3);
    const path = `/events?since=1&until=${until}&filters=${encodeURIComponent(filters)}`;
    const { body } = await api().request('GET', path);
    const lines = String(body).trim().split('\n').filter(Boolean);
    return lines.map((line) => JSON.parse(line) as Event);
  };

  test('from starting to healthy, unhealthy and back, with its log, its events and its status in lists', async () => {
    await run('hc', ...check, '--health-retries', '2', ...sleeper);
    await reaches('hc', 'healthy');
    assert.match(
      await docker('ps', '--filter', 'health=healthy', '--format', '{{.Status}}'),
      /^Up .* \(healthy\)$/,
    );
    assert.equal(await docker('ps', '-q', '--filter', 'health=none', '--filter', 'health=unhealthy'), '');
    const [first] = (await health('hc'))!.Log;
    assert.deepEqual([first!.ExitCode, first!.Output], [0, 'checked\n']);
    assert.ok(Date.parse(first!.End) >= Date.parse(first!.Start));
    await docker('exec', 'hc', 'touch', '/sick');
    await reaches('hc', 'unhealthy');
    assert.match(await docker('ps', '--format', '{{.Status}}'), /^Up .* \(unhealthy\)$/);
    await waitFor('five failures', async () => ((await health('hc'))?.FailingStreak ?? 0) >= 5);
    const { Log } = (await health('hc'))!;
    assert.deepEqual(
      Log.map(({ ExitCode }) => ExitCode),
      [1, 1, 1, 1, 1],
    );
    await docker('exec', 'hc', 'rm', '/sick');
    await reaches('hc', 'healthy');
    assert.equal((await health('hc'))!.FailingStreak, 0);
    const told = await events('hc');
    const changes = told.map(({ Action }) => Action).filter((action) => action.startsWith('health_status'));
    assert.deepEqual(changes, [
      'health_status: healthy',
      'health_status: unhealthy',
      'health_status: healthy',
    ]);
    const probe = 'exec_create: /bin/sh -c echo checked; test ! -e /sick';
    const { execID } = told.find(({ Action }) => Action === probe)!.Actor.Attributes;
    const itsOwn = told.filter((event) => event.Actor.Attributes.execID === execID);
    assert.deepEqual(
      itsOwn.map(({ Action }) => Action.replace(/:.*/, '')),
      ['exec_create', 'exec_start', 'exec_die'],
    );
    assert.equal(itsOwn[2]!.Actor.Attributes.exitCode, '0');
  });

  test('a probe that takes too long ends with its children; long output is cut', async () => {
    await run(
      'slow',
      '--health-cmd',
      'sleep 4321 & sleep 4321',
      '--health-timeout',
      '200ms',
      '--health-retries',
      '1',
      ...sleeper,
    );
    await run('long', '--health-cmd', 'yes 0123456 | head -c 20000', ...sleeper);
    await reaches('slow', 'unhealthy');
    await reaches('long', 'healthy');
    const { Log } = (await health('slow'))!;
    assert.deepEqual([Log[0]!.ExitCode, Log[0]!.Output], [-1, 'Health check exceeded timeout (200ms)']);
    assert.equal((await health('long'))!.Log[0]!.Output, `${'0123456\n'.repeat(512)}...`);
    await waitFor('four time-outs', async () => (await health('slow'))!.Log.length >= 4);
    // dockerd leaves the children. Of the probe that is under way there may be two.
    if (engineName === 'dockerd') return;
    await waitFor('the children to be gone', async () => {
      const processes = await docker('top', 'slow', '-eo', 'pid,args');
      return processes.split('\n').filter((line) => line.endsWith(' sleep 4321')).length <= 2;
    });
  });

  test('pausing and stopping end the probing, a restart begins anew', async () => {
    await run('hc', ...check, ...sleeper);
    await reaches('hc', 'healthy');
    await docker('pause', 'hc');
    const { Status, Log } = (await health('hc'))!;
    assert.equal(Status, 'unhealthy', 'as Docker says of what is not probed');
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.deepEqual((await health('hc'))!.Log, Log);
    await docker('unpause', 'hc');
    await reaches('hc', 'healthy');
    await docker('stop', '-t', '0', 'hc');
    assert.equal((await health('hc'))!.Status, 'unhealthy');
    await docker('start', 'hc');
    await reaches('hc', 'healthy');
  });

  test('the image’s check: changed by the request, and switched off', async () => {
    const tar = join(engine().sandbox.directory, 'busybox.tar');
    execFileSync('tar', ['-cf', tar, '-C', '/bin', 'busybox']);
    const change = 'HEALTHCHECK --interval=100ms --retries=7 CMD ["/busybox","test","-e","/well"]';
    await docker('import', '--change', change, tar, 'checked');
    const from = ['checked', '/busybox', 'sleep', '1000'];
    await docker('run', '-d', '--name', 'as-it-is', ...from);
    await docker('run', '-d', '--name', 'changed', '--health-timeout', '3s', ...from);
    await docker('run', '-d', '--name', 'off', '--no-healthcheck', ...from);
    const config = async (name: string) => (await inspect(name)).Config.Healthcheck;
    const own = { Test: ['CMD', '/busybox', 'test', '-e', '/well'], Interval: 100 * MS, Retries: 7 };
    assert.deepEqual(await config('as-it-is'), own);
    assert.deepEqual(await config('changed'), { ...own, Timeout: 3000 * MS });
    await probed('as-it-is');
    assert.equal((await health('as-it-is'))!.Log[0]!.ExitCode, 1);
    assert.equal(await health('off'), undefined);
  });

  test('a shell that is not there is told as the failure', async () => {
    await run(
      'hc',
      '--health-cmd',
      'true',
      '--health-retries',
      '1',
      '--entrypoint',
      'sleep',
      'busybox',
      '1000',
    );
    await reaches('hc', 'healthy');
    await docker('exec', 'hc', 'rm', '/bin/sh');
    await reaches('hc', 'unhealthy');
    const last = (await health('hc'))!.Log.at(-1)!;
    assert.equal(last.ExitCode, -1);
    assert.match(last.Output, /OCI runtime exec failed.*\/bin\/sh.*no such file or directory/);
  });

  test('in the start period it is probed more often, and failures do not count', {
    skip: newer,
  }, async () => {
    const period = [
      '--health-start-period',
      '1h',
      '--health-start-interval',
      '50ms',
      '--health-retries',
      '1',
    ];
    await docker(
      'run',
      '-d',
      '--name',
      'hc',
      '--health-interval',
      '1h',
      ...period,
      '--health-cmd',
      'test -e /well',
      ...sleeper,
    );
    await waitFor('five failures', async () => (await health('hc'))?.Log.length === 5);
    const { Status, FailingStreak } = (await health('hc'))!;
    assert.deepEqual([Status, FailingStreak], ['starting', 0]);
    assert.match(await docker('ps', '--format', '{{.Status}}'), /\(health: starting\)/);
    await docker('exec', 'hc', 'touch', '/well');
    await reaches('hc', 'healthy');
  });

  const own = engineName === 'dockerd' && 'beyond Docker';

  test('a daemon that dies leaves its health, and the next one goes on', { skip: own }, async () => {
    await run('hc', ...check, ...sleeper);
    await reaches('hc', 'healthy');
    await docker('exec', 'hc', 'touch', '/sick');
    await reaches('hc', 'unhealthy');
    await engine().signal('SIGKILL');
    await engine().launch();
    const { Status, Log } = (await health('hc'))!;
    assert.equal(Status, 'unhealthy');
    await docker('exec', 'hc', 'rm', '/sick');
    await probed('hc', Log.at(-1)!.Start);
    await reaches('hc', 'healthy');
    const changes = (await events('hc')).map(({ Action }) => Action);
    assert.ok(changes.includes('health_status: healthy'));
  });

  test('the shim probes as the runtime would; what it cannot do the runtime does', {
    skip: own,
  }, async () => {
    // The terminal that the runtime's exec has is not looked at.
    const look = [
      'grep -E "^(Uid|Gid|Groups|Cap|NoNew|Seccomp|Sig(Blk|Ign)|Speculation)" /proc/self/status',
      'for ns in /proc/self/ns/*; do readlink $ns; done; cat /proc/self/cgroup /proc/self/limits /proc/self/oom_score_adj',
      'id; pwd; umask; ls /proc/self/fd | head -n 3; env | grep -v ^TERM= | sort',
    ].join('; ');
    const user = [
      '--user',
      '7:8',
      '--group-add',
      '9',
      '--workdir',
      '/tmp',
      '-e',
      'A=b',
      '--security-opt',
      'no-new-privileges',
    ];
    await run('shim', ...user, '--health-cmd', look, ...sleeper);
    await run('runtime', '--cap-add', 'SYS_PTRACE', ...user, '--health-cmd', look, ...sleeper);
    for (const name of ['shim', 'runtime']) {
      await reaches(name, 'healthy');
      const { Output } = (await health(name))!.Log.at(-1)!;
      // An exec with a terminal is the runtime's, whichever container it is in.
      const byRuntime = (await docker('exec', '-t', name, 'sh', '-c', look)).replaceAll('\r', '');
      assert.equal(Output.trim(), byRuntime, name);
      assert.equal(await docker('exec', name, 'sh', '-c', look), byRuntime, `exec in ${name}`);
    }
    const { Id } = await inspect('shim');
    const bundle = `${engine().sandbox.directory}/exec/containers/${Id}`;
    assert.ok(readdirSync(bundle).includes('probe.plan'));
    assert.match(readFileSync(`${bundle}/probe.plan`, 'latin1'), /u7\0g8\0/);
    const other = `${engine().sandbox.directory}/exec/containers/${(await inspect('runtime')).Id}`;
    assert.ok(!readdirSync(other).includes('probe.plan'));
  });
});
