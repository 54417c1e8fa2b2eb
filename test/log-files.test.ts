/** Logs as they are kept on this machine: rotated, compressed, bounded, followed, cut off by a full disk, too long to hold. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, test } from 'node:test';
import Dockerode from 'dockerode';
import { waitFor } from '../scripts/engine-client.ts';
import { engineName, useEngine } from './harness/engine.ts';

const ours = engineName === 'dockerd' && 'about the files of wharfd';

type Options = Record<string, string>;

describe('log files', () => {
  const engine = useEngine({ images: ['busybox'] });
  const api = () => engine().client;
  afterEach(() => engine().clear());
  const docker = () => engine().cli('docker-28');

  const create = async (script: string, Type: string, Config: Options = {}, more: object = {}) => {
    const HostConfig = { NetworkMode: 'none', LogConfig: { Type, Config } };
    const body = { Image: 'busybox', Cmd: ['sh', '-c', script], ...more, HostConfig };
    return (await api().json<{ Id: string }>('POST', '/containers/create', { body })).Id;
  };
  const start = (id: string) => api().json('POST', `/containers/${id}/start`);
  const end = (id: string) => api().json('POST', `/containers/${id}/wait`);
  const run = async (...args: Parameters<typeof create>) => {
    const id = await create(...args);
    await start(id);
    await end(id);
    return id;
  };
  const logs = async (id: string, ...flags: string[]) => (await docker().run(['logs', ...flags, id])).stdout;
  const directory = (id: string, name: string) =>
    join(engine().sandbox.directory, 'data/containers', id, name);
  const numbers = (from: number, to: number) =>
    Array.from({ length: to - from + 1 }, (_, i) => `${from + i}\n`).join('');

  test('every option of docker logs, with every driver that can be read', { skip: ours }, async () => {
    const drivers: [string, Options][] = [
      ['json-file', { labels: 'a' }],
      ['local', { labels: 'a' }],
      // Nobody listens there, which a sender of datagrams is not told.
      ['syslog', { 'syslog-address': 'udp://127.0.0.1:9', 'cache-labels': 'a' }],
      ['gelf', { 'gelf-address': 'udp://127.0.0.1:9', 'cache-labels': 'a' }],
    ];
    for (const [driver, options] of drivers) {
      const script = 'echo 1; echo 2; sleep 1.1; echo 3; echo err >&2; printf 4';
      const id = await run(script, driver, options, { Labels: { a: 'b' } });
      assert.equal(await logs(id), '1\n2\n3\n4', driver);
      assert.equal((await docker().run(['logs', id])).stderr, 'err\n', driver);
      assert.equal(await logs(id, '-n', '1'), '4', driver);
      assert.match(await logs(id, '--details', '-n', '4'), /^a=b 2\na=b 3\n/, driver);
      const stamped = await logs(id, '-t');
      assert.match(stamped, /^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{9}Z 1\n/, driver);
      const third = /(\S+) 3\n/.exec(stamped)?.[1] ?? '';
      assert.equal(await logs(id, '--since', third), '3\n4', driver);
      assert.equal(await logs(id, '--until', third), '1\n2\n3\n', driver);
      assert.equal(await logs(id, '-f'), '1\n2\n3\n4', driver);
      await start(id);
      await end(id);
      assert.equal(await logs(id, '--tail', '5'), '1\n2\n3\n4', `${driver}: a second run`);
    }
    for (const [driver, options] of [
      ['none', {}],
      ['gelf', { 'gelf-address': 'udp://127.0.0.1:9', 'cache-disabled': 'true' }],
    ] as [string, Options][]) {
      const id = await run('echo 1', driver, options);
      const { code, stderr } = await docker().run(['logs', id]);
      assert.equal(code, 1);
      assert.match(stderr, /configured logging driver does not support reading/);
    }
  });

  test('local: bytes as they were written', { skip: ours }, async () => {
    const id = await run("printf '\\000\\377\\200\\n\\355\\240\\200'", 'local');
    const { body } = await api().request('GET', `/containers/${id}/logs?stdout=1`);
    assert.ok(body.length > 0);
    const cli = docker().start('logs', id);
    const chunks: Buffer[] = [];
    cli.child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk));
    await cli.ended;
    assert.equal(Buffer.concat(chunks).toString('hex'), '00ff800aeda080');
  });

  test('followed through rotation and compression; what is kept is bounded', { skip: ours }, async () => {
    const script = 'for i in 1 2 3 4 5 6 7 8 9 10; do seq $((i*2000-1999)) $((i*2000)); sleep 0.1; done';
    const id = await create(script, 'local', { 'max-size': '200k', 'max-file': '3' });
    const follower = (async () => {
      await waitFor('the log', () => existsSync(directory(id, 'local-logs/container.log')));
      return logs(id, '-f');
    })();
    await start(id);
    assert.equal(await follower, numbers(1, 20_000));
    await end(id);
    const names = () => readdirSync(directory(id, 'local-logs')).sort().join(' ');
    await waitFor('compression', () => names() === 'container.log container.log.1.gz container.log.2.gz');
    const kept = await logs(id);
    const first = Number(kept.slice(0, kept.indexOf('\n')));
    assert.ok(first > 10_000 && first < 18_000, `from ${first}`);
    assert.equal(kept, numbers(first, 20_000));
    assert.equal(await logs(id, '-n', '4000'), numbers(16_001, 20_000));
  });

  test('a full disk: the container goes on, the log tells what is missing', { skip: ours }, async () => {
    const script = 'seq 1 5000; echo full; while [ ! -e /go ]; do sleep 0.05; done; echo after';
    const id = await create(script, 'local', { compress: 'false' });
    const place = directory(id, 'local-logs');
    await engine().sandbox.ok(['mkdir', place]);
    await engine().sandbox.ok(['mount', '-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', place]);
    try {
      await engine().sandbox.ok(['dd', 'if=/dev/zero', `of=${place}/ballast`, 'bs=1000', 'count=200']);
      await start(id);
      await waitFor('a warning', () =>
        /the log cannot be written: No space left on device/.test(engine().logTail(50)),
      );
      const { State } = await api().json<{ State: { Status: string } }>('GET', `/containers/${id}/json`);
      assert.equal(State.Status, 'running');
      await engine().sandbox.ok(['rm', `${place}/ballast`]);
      await docker().ok('exec', id, 'touch', '/go');
      await end(id);
      const { stdout, stderr } = await docker().run(['logs', id]);
      const kept = stdout.split('\n').filter((line) => /^\d+$/.test(line)).length;
      assert.ok(stdout.endsWith('after\n'));
      // The line "full" is lost, too.
      assert.equal(stderr, `[wharf] ${5001 - kept} lines of this log were lost: No space left on device\n`);
    } finally {
      await engine().sandbox.ok(['umount', '-l', place]);
    }
  });

  test('attach with logs: no line twice, none missing', { skip: ours }, async () => {
    const script = 'i=0; while true; do i=$((i+1)); echo $i; [ $((i % 50)) = 0 ] && sleep 0.005; done';
    const id = await create(script, 'json-file', { 'max-size': '2m' });
    await start(id);
    const container = new Dockerode({ socketPath: engine().socket }).getContainer(id);
    for (let round = 0; round < 15; round++) {
      const stream = await container.attach({ logs: true, stream: true, stdout: true });
      const { size } = await waitFor('a log', async () => ({ size: Number(await logs(id, '-n', '1')) }));
      const text = await new Promise<string>((resolve, reject) => {
        let frames = Buffer.alloc(0);
        stream.on('error', reject);
        stream.on('data', (chunk: Buffer) => {
          frames = Buffer.concat([frames, chunk]);
          const plain = payload(frames);
          if (Number(plain.trimEnd().split('\n').at(-1)) > size + 100) resolve(plain);
        });
      });
      (stream as unknown as { destroy(): void }).destroy();
      const lines = text.split('\n').slice(0, -1).map(Number);
      for (const [i, line] of lines.entries()) assert.equal(line, lines[0]! + i, `round ${round}`);
    }
  });

  test('a hundred megabytes: the memory of monitor and daemon stays as it is', { skip: ours }, async () => {
    const script = `yes ${'0123456789'.repeat(12)} | head -c 100000000; echo; echo done; sleep 1000`;
    // As much as a follower may be behind.
    const id = await create(script, 'local', { 'max-size': '30m' });
    const before = anonymous(engine().pid);
    await start(id);
    // One reader that reads nothing after its first bytes, one that follows.
    const slow = docker().start('logs', '-f', id);
    await slow.prints(/0123/);
    slow.child.stdout?.pause();
    let seen = 0;
    const follower = docker().start('logs', '-f', id);
    follower.child.stdout?.removeAllListeners('data').on('data', (chunk: Buffer) => {
      seen += chunk.length;
    });
    await waitFor('the end of the output', async () => (await logs(id, '-n', '1')) === 'done\n', {
      timeout: 60_000,
      interval: 200,
    });
    await waitFor('the follower', () => seen >= 100_000_006, { timeout: 60_000 }).catch(() => {});
    const shim = engine()
      .sandbox.processes()
      .find(({ command }) => command.startsWith('wharf-shim') && command.includes(id));
    assert.ok(shim);
    const grown = anonymous(engine().pid) - before;
    assert.ok(grown < 100_000, `the daemon has grown by ${grown} kB`);
    assert.ok(anonymous(shim.pid) < 2500, `the monitor has ${anonymous(shim.pid)} kB`);
    assert.equal(seen, 100_000_006);
    slow.child.kill('SIGKILL');
    await Promise.all([slow.ended, api().json('POST', `/containers/${id}/kill`), follower.ended]);
  });
});

describe('log driver and options of the daemon', { skip: ours }, () => {
  const flags = ['--log-driver', 'local', '--log-opt', 'max-size=1m', '--log-opt', 'cache-max-file=2'];
  const engine = useEngine({ images: ['busybox'], flags });

  test('containers that name none get them; info shows them', async () => {
    const docker = engine().cli('docker-28');
    const info = await docker.ok('info', '-f', '{{.LoggingDriver}} {{.Plugins.Log}}');
    assert.equal(info, 'local [fluentd gelf journald json-file local syslog]');
    const config = async (...args: string[]) => {
      const id = await docker.ok('create', '--network', 'none', ...args, 'busybox');
      return JSON.parse(await docker.ok('inspect', '-f', '{{json .HostConfig.LogConfig}}', id)) as unknown;
    };
    assert.deepEqual(await config(), { Type: 'local', Config: { 'max-size': '1m', 'cache-max-file': '2' } });
    assert.deepEqual(await config('--log-opt', 'max-size=2m'), {
      Type: 'local',
      Config: { 'max-size': '2m', 'cache-max-file': '2' },
    });
    assert.deepEqual(await config('--log-driver', 'json-file'), {
      Type: 'json-file',
      Config: { 'cache-max-file': '2' },
    });
  });

  test('what cannot be met stops the daemon', async () => {
    const file = join(engine().sandbox.directory, 'bad.json');
    writeFileSync(file, '{"log-driver":"syslog","log-opts":{"syslog-facility":"x"}}');
    const wharfd = join(import.meta.dirname, '../bin/wharfd');
    const running = engine().sandbox.start([wharfd, '--config-file', file, '--validate']);
    const { code, stderr } = await running.ended;
    assert.notEqual(code, 0);
    assert.match(stderr, /failed to set log opts: invalid syslog facility/);
    rmSync(file);
  });
});

/** Private memory of a process, kB. */
function anonymous(pid: number): number {
  return Number(/RssAnon:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

/** The text of Docker's frames. */
function payload(frames: Buffer): string {
  const parts: Buffer[] = [];
  for (let at = 0; at + 8 <= frames.length; ) {
    const length = frames.readUInt32BE(at + 4);
    parts.push(frames.subarray(at + 8, at + 8 + length));
    at += 8 + length;
  }
  return Buffer.concat(parts).toString();
}
