import assert from 'node:assert/strict';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { LogForwarder } from './log-forwarder.ts';
import { MessagePacker, readAck } from './msgpack.ts';
import type { LogMessage, LogSender } from './sender.ts';

let dir: string;
let path: string;
let warnings: string[];
const open: LogForwarder[] = [];
beforeEach(() => {
  dir = fs.mkdtempSync(join(tmpdir(), 'wharf-forward-'));
  path = join(dir, 'log');
  warnings = [];
});
afterEach(async () => {
  for (const forwarder of open.splice(0)) await forwarder.close();
  fs.rmSync(dir, { recursive: true });
});

const line = (text: string, stream = 'stdout'): string =>
  `{"log":${JSON.stringify(text)},"stream":"${stream}","time":"2026-11-24T01:00:00.000000001Z"}\n`;
const write = (...texts: string[]): void => fs.appendFileSync(path, texts.map((text) => line(text)).join(''));

/** A server that fails when told to. */
class Server implements LogSender {
  readonly retry: LogSender['retry'];
  readonly lenient = false;
  readonly got: LogMessage[] = [];
  /** How many further batches fail, after having arrived or not. */
  failing = 0;
  closed = 0;

  constructor(retry: LogSender['retry'] = { delay: 1 }) {
    this.retry = retry;
  }

  get texts(): string[] {
    return this.got.map(({ text }) => text.toString());
  }

  async connect(): Promise<void> {}

  async send(messages: readonly LogMessage[]): Promise<void> {
    if (this.failing > 0) {
      this.failing--;
      throw new Error('not now');
    }
    this.got.push(...messages);
  }

  close(): void {
    this.closed++;
  }
}

/** A writer whose news come by `wrote`. */
class Writer {
  readonly delivered: bigint[] = [];
  #tell = (): void => {};

  logGrown(): Promise<void> {
    return new Promise((resolve) => {
      this.#tell = resolve;
    });
  }

  logDelivered(inode: bigint): void {
    this.delivered.push(inode);
  }

  wrote(): void {
    this.#tell();
  }
}

function forward(sender: LogSender, more: object = {}): LogForwarder {
  const forwarder = new LogForwarder({
    path,
    maxFiles: 3,
    positionPath: join(dir, 'position'),
    mayDrop: false,
    sender,
    warn: (message) => warnings.push(message),
    ...more,
  });
  open.push(forwarder);
  return forwarder;
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.ok(condition());
}

test('delivers what is there and what is written, and is drained after the end', async () => {
  const server = new Server();
  const writer = new Writer();
  write('a\n', 'b\n');
  const forwarder = forward(server);
  forwarder.follow(writer);
  await until(() => server.got.length === 2);
  write('c\n');
  writer.wrote();
  await until(() => server.got.length === 3);
  write('d');
  forwarder.end();
  assert.equal(await forwarder.finish(5000), true);
  assert.deepEqual(server.texts, ['a', 'b', 'c', 'd']);
  assert.deepEqual(writer.delivered, [fs.statSync(path, { bigint: true }).ino]);
});

test('another one goes on where this one was', async () => {
  write('a\n', 'b\n');
  const first = new Server();
  const one = forward(first);
  one.follow(new Writer());
  await until(() => first.got.length === 2);
  // Killed: nothing is tidied up.
  write('c\n');
  const second = new Server();
  const other = forward(second);
  other.end();
  assert.equal(await other.finish(5000), true);
  assert.deepEqual(second.texts, ['c']);
  fs.writeFileSync(join(dir, 'position'), 'torn');
  const third = new Server();
  const last = forward(third);
  last.end();
  assert.equal(await last.finish(5000), true);
  assert.deepEqual(third.texts, ['a', 'b', 'c'], 'rather again than not at all');
});

test('tries again until it is delivered, and says so once', async () => {
  const server = new Server();
  server.failing = 3;
  write('a\n');
  const forwarder = forward(server);
  forwarder.end();
  assert.equal(await forwarder.finish(5000), true);
  assert.deepEqual(server.texts, ['a']);
  assert.deepEqual(warnings, [
    'the log server does not take messages, trying on: not now',
    'the log server takes messages again',
  ]);
});

