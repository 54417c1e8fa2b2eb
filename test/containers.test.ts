/** Containers by the API itself: what command lines do not show, or only at second hand. */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import type { Socket } from 'node:net';
import { afterEach, describe, test } from 'node:test';
import { waitFor } from '../scripts/engine-client.ts';
import { ok } from './harness/command.ts';
import { engineName, useEngine } from './harness/engine.ts';

/** What Debian's dockerd, five years older, does differently or not at all. */
const newer = engineName === 'dockerd' && 'not in dockerd 20.10';

interface Inspect {
  Id: string;
  State: {
    Status: string;
    Running: boolean;
    ExitCode: number;
    Error: string;
    StartedAt: string;
    FinishedAt: string;
  };
  LogPath: string;
}

describe('containers', () => {
  const engine = useEngine({ images: ['busybox'] });
  const api = () => engine().client;
  afterEach(() => engine().clear());

  const create = async (Cmd: string[], more: object = {}) =>
    (
      await api().json<{ Id: string }>('POST', '/containers/create', {
        body: { Image: 'busybox', Cmd, ...more },
      })
    ).Id;
  const start = (id: string) => api().request('POST', `/containers/${id}/start`);
  const wait = async (id: string) =>
    (await api().json<{ StatusCode: number }>('POST', `/containers/${id}/wait`)).StatusCode;
  const inspect = (id: string) => api().json<Inspect>('GET', `/containers/${id}/json`);
  const run = async (script: string, more: object = {}) => {
    const id = await create(['sh', '-c', script], more);
    assert.equal((await start(id)).status, 204);
    return id;
  };

  /** Opens a stream as `docker` does: a connection that stops being HTTP. */
  function hijack(
    path: string,
    body: object | undefined,
    upgrade: boolean,
  ): Promise<{ socket: Socket; type: string; status: number }> {
    return new Promise((resolve, reject) => {
      const headers = {
        host: 'x',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(upgrade ? { connection: 'Upgrade', upgrade: 'tcp' } : {}),
      };
      const req = request({ socketPath: engine().socket, method: 'POST', path, headers });
      req.on('error', reject);
      req.on('upgrade', (res, socket, head) => {
        // What came in one piece with the head belongs to the stream.
        if (head.length > 0) socket.unshift(head);
        resolve({ socket: socket as Socket, type: res.headers['content-type'] ?? '', status: 101 });
      });
      req.on('response', (res) =>
        resolve({ socket: res.socket, type: res.headers['content-type'] ?? '', status: res.statusCode ?? 0 }),
      );
      req.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  /** The payloads of a multiplexed stream (Engine API, ContainerAttach), by stream. */
  function demultiplex(bytes: Buffer): { stdout: string; stderr: string } {
    const parts: string[] = ['', '', ''];
    for (let at = 0; at + 8 <= bytes.length; ) {
      const size = bytes.readUInt32BE(at + 4);
      const stream = bytes[at] ?? 0;
      parts[stream] += bytes.subarray(at + 8, at + 8 + size).toString();
      at += 8 + size;
    }
    return { stdout: parts[1] ?? '', stderr: parts[2] ?? '' };
  }

  const readAll = async (socket: Socket) => {
    const chunks: Buffer[] = [];
    for await (const chunk of socket) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks);
  };

  test('attach by upgrade: framed output, half-closed input, the end', async () => {
    const id = await create(['sh', '-c', 'cat; echo error >&2'], { OpenStdin: true, StdinOnce: true });
    const { socket, status } = await hijack(
      `/v1.41/containers/${id}/attach?stream=1&stdin=1&stdout=1&stderr=1`,
      undefined,
      true,
    );
    assert.equal(status, 101);
    await start(id);
    socket.end('through and through');
    assert.deepEqual(demultiplex(await readAll(socket)), {
      stdout: 'through and through',
      stderr: 'error\n',
    });
    assert.equal(await wait(id), 0);
  });

  test('attach tells whether the stream is framed', { skip: newer }, async () => {
    for (const Tty of [true, false]) {
      const id = await create(['true'], { Tty });
      const { socket, type } = await hijack(`/containers/${id}/attach?stream=1&stdout=1`, undefined, true);
      assert.equal(type, `application/vnd.docker.${Tty ? 'raw' : 'multiplexed'}-stream`);
      socket.destroy();
    }
  });

  test('attach with logs: what was printed before, then what comes', async () => {
    const id = await run('echo before; read x; echo after', { OpenStdin: true });
    await waitFor('the first line', async () =>
      (await api().request('GET', `/containers/${id}/logs?stdout=1`)).body.includes('before'),
    );
    const { socket } = await hijack(
      `/v1.41/containers/${id}/attach?logs=1&stream=1&stdin=1&stdout=1`,
      undefined,
      true,
    );
    socket.write('\n');
    assert.equal(demultiplex(await readAll(socket)).stdout, 'before\nafter\n');
  });

  test('a client that does not read slows the container down and loses nothing', async () => {
    const lines = 400_000;
    const id = await create(['seq', String(lines)]);
    const { socket } = await hijack(`/v1.41/containers/${id}/attach?stream=1&stdout=1`, undefined, true);
    socket.pause();
    await start(id);
    await waitFor('some output', () => socket.bytesRead > 0 || socket.readableLength > 0);
    const text = demultiplex(await readAll(socket)).stdout;
    assert.equal(text.split('\n').length - 1, lines);
    assert.ok(text.endsWith(`\n${lines}\n`));
    assert.equal(await wait(id), 0);
  });

  test('wait: conditions', async () => {
    const id = await create(['sh', '-c', 'exit 3']);
    const next = api().json<{ StatusCode: number }>('POST', `/containers/${id}/wait?condition=next-exit`);
    await start(id);
    assert.equal((await next).StatusCode, 3);
    assert.equal(
      (await api().json<{ StatusCode: number }>('POST', `/containers/${id}/wait?condition=not-running`))
        .StatusCode,
      3,
    );
    const removed = api().json<{ StatusCode: number }>('POST', `/containers/${id}/wait?condition=removed`);
    await api().json('DELETE', `/containers/${id}`);
    assert.equal((await removed).StatusCode, 3);
    assert.equal((await api().request('POST', `/containers/${id}/wait`)).status, 404);
  });

  test('statuses and messages of what cannot be done', async () => {
    const id = await run('sleep 300');
    const exec = await create(['true']);
    const message = async (method: string, path: string, body?: object) => {
      const answer = await api().request(method, path, body === undefined ? {} : { body });
      return `${answer.status} ${(JSON.parse(answer.body || '{"message":""}') as { message: string }).message}`;
    };
    assert.equal(await message('GET', '/containers/none/json'), '404 No such container: none');
    assert.equal(await message('POST', `/containers/${id}/start`), '304 ');
    assert.equal(await message('POST', `/containers/${exec}/stop`), '304 ');
    assert.match(await message('POST', `/containers/${exec}/kill`), /^409 .*is not running/);
    assert.match(
      await message('DELETE', `/containers/${id}`),
      /^409 .*(is running: stop the container before removing|cannot remove a running container)/i,
    );
    assert.match(
      await message('POST', '/containers/create', { Image: 'absent' }),
      /^404 No such image: absent(:latest)?$/,
    );
    assert.match(await message('POST', '/containers/create', {}), /^400 /);
    assert.match(
      await message('POST', '/containers/create?name=-bad', { Image: 'busybox' }),
      /^400 Invalid container name \(-bad\)/,
    );
    assert.match(
      await message('POST', `/containers/${id}/exec`, { Cmd: [] }),
      /^400 No exec command specified/,
    );
    assert.match(
      await message('POST', `/containers/${id}/kill?signal=NOPE`),
      /^400 (cannot kill container: \w+: )?invalid signal: NOPE/i,
    );
    assert.match(
      await message('POST', '/containers/create', { Image: 'busybox', HostConfig: { Memory: 1000 } }),
      /^400 Minimum memory limit allowed is 6MB/,
    );
    assert.match(await message('GET', '/containers/json?filters={"nonsense":["x"]}'), /^400 .*nonsense/);
    assert.match(await message('GET', '/no/such/page'), /^404 page not found$/);
    assert.match(await message('GET', '/v9.99/containers/json'), /^400 client version 9\.99 is too new/);
  });

  test('a program that cannot start: the cause is named, the container remembers', {
    skip: newer,
  }, async () => {
    const make = [
      'cd /volume',
      'printf "#!/bin/absent\\n" > interpreter; printf "#!/bin/sh\\r\\necho\\r\\n" > crlf; printf "echo text" > noexec',
      'printf "\\177ELF\\002\\001\\001\\0\\0\\0\\0\\0\\0\\0\\0\\0\\002\\0\\363\\0\\001\\0\\0\\0" > riscv; dd if=/dev/zero bs=100 count=1 >> riscv 2>/dev/null',
      'mkdir directory; chmod +x interpreter crlf riscv',
    ];
    const Binds = ['programs:/volume'];
    await wait(await run(make.join('; '), { HostConfig: { Binds } }));
    const failure = async (program: string) => {
      const id = await create([program], { HostConfig: { Binds } });
      const answer = await start(id);
      const { State } = await inspect(id);
      assert.notEqual(answer.status, 204);
      return { code: State.ExitCode, text: answer.body, error: State.Error, status: State.Status };
    };
    const cases: [string, number, RegExp][] = [
      ['absent', 127, /executable file not found in \$PATH/],
      ['/volume/absent', 127, /no such file or directory/],
      ['/volume/noexec', 126, /permission denied/],
      ['/volume/directory', 126, /is a directory|permission denied/],
      ['/volume/interpreter', 127, /\/bin\/absent/],
      ['/volume/crlf', 127, /CR|carriage|line ending/i],
      ['/volume/riscv', 126, /exec format error|architecture|RISC-V/i],
    ];
    for (const [program, code, pattern] of cases) {
      const failed = await failure(program);
      assert.match(failed.text, pattern, program);
      assert.deepEqual([failed.code, failed.status], [code, 'created'], program);
      assert.notEqual(failed.error, '', program);
    }
  });

  test('the log is rotated and still read as one', async () => {
    const HostConfig = { LogConfig: { Type: 'json-file', Config: { 'max-size': '20k', 'max-file': '3' } } };
    const id = await run('i=0; while [ $i -lt 1000 ]; do i=$((i+1)); echo "line number $i"; done', {
      HostConfig,
    });
    await wait(id);
    const { body } = await api().request('GET', `/containers/${id}/logs?stdout=1`);
    const lines = demultiplex(Buffer.from(body, 'latin1')).stdout.trim().split('\n');
    const first = Number(lines[0]?.split(' ').at(-1));
    assert.equal(lines.at(-1), 'line number 1000');
    assert.equal(lines.length, 1000 - first + 1, 'without a gap');
    assert.ok(first > 1 && first < 900, `three files of 20 kB are kept, from line ${first}`);
    const { LogPath } = await inspect(id);
    const names = await ok(['sh', '-c', `ls ${LogPath}*`]);
    assert.equal(names.split('\n').length, 3);
  });

  test('times: created, started, finished, in order and to the nanosecond', async () => {
    const id = await run('true');
    await wait(id);
    const { State } = await inspect(id);
    assert.match(State.StartedAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,9}Z$/);
    assert.ok(Date.parse(State.StartedAt) <= Date.parse(State.FinishedAt));
  });

  test('old and new versions of the API are served side by side', async () => {
    const id = await run('sleep 300', { HostConfig: { PortBindings: { '80/tcp': [{ HostPort: '8085' }] } } });
    for (const version of ['1.24', '1.30', '1.41', ...(newer ? [] : ['1.44', '1.51'])]) {
      const [listed] = await api().json<{ Id: string }[]>('GET', `/v${version}/containers/json`);
      assert.equal(listed?.Id, id, version);
      const { ApiVersion } = await api().json<{ ApiVersion: string }>('GET', `/v${version}/version`);
      assert.match(ApiVersion, /^1\.\d+$/);
    }
    const ping = await api().request('GET', '/_ping');
    assert.deepEqual([ping.status, ping.body, ping.headers.ostype], [200, 'OK', 'linux']);
    assert.match(String(ping.headers['api-version']), /^1\.\d+$/);
  });

  test('many at once', async () => {
    const count = 24;
    const ids = await Promise.all(Array.from({ length: count }, (_, i) => run(`exit ${i}`)));
    const codes = await Promise.all(ids.map(wait));
    assert.deepEqual(
      codes,
      Array.from({ length: count }, (_, i) => i),
    );
    await Promise.all(ids.map((id) => api().json('DELETE', `/containers/${id}`)));
  });

  test('nothing is left of containers that are removed', { skip: newer }, async () => {
    await wait(await run('true'));
    await engine().clear();
    const before = await engine().quiet();
    const id = await run('sleep 300', {
      HostConfig: { Binds: ['/anonymous', 'named:/n'], Tmpfs: { '/t': '' } },
      Tty: true,
    });
    const { Id } = await api().json<{ Id: string }>('POST', `/containers/${id}/exec`, {
      body: { Cmd: ['sleep', '300'] },
    });
    await api().json('POST', `/exec/${Id}/start`, { body: { Detach: true } });
    await wait(await run('exit 1'));
    await start(await create(['no-such-program']));
    await engine().clear();
    await engine().settles(before);
  });
});
