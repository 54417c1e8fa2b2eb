/** Many clients that behave badly at random moments: nothing crashes, nothing is left behind. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { type Duplex, duplexPair, Readable } from 'node:stream';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Fake, fakeBackends, memoryLog, serve } from './testing/fake-backends.ts';
import { request, UPGRADE } from './testing/raw-client.ts';

const SEED = Number(process.env.WHARF_TEST_SEED ?? Date.now() % 1_000_000);

/** A small generator (mulberry32), so that a failure can be had again by its seed. */
function randomizer(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const WEBSOCKET = [
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Version: 13',
];

const REQUESTS: readonly string[] = [
  request('POST', '/containers/c1/attach?stream=1&stdin=1&stdout=1', { headers: UPGRADE }),
  request('POST', '/containers/c1/attach?stream=1&stdin=1&stdout=1'),
  request('POST', '/exec/e1/start', { body: '{"Tty":false}', headers: UPGRADE }),
  request('POST', '/exec/e1/start', { body: '{"Tty":false}' }),
  request('POST', '/exec/gone/start', { body: '{}', headers: UPGRADE }),
  request('GET', '/containers/c1/attach/ws?stream=1&stdin=1&stdout=1', { headers: WEBSOCKET }),
  request('GET', '/containers/c1/logs?stdout=1&follow=1'),
  request('GET', '/events'),
  request('POST', '/containers/c1/wait'),
  request('POST', '/images/load', { body: 'x'.repeat(5000) }),
  request('POST', '/images/create?fromImage=a'),
  request('GET', '/info') + request('GET', '/_ping'),
  request('POST', '/containers/create', { body: '{"Image":' }),
  'nonsense\r\n\r\n',
];

/** Backends whose sessions echo, end and break at random. */
function unreliable(random: () => number, sessions: Set<Duplex>): Fake {
  const backends = fakeBackends();
  const session = (tty: boolean) => {
    const [near, far] = duplexPair();
    sessions.add(near);
    near.on('close', () => sessions.delete(near));
    far.on('error', () => {});
    far.on('data', (chunk) => {
      const dice = random();
      if (dice < 0.1) far.destroy();
      else if (dice < 0.2) far.end();
      else if (far.writable) far.write(chunk);
    });
    far.on('end', () => far.end());
    if (random() < 0.3) far.write(Buffer.alloc(100_000));
    if (random() < 0.1) setTimeout(() => near.destroy(new Error('broken')), 3);
    return { stream: near, tty };
  };
  backends.containers.attach = () => session(true);
  backends.exec.start = (id) => {
    if (id === 'gone') throw new Error('gone');
    return session(false);
  };
  backends.containers.logs = () => ({
    tty: false,
    stream: Readable.from(
      (async function* () {
        for (let i = 0; i < 20; i++) {
          yield Buffer.alloc(1000);
          await sleep(1);
        }
        if (random() < 0.5) throw new Error('disk gone');
      })(),
    ),
  });
  backends.images.load = async ({ input, onProgress }) => {
    for await (const chunk of input) onProgress({ status: `${chunk.length}` });
  };
  backends.images.pull = async ({ onProgress, signal }) => {
    for (let i = 0; i < 20 && !signal.aborted; i++) {
      onProgress({ id: 'a', progressDetail: { current: i } });
      await sleep(1);
    }
  };
  return backends;
}

async function misbehave(path: string, random: () => number): Promise<void> {
  const socket = connect({ path, allowHalfOpen: random() < 0.5 });
  socket.on('error', () => {});
  if (random() < 0.8) socket.resume();
  const bytes = REQUESTS[Math.floor(random() * REQUESTS.length)] + 'i'.repeat(random() < 0.5 ? 2000 : 0);
  const cut = random() < 0.5 ? bytes.length : Math.floor(random() * bytes.length);
  socket.write(bytes.slice(0, cut));
  await sleep(random() * 4);
  if (random() < 0.7 && cut < bytes.length) socket.write(bytes.slice(cut));
  await sleep(random() * 10);
  if (random() < 0.5) socket.end();
  await sleep(random() * 5);
  socket.destroy();
}

test(`clients that misbehave leave nothing behind (WHARF_TEST_SEED=${SEED})`, async () => {
  const random = randomizer(SEED);
  const sessions = new Set<Duplex>();
  const backends = unreliable(random, sessions);
  await using api = await serve(backends, { log: memoryLog() });
  const descriptors = (): number => readdirSync('/proc/self/fd').length;
  const before = descriptors();
  for (let round = 0; round < 30; round++) {
    await Promise.all(Array.from({ length: 20 }, () => misbehave(api.path, random)));
  }
  const clean = (): boolean =>
    sessions.size === 0 && backends.events.listeners === 0 && descriptors() <= before;
  for (let i = 0; i < 200 && !clean(); i++) await sleep(10);
  assert.deepEqual([sessions.size, backends.events.listeners], [0, 0]);
  assert.ok(descriptors() <= before, `${descriptors() - before} descriptors leaked`);
});