test('gives up after as many tries as were asked for, and says how much', async () => {
  const server = new Server({ delay: 1, max: 2 });
  server.failing = 3;
  write('a\n', 'b\n');
  const forwarder = forward(server);
  forwarder.end();
  assert.equal(await forwarder.finish(5000), true);
  assert.deepEqual(server.texts, []);
  assert.equal(warnings.at(-1), '2 lines were not delivered to the log server: not now');
});

test('through rotations; the writer learns which file is being read', async () => {
  const server = new Server();
  const writer = new Writer();
  write('a\n');
  const forwarder = forward(server);
  forwarder.follow(writer);
  await until(() => server.got.length === 1);
  write('b\n');
  fs.renameSync(path, `${path}.1`);
  write('c\n');
  writer.wrote();
  await until(() => server.got.length === 3);
  assert.deepEqual(server.texts, ['a', 'b', 'c']);
  const inodes = [`${path}.1`, path].map((file) => fs.statSync(file, { bigint: true }).ino);
  assert.deepEqual(writer.delivered, inodes);
});

test('does not wait longer than it is given', async () => {
  const server = new Server({ delay: 1000 });
  server.failing = 1000;
  write('a\n');
  const forwarder = forward(server);
  forwarder.end();
  assert.equal(await forwarder.finish(30), false);
});

test('what was rotated away is left out where lines may be dropped', async () => {
  const server = new Server({ delay: 1 });
  server.failing = 1;
  write('a\n', 'b\n');
  const writer = new Writer();
  const forwarder = forward(server, { mayDrop: true });
  const failed = until(() => server.failing === 0);
  forwarder.follow(writer);
  fs.rmSync(path);
  write('c\n');
  await failed;
  writer.wrote();
  forwarder.end();
  assert.equal(await forwarder.finish(5000), true);
  assert.deepEqual(server.texts.at(-1), 'c');
});

test('pieces of a long line are numbered, by stream', async () => {
  const piece = 'x'.repeat(16 * 1024);
  const server = new Server();
  fs.writeFileSync(
    path,
    [
      line(piece),
      line('err\n', 'stderr'),
      line(piece),
      line('end\n'),
      line('next\n'),
      line(piece),
      line('\n'),
    ].join(''),
  );
  const forwarder = forward(server);
  forwarder.end();
  assert.equal(await forwarder.finish(5000), true);
  const out = server.got.filter(({ stream }) => stream === 'stdout');
  assert.deepEqual(
    out.map(({ text, partial }) => [text.length, partial?.ordinal, partial?.last]),
    [
      [16384, 1, false],
      [16384, 2, false],
      [3, 3, true],
      [4, undefined, undefined],
      [16384, 1, false],
      [0, 2, true],
    ],
  );
  assert.equal(new Set(out.map(({ partial }) => partial?.id)).size, 3);
});

test('MessagePack: sizes at the borders of their forms', () => {
  const of = (length: number): string =>
    new MessagePacker().string('a'.repeat(length)).finish().subarray(0, 5).toString('hex');
  assert.equal(of(31).slice(0, 2), 'bf');
  assert.equal(of(32).slice(0, 4), 'd920');
  assert.equal(of(255).slice(0, 4), 'd9ff');
  assert.equal(of(256).slice(0, 6), 'da0100');
  assert.equal(of(65_536), 'db00010000');
  const lists = [15, 16, 65_536].map((n) => new MessagePacker().list(n).finish().toString('hex'));
  assert.deepEqual(lists, ['9f', 'dc0010', 'dd00010000']);
  assert.equal(new MessagePacker().eventTime(1, 2).finish().toString('hex'), 'd7000000000100000002');
  assert.equal(new MessagePacker().integer(127).integer(128).finish().toString('hex'), '7fce00000080');
});

test('acknowledgements, in whatever pieces they come', () => {
  const answer = new MessagePacker().map(1).string('ack').string('x'.repeat(40)).finish();
  for (let n = 0; n < answer.length; n++) assert.equal(readAck(answer.subarray(0, n)), undefined);
  assert.equal(readAck(answer), 'x'.repeat(40));
  assert.throws(() => readAck(Buffer.from('HTTP/1.1 400')), /not answered with an acknowledgement/);
});
