import assert from 'node:assert/strict';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { type ReadLogsOptions, readLogs } from './log-reader.ts';

let dir: string;
let path: string;
beforeEach(() => {
  dir = fs.mkdtempSync(join(tmpdir(), 'wharf-logs-'));
  path = join(dir, 'log');
});
afterEach(() => fs.rmSync(dir, { recursive: true }));

const BASE = Date.parse('2026-11-24T01:00:00Z');
const ns = (second: number): bigint => BigInt(BASE + second * 1000) * 1_000_000n;

/** The line that the shim writes for `log` at `second` after the base. */
function line(log: string, second = 0, stream = 'stdout'): string {
  const time = new Date(BASE + second * 1000).toISOString().replace('.000', '');
  const text = JSON.stringify(log).replaceAll('<', '\\u003c').replaceAll('\u2028', '\\u2028');
  return `{"log":${text},"stream":"${stream}","time":"${time}"}\n`;
}

const options = (more: Partial<ReadLogsOptions>): ReadLogsOptions => ({
  path,
  maxFiles: 3,
  stdout: true,
  stderr: true,
  follow: false,
  timestamps: false,
  tty: true,
  ...more,
});

async function read(more: Partial<ReadLogsOptions> = {}): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of readLogs(options(more))) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

function write(from: number, to: number, file = path): void {
  const lines = Array.from({ length: to - from }, (_, i) => line(`${from + i}\n`, from + i));
  fs.appendFileSync(file, lines.join(''));
}

const numbers = (from: number, to: number): string =>
  Array.from({ length: to - from }, (_, i) => `${from + i}\n`).join('');

test('text comes back as it was written, in frames', async () => {
  const texts = ['plain\n', 'tab\t quote" back\\slash <&> \u2028 é 😀 \u0001\u007f\r\n', '\n', 'no feed'];
  fs.writeFileSync(path, texts.map((text, i) => line(text, i, i === 1 ? 'stderr' : 'stdout')).join(''));
  const frames = texts.map((text, i) => {
    const body = Buffer.from(text);
    return Buffer.concat([Buffer.from([i === 1 ? 2 : 1, 0, 0, 0, 0, 0, 0, body.length]), body]);
  });
  assert.equal(await read({ tty: false }), Buffer.concat(frames).toString());
  assert.equal(await read(), texts.join(''));
  assert.equal(await read({ stderr: false }), texts.filter((_, i) => i !== 1).join(''));
  assert.equal(await read({ stdout: false }), texts[1]);
});

test('no log: nothing', async () => {
  assert.equal(await read(), '');
  assert.equal(await read({ path: '/no/such/dir/log', follow: true, isRunning: () => false }), '');
});

test('time stamps have nine digits, details come after them by key', async () => {
  const attrs = '{"z":"1","a key":"b=c,d"}';
  fs.writeFileSync(
    path,
    `{"log":"x\\n","stream":"stdout","time":"2026-11-24T01:00:00.12Z"}\n` +
      `{"log":"y\\n","stream":"stdout","attrs":${attrs},"time":"2026-11-24T03:00:00.123456789+01:00"}\n`,
  );
  const [one, two] = ['2026-11-24T01:00:00.120000000Z', '2026-11-24T02:00:00.123456789Z'];
  assert.equal(await read({ timestamps: true }), `${one} x\n${two} y\n`);
  assert.equal(await read({ timestamps: true, details: true }), `${one}  x\n${two} a+key=b%3Dc%2Cd,z=1 y\n`);
});

test('since and until include their own time', async () => {
  write(0, 10);
  assert.equal(await read({ since: ns(3), until: ns(6) }), numbers(3, 7));
  assert.equal(await read({ since: ns(8) - 1n }), numbers(8, 10));
  assert.equal(await read({ until: ns(2) - 1n }), numbers(0, 2));
});

test('what is not a log line is left out', async () => {
  fs.writeFileSync(path, `${line('a\n')}{"log":"torn\n\0\0\n{}\n"x"\n${line('b\n')}{"log":"unfinished`);
  assert.equal(await read(), 'a\nb\n');
});

