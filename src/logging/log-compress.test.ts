import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { compressLogFile, placeCompressed, uncompressed } from './log-compress.ts';
import { LogCursor } from './log-cursor.ts';
import { inodeOf } from './log-files.ts';
import { readLogs } from './log-reader.ts';

let dir: string;
let path: string;
beforeEach(() => {
  dir = fs.mkdtempSync(join(tmpdir(), 'wharf-logs-'));
  path = join(dir, 'log');
});
afterEach(() => fs.rmSync(dir, { recursive: true }));

const line = (n: number): string =>
  `{"log":"${n}\\n","stream":"stdout","time":"2026-11-24T01:00:00.${String(n).padStart(9, '0')}Z"}\n`;
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);
const write = (file: string, from: number, to: number): void =>
  fs.appendFileSync(file, range(from, to).map(line).join(''));
const numbers = (from: number, to: number): string =>
  range(from, to)
    .map((n) => `${n}\n`)
    .join('');

const base = { maxFiles: 4, stdout: true, stderr: true, follow: false, timestamps: false, tty: true };
async function read(more: object = {}): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of readLogs({ path, ...base, ...more })) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

async function compressAll(): Promise<void> {
  for (const file of uncompressed(path, 4)) {
    assert.ok(await compressLogFile(path, file));
    assert.ok(placeCompressed(path, 4, file.inode));
  }
}

test('compressed files are gzip to everyone, and read as if they were not compressed', async () => {
  write(`${path}.2`, 0, 20_000);
  write(`${path}.1`, 20_000, 30_000);
  write(path, 30_000, 30_005);
  const plain = fs.readFileSync(`${path}.2`, 'utf8');
  fs.utimesSync(`${path}.2`, 1000, 1000);
  await compressAll();
  assert.deepEqual(fs.readdirSync(dir).sort(), ['log', 'log.1.gz', 'log.2.gz']);
  assert.equal(execFileSync('gzip', ['-dc', `${path}.2.gz`], { maxBuffer: 1 << 26 }).toString(), plain);
  assert.equal(fs.statSync(`${path}.2.gz`).mtimeMs, 1_000_000);
  assert.equal(await read(), numbers(0, 30_005));
  for (const tail of [0, 1, 5, 6, 10_004, 10_005, 10_006, 25_000, 30_005, 99_999])
    assert.equal(await read({ tail }), numbers(Math.max(0, 30_005 - tail), 30_005), `tail ${tail}`);
});

test('who reads a file while it is compressed and rotated goes on with the next', async () => {
  write(path, 0, 40_000);
  let stop = (): void => {};
  const onStopped = (cb: () => void): (() => void) => {
    stop = cb;
    return () => {};
  };
  const stream = readLogs({ path, ...base, follow: true, isRunning: () => true, onStopped });
  const chunks: Buffer[] = [];
  const iterator = stream[Symbol.asyncIterator]();
  chunks.push((await iterator.next()).value as Buffer);
  fs.renameSync(path, `${path}.1`);
  write(path, 40_000, 40_010);
  await compressAll();
  fs.renameSync(`${path}.1.gz`, `${path}.2.gz`);
  fs.renameSync(path, `${path}.1`);
  await compressAll();
  write(path, 40_010, 40_020);
  stop();
  for (let next = await iterator.next(); !next.done; next = await iterator.next())
    chunks.push(next.value as Buffer);
  assert.equal(Buffer.concat(chunks).toString(), numbers(0, 40_020));
});

test('a place in a file is found again after it was compressed', async () => {
  write(`${path}.1`, 0, 20_000);
  write(path, 20_000, 20_003);
  const { birthtimeNs: born } = fs.statSync(`${path}.1`, { bigint: true });
  const inode = inodeOf(`${path}.1`)!;
  const offset = line(0).length * 10 + line(10).length * 90;
  const rest = async (): Promise<string> => {
    const cursor = new LogCursor({ path, maxFiles: 4, follow: false, onNewFile: () => {} });
    cursor.open({ from: { inode, born, offset } });
    const pieces: Buffer[] = [];
    for (let piece = await cursor.read(); piece !== undefined; piece = await cursor.read()) {
      pieces.push(piece);
      const place = cursor.place!;
      assert.ok(place.offset <= 2_000_000);
    }
    cursor.close();
    return Buffer.concat(pieces).toString();
  };
  const expected = range(100, 20_003).map(line).join('');
  assert.equal(await rest(), expected);
  await compressAll();
  assert.equal(await rest(), expected);
});

test('a damaged file ends where the damage is; one that is no file of ours is read whole', async () => {
  write(`${path}.1`, 0, 1000);
  write(path, 1000, 1002);
  await compressAll();
  const bytes = fs.readFileSync(`${path}.1.gz`);
  fs.writeFileSync(`${path}.1.gz`, bytes.subarray(0, bytes.length - 200));
  assert.match(await read(), /1000\n1001\n$/);
  fs.rmSync(`${path}.1.gz`);
  write(`${path}.1`, 0, 10);
  execFileSync('gzip', [`${path}.1`]);
  assert.equal(await read(), numbers(0, 10) + numbers(1000, 1002));
  assert.equal(await read({ tail: 2 }), numbers(1000, 1002));
});

test('a file that was rotated away while it was compressed leaves nothing', async () => {
  write(`${path}.1`, 0, 10);
  const [file] = uncompressed(path, 4);
  await compressLogFile(path, file!);
  fs.rmSync(`${path}.1`);
  assert.equal(placeCompressed(path, 4, file!.inode), false);
  assert.equal(await compressLogFile(path, file!), false);
  assert.deepEqual(fs.readdirSync(dir), []);
});
