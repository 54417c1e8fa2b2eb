import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { test } from 'node:test';
import { fakeBackends, memoryLog, serve } from './testing/fake-backends.ts';
import { exchange, rawClient, request, UPGRADE } from './testing/raw-client.ts';

const START = JSON.stringify({ Detach: false, Tty: false });

/** Reads to the end of one half; unlike `for await` it leaves the other half open. */
async function collect(stream: Duplex, onChunk: (length: number) => void = () => {}): Promise<string> {
  let text = '';
  stream.on('data', (chunk) => {
    text += chunk;
    onChunk(text.length);
  });
  await once(stream, 'end');
  return text;
}

test('stdin sent in the packet of the head and body reaches the process', async () => {
  const backends = fakeBackends();
  await using api = await serve(backends);
  const client = await rawClient(
    api.path,
    `${request('POST', '/v1.45/exec/e1/start', { body: START, headers: UPGRADE })}early `,
  );
  const far = await backends.far();
  client.socket.end('late');
  assert.equal(await collect(far), 'early late');
  far.end('done');
  const text = await client.ended();
  assert.match(
    text,
    /^HTTP\/1\.1 101 UPGRADED\r\nContent-Type: application\/vnd\.docker\.multiplexed-stream\r\n/,
  );
  assert.match(text, /\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n/);
  assert.ok(text.endsWith('\r\n\r\ndone'));
});

test('a body cut over packets with stdin behind it loses nothing', async () => {
  const backends = fakeBackends();
  await using api = await serve(backends);
  const bytes = `${request('POST', '/exec/e1/start', { body: START, headers: UPGRADE })}stdin`;
  const cut = bytes.indexOf('Detach') + 2;
  const client = await rawClient(api.path, bytes.slice(0, cut));
  await new Promise((resolve) => setTimeout(resolve, 20));
  client.socket.end(bytes.slice(cut));
  const far = await backends.far();
  assert.equal(await collect(far), 'stdin');
  far.end('out');
  assert.ok((await client.ended()).endsWith('\r\n\r\nout'));
});

test('a client gone in the middle of the body starts nothing and leaves nothing', async () => {
  const backends = fakeBackends();
  await using api = await serve(backends);
  const bytes = request('POST', '/exec/e1/start', { body: START, headers: UPGRADE });
  const client = await rawClient(api.path, bytes.slice(0, -3));
  await new Promise((resolve) => setTimeout(resolve, 20));
  client.socket.end();
  await client.ended();
  assert.deepEqual(backends.calls, []);
});

test('the client half-closes and output goes on', async () => {
  const backends = fakeBackends();
  await using api = await serve(backends);
  const client = await rawClient(
    api.path,
    request('POST', '/containers/c1/attach?stream=1&stdin=1&stdout=1', { headers: UPGRADE }),
  );
  const far = await backends.far();
  await client.until('101 UPGRADED');
  client.socket.end('input');
  assert.equal(await collect(far), 'input');
  await new Promise((resolve) => setTimeout(resolve, 20));
  far.write('after');
  await client.until('after');
  far.end(' the end');
  assert.ok((await client.ended()).endsWith('after the end'));
});

test('without stdin the half-close of the client means nothing to the session', async () => {
  const backends = fakeBackends();
  await using api = await serve(backends);
  const client = await rawClient(
    api.path,
    request('POST', '/containers/c1/attach?stream=1&stdout=1&stderr=1', { headers: UPGRADE }),
  );
  const far = await backends.far();
  client.socket.end();
  let stdinEnded = false;
  far.on('end', () => {
    stdinEnded = true;
  });
  far.resume();
  await new Promise((resolve) => setTimeout(resolve, 30));
  far.write('still here');
  await client.until('still here');
  assert.equal(stdinEnded, false);
  far.end();
  await client.ended();
});

test('a client gone in the middle destroys the session', async () => {
  const backends = fakeBackends();
  await using api = await serve(backends);
  const client = await rawClient(
    api.path,
    request('POST', '/containers/c1/attach?stream=1&stdin=1&stdout=1', { headers: UPGRADE }),
  );
  const far = await backends.far();
  far.on('error', () => {});
  await client.until('101');
  const call = backends.calls.find(([name]) => name === 'attach') ?? assert.fail('no attach');
  const { signal } = call[2] as { signal: AbortSignal };
  const gone = once(signal, 'abort');
  client.socket.destroy();
  far.write('x'.repeat(1 << 20));
  await gone;
});

test('a dead client that had half-closed is found by asking the kernel', async () => {
  const backends = fakeBackends();
  let asked = 0;
  await using api = await serve(backends, { isHungUp: (fd) => fd > 0 && ++asked > 0 });
  const client = await rawClient(
    api.path,
    request('POST', '/containers/c1/attach?stream=1&stdout=1', { headers: UPGRADE }),
  );
  const far = await backends.far();
  await client.until('101');
  far.resume();
  client.socket.end();
  await once(far, 'end');
  assert.equal(asked, 1);
});

