import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { test } from 'node:test';
import { createApiServer } from './server.ts';
import { type Fake, fakeBackends } from './testing/fake-backends.ts';

/** Attaches by Node's own WebSocket client. */
async function attach(path: string): Promise<{
  backends: Fake;
  socket: WebSocket;
  far: Duplex;
  messages: unknown[];
  close(): Promise<void>;
}> {
  const backends = fakeBackends();
  const server = createApiServer(backends, { version: '0' });
  const { port } = await server.listenTcp({ host: '127.0.0.1', port: 0 });
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`);
  socket.binaryType = 'arraybuffer';
  const messages: unknown[] = [];
  socket.onmessage = ({ data }) =>
    void messages.push(data instanceof ArrayBuffer ? Buffer.from(data).toString() : `text:${data}`);
  const far = await backends.far();
  if (socket.readyState !== WebSocket.OPEN) await once(socket, 'open');
  return { backends, socket, far, messages, close: () => server.close(50) };
}

async function collect(stream: Duplex): Promise<string> {
  let text = '';
  stream.on('data', (chunk) => {
    text += chunk;
  });
  await once(stream, 'end');
  return text;
}

test('bytes go both ways, and each side can end', async () => {
  const { backends, socket, far, messages, close } = await attach(
    '/containers/c1/attach/ws?stdin=1&stdout=1&stream=1',
  );
  const options = backends.calls[0]?.[2] as Record<string, unknown>;
  assert.deepEqual(
    [options.stdin, options.stdout, options.stderr, options.multiplexed],
    [true, true, false, false],
  );
  far.write('hello');
  await once(socket, 'message');
  const typed = collect(far);
  const large = 'x'.repeat(200_000);
  socket.send('some ');
  socket.send(Buffer.from('input '));
  socket.send(large);
  const closed = once(socket, 'close');
  socket.close();
  assert.equal(await typed, `some input ${large}`);
  far.end();
  await closed;
  assert.deepEqual(messages, ['hello']);
  await close();
});

test('the end of the process closes the socket cleanly; all streams before 1.42, text before 1.28', async () => {
  const { backends, socket, far, messages, close } = await attach('/v1.27/containers/c1/attach/ws?stream=1');
  const options = backends.calls[0]?.[2] as Record<string, unknown>;
  assert.deepEqual([options.stdin, options.stdout, options.stderr], [true, true, true]);
  const closed = once(socket, 'close');
  far.end('bye');
  const [event] = await closed;
  assert.deepEqual([event.code, event.wasClean], [1000, true]);
  assert.deepEqual(messages, ['text:bye']);
  await close();
});

test('much output arrives whole', async () => {
  const { socket, far, messages, close } = await attach('/containers/c1/attach/ws?stdout=1&stream=1');
  const block = 'o'.repeat(70_000);
  for (let i = 0; i < 50; i++) far.write(block);
  far.end();
  await once(socket, 'close');
  assert.equal(messages.join('').length, 50 * block.length);
  await close();
});