test('rotated files are read oldest first; the tail reaches over them', async () => {
  write(0, 1000, `${path}.2`);
  write(1000, 3000, `${path}.1`);
  write(3000, 3003);
  assert.equal(await read(), numbers(0, 3003));
  for (const tail of [0, 1, 2, 3, 4, 5, 1500, 2003, 2004, 3002, 3003, 9999]) {
    assert.equal(await read({ tail }), numbers(Math.max(0, 3003 - tail), 3003), `tail ${tail}`);
  }
  fs.writeFileSync(path, '');
  assert.equal(await read({ tail: 2 }), numbers(2998, 3000), 'just rotated');
});

test('lines longer than what is read at once', async () => {
  const long = 'é'.repeat(16_000);
  const lines = Array.from({ length: 60 }, (_, i) => line(`${i}${long}\n`));
  fs.writeFileSync(path, lines.join(''));
  const text = await read();
  assert.deepEqual(
    text.trimEnd().split('\n'),
    lines.map((_, i) => `${i}${long}`),
  );
  assert.equal(await read({ tail: 1 }), `59${long}\n`);
});

test('follows: what is written, through rotations, to the end of the container', async () => {
  write(0, 5);
  let stop = (): void => {};
  const onStopped = (cb: () => void): (() => void) => {
    stop = cb;
    return () => {};
  };
  const followed = read({ follow: true, tail: 2, isRunning: () => true, onStopped });
  const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 15));
  let next = 5;
  for (let round = 0; round < 6; round++) {
    await pause();
    write(next, next + 40);
    next += 40;
    if (round % 2 === 1) {
      if (fs.existsSync(`${path}.1`)) fs.renameSync(`${path}.1`, `${path}.2`);
      fs.renameSync(path, `${path}.1`);
      write(next, next + 3); // at once: the reader has seen neither file
      next += 3;
    }
  }
  stop();
  assert.equal(await followed, numbers(3, next));
});

test('follows a log that is cut off', async () => {
  write(0, 50);
  let stop = (): void => {};
  const onStopped = (cb: () => void): (() => void) => {
    stop = cb;
    return () => {};
  };
  const followed = read({ follow: true, maxFiles: 1, isRunning: () => true, onStopped });
  await new Promise((resolve) => setTimeout(resolve, 30));
  fs.truncateSync(path);
  write(50, 52);
  await new Promise((resolve) => setTimeout(resolve, 30));
  stop();
  assert.equal(await followed, numbers(0, 52));
});

test('following ends with until, with the signal, and for a stopped container', async () => {
  write(0, 3);
  assert.equal(await read({ follow: true, isRunning: () => false }), numbers(0, 3));
  assert.equal(await read({ follow: true, isRunning: () => true, until: ns(1) }), numbers(0, 2));
  const soon = BigInt(Date.now() + 40) * 1_000_000n;
  assert.equal(await read({ follow: true, isRunning: () => true, until: soon }), numbers(0, 3));
  const abort = new AbortController();
  const stream = readLogs(options({ follow: true, isRunning: () => true, signal: abort.signal }));
  stream.resume();
  setTimeout(() => abort.abort(), 20);
  await new Promise((resolve) => stream.once('close', resolve));
  const open = fs.readdirSync('/proc/self/fd').filter((fd) => {
    const link = `/proc/self/fd/${fd}`;
    return fs.existsSync(link) && fs.readlinkSync(link).startsWith(dir);
  });
  assert.deepEqual(open, []);
});

test('a slow reader holds back: no more than a little is read ahead', async () => {
  write(0, 50_000);
  const stream = readLogs(options({}));
  stream.once('readable', () => {});
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.ok(stream.readableLength < 600_000, `${stream.readableLength} bytes`);
  let bytes = 0;
  for await (const chunk of stream) bytes += (chunk as Buffer).length;
  assert.equal(bytes, numbers(0, 50_000).length);
});