test('an unread gigantic output is held back, then arrives whole', async () => {
  const backends = fakeBackends();
  await using api = await serve(backends);
  const client = await rawClient(
    api.path,
    request('POST', '/containers/tty/attach?stream=1&stdin=1&stdout=1', { headers: UPGRADE }),
  );
  const far = await backends.far();
  await client.until('101');
  client.socket.removeAllListeners('data');
  client.socket.pause();
  const total = 48 * 1024 * 1024;
  const block = Buffer.alloc(256 * 1024, 'z');
  let written = 0;
  const fill = (): void => {
    while (written < total) {
      written += block.length;
      if (!far.write(block)) {
        far.once('drain', fill);
        return;
      }
    }
    far.end();
  };
  fill();
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.ok(written < 4 * 1024 * 1024, `held back, but ${written} bytes were taken`);
  let received = 0;
  client.socket.on('data', (chunk) => {
    received += chunk.length;
  });
  client.socket.resume();
  await once(client.socket, 'end');
  assert.equal(received, total);
});

test('much stdin reaches a slow process whole', async () => {
  const backends = fakeBackends();
  await using api = await serve(backends);
  const client = await rawClient(
    api.path,
    request('POST', '/containers/tty/attach?stream=1&stdin=1&stdout=1', { headers: UPGRADE }),
  );
  const far = await backends.far();
  const total = 16 * 1024 * 1024;
  client.socket.end(Buffer.alloc(total, 'i'));
  const received = await collect(far, (length) => {
    if (length > 1 << 20) return;
    far.pause();
    setTimeout(() => far.resume(), 1);
  });
  assert.equal(received.length, total);
  far.end('thanks');
  assert.ok((await client.ended()).endsWith('thanks'));
});

test('a hijack without Upgrade is a raw 200, stdin and half-close included', async () => {
  const backends = fakeBackends();
  await using api = await serve(backends);
  const client = await rawClient(api.path, request('POST', '/exec/e1/start', { body: START }));
  const far = await backends.far();
  await client.until('\r\n\r\n');
  client.socket.end('typed');
  assert.equal(await collect(far), 'typed');
  far.end('printed');
  const text = await client.ended();
  assert.equal(text, 'HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\nprinted');
});

test('content types follow version and TTY', async () => {
  const backends = fakeBackends();
  await using api = await serve(backends);
  for (const [version, id, expected] of [
    ['1.41', 'c1', 'raw'],
    ['1.42', 'c1', 'multiplexed'],
    ['1.51', 'tty', 'raw'],
  ] as const) {
    const bytes = request('POST', `/v${version}/containers/${id}/attach?stream=1&stdout=1`, {
      headers: UPGRADE,
    });
    const client = await rawClient(api.path, bytes);
    (await backends.far()).end();
    assert.match(
      await client.ended(),
      new RegExp(`Content-Type: application/vnd\\.docker\\.${expected}-stream`),
    );
  }
});

test('errors before the hijack are real statuses, with or without Upgrade', async () => {
  await using api = await serve(fakeBackends());
  const nope = await exchange(
    api.path,
    request('POST', '/containers/nope/attach?stream=1', { headers: UPGRADE }),
  );
  assert.equal(nope.status, 404);
  assert.equal(nope.body, '{"message":"No such container: nope"}\n');
  const stopped = await exchange(
    api.path,
    request('POST', '/exec/stopped/start', { body: START, headers: UPGRADE }),
  );
  assert.equal(stopped.status, 409);
  const gone = await exchange(api.path, request('POST', '/exec/gone/start', { body: START }));
  assert.equal(gone.status, 404);
});

test('an exec that cannot start says so in its stream, and with a status when detached', async () => {
  await using api = await serve(fakeBackends(), { log: memoryLog() });
  const client = await rawClient(
    api.path,
    request('POST', '/exec/bad/start', { body: START, headers: UPGRADE }),
  );
  const text = await client.ended();
  const message = 'exec: "nosuch": executable file not found in $PATH\r\n';
  assert.match(text, /^HTTP\/1\.1 101 /);
  assert.ok(text.endsWith(`\x01\0\0\0\0\0\0${String.fromCharCode(message.length)}${message}`));
  const detached = await exchange(api.path, request('POST', '/exec/bad/start', { body: '{"Detach":true}' }));
  assert.equal(detached.status, 500);
});

test('a detached exec answers 200 with nothing, also to an upgrade', async () => {
  await using api = await serve(fakeBackends());
  for (const headers of [[], UPGRADE]) {
    const answer = await exchange(
      api.path,
      request('POST', '/exec/e1/start', { body: '{"Detach":true}', headers }),
    );
    assert.equal(answer.status, 200);
    assert.equal(answer.body, '');
  }
});

test('an Upgrade header on an ordinary route is ignored', async () => {
  await using api = await serve(fakeBackends());
  const client = await rawClient(
    api.path,
    request('GET', '/version', { headers: ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c'] }),
  );
  assert.match(await client.until('MinAPIVersion'), /^HTTP\/1\.1 200 OK/);
  client.socket.destroy();
});

test('a connection whose upgrade was refused is closed when the client closes, whatever it had sent', async () => {
  let sockets = 0;
  await using api = await serve(fakeBackends());
  const clients = await Promise.all(
    Array.from({ length: 5 }, () =>
      rawClient(
        api.path,
        `${request('POST', '/exec/gone/start', { body: START, headers: UPGRADE })}unread stdin`,
      ),
    ),
  );
  for (const client of clients) {
    assert.match(await client.ended(), /404/);
    client.socket.on('close', () => {
      sockets++;
    });
    client.socket.end();
  }
  while (sockets < clients.length) await new Promise((resolve) => setTimeout(resolve, 5));
  await api.server.close(60_000);
});
