/** The log as the daemon follows it: exact bytes, delivery to a server, compression, the place where an attach begins. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { ShimHandle } from './index.ts';
import { demultiplex, exited, gone, readAll, ShimFixture } from './testing/shim-fixture.ts';

let fixture: ShimFixture;
before(() => {
  fixture = new ShimFixture();
});
after(() => fixture.close());

const sh = (script: string): string[] => ['sh', '-c', script];

async function until<T>(what: string, condition: () => T): Promise<NonNullable<T>> {
  for (let i = 0; i < 1000; i++) {
    const value = condition();
    if (value) return value;
    await pause(10);
  }
  throw new Error(`waited in vain for ${what}`);
}

const inode = (path: string): bigint => fs.statSync(path, { bigint: true }).ino;
const texts = (path: string): string[] =>
  fs
    .readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { log: string }).log);
const files = (shim: ShimHandle): string[] =>
  fs
    .readdirSync(fixture.path(shim, ''))
    .filter((name) => name.startsWith('log'))
    .sort();

test('bytes that are no UTF-8 are kept when asked for', async () => {
  const shim = fixture.create(sh("printf 'a\\377\\200\\303\\251\\n'"), { logExact: true });
  await shim.start();
  await exited(shim);
  const [line] = fs.readFileSync(fixture.path(shim, 'log'), 'utf8').split('\n');
  assert.ok(line?.startsWith('{"log":"a\\udcff\\udc80é\\n",'), String(line));
});

test('block: what was not delivered is kept, and the container waits', async () => {
  const log = { logMaxSize: 50_000, logMaxFiles: 3, logHold: 'block' as const };
  const shim = fixture.create(['seq', '1', '300000'], log);
  const warnings: string[] = [];
  shim.onWarning((message) => warnings.push(message));
  const path = fixture.path(shim, 'log');
  await shim.start();
  await until('the shim to say that it waits', () => warnings.length > 0);
  assert.match(warnings[0] ?? '', /too far behind: the container waits/);
  assert.equal(texts(`${path}.2`)[0], '1\n');
  const size = fs.statSync(path).size;
  await pause(50);
  assert.equal(fs.statSync(path).size, size, 'nothing is read while the log is full');
  // A reader that follows: file by file, told each time.
  const seen: string[] = [];
  for (let current = inode(`${path}.2`); ; ) {
    shim.logDelivered(current);
    const at = [2, 1, 0].find(
      (i) => fs.existsSync(i ? `${path}.${i}` : path) && inode(i ? `${path}.${i}` : path) === current,
    );
    assert.notEqual(at, undefined, 'the file that is being delivered is there');
    if (at === 0) break;
    seen.push(...texts(`${path}.${at}`));
    current = inode(at === 1 ? path : `${path}.${at! - 1}`);
  }
  shim.logDelivered(inode(path));
  while (shim.state === 'running') {
    shim.logDelivered(inode(path));
    await pause(5);
  }
  await exited(shim);
  assert.equal(texts(path).at(-1), '300000\n');
  assert.equal(seen[0], '1\n');
  for (const [i, text] of seen.entries()) assert.equal(text, `${i + 1}\n`);
});

test('drop: the container goes on, and its log tells how much was lost', async () => {
  const log = { logMaxSize: 50_000, logMaxFiles: 3, logHold: 'drop' as const };
  const shim = fixture.create(['seq', '1', '20000'], log);
  await shim.start();
  await exited(shim);
  const path = fixture.path(shim, 'log');
  const all = [`${path}.2`, `${path}.1`, path].flatMap(texts);
  const kept = all.filter((text) => /^\d+\n$/.test(text));
  assert.equal(kept.at(-1), '20000\n');
  const notices = all.filter((text) => text.startsWith('[wharf]'));
  assert.match(notices.at(-1) ?? '', /^\[wharf\] \d+ lines of this log were lost: the log server did not/);
});

test('grown: told when there is more, or another file', async () => {
  const shim = fixture.create(sh('read a; echo one; read b; seq 1 2000; read c'), {
    openStdin: true,
    logMaxSize: 50_000,
    logMaxFiles: 3,
  });
  const stdin = await shim.attach({ stdin: true, stdout: false, stderr: false });
  stdin.resume();
  await shim.start();
  const path = fixture.path(shim, 'log');
  await until('the log', () => fs.existsSync(path));
  const first = { inode: inode(path), size: 0 };
  let told = false;
  const grown = shim.logGrown(first).then(() => {
    told = true;
  });
  await pause(30);
  assert.equal(told, false);
  stdin.write('\n');
  await grown;
  assert.deepEqual(texts(path), ['one\n']);
  let rotations = 0;
  shim.onLogRotated(() => rotations++);
  const next = shim.logGrown({ inode: first.inode, size: 1 << 30 });
  stdin.write('\n');
  await next;
  await until('rotations', () => rotations > 0);
  assert.notEqual(inode(path), first.inode);
  stdin.end('\n');
  await exited(shim);
});

test('compressed: the copy takes the place of the file, wherever that is by now', async () => {
  const shim = fixture.create(sh('seq 1 2000; read a; seq 1 1000; read b'), {
    openStdin: true,
    logMaxSize: 50_000,
    logMaxFiles: 5,
  });
  const stdin = await shim.attach({ stdin: true, stdout: false, stderr: false });
  stdin.resume();
  await shim.start();
  const path = fixture.path(shim, 'log');
  await until('rotation', () => fs.existsSync(`${path}.2`));
  const oldest = inode(`${path}.2`);
  fs.writeFileSync(`${path}.${oldest}.gz.tmp`, 'compressed');
  await shim.logCompressed(oldest);
  assert.deepEqual(files(shim), ['log', 'log.1', 'log.2.gz']);
  stdin.write('\n');
  const moved = await until('rotation', () => files(shim).find((name) => /^log\.[34]\.gz$/.test(name)));
  assert.equal(fs.readFileSync(fixture.path(shim, moved), 'utf8'), 'compressed');
  fs.writeFileSync(`${path}.7.gz.tmp`, 'of a file that is not there');
  await assert.rejects(shim.logCompressed(7n), /rotated away/);
  assert.equal(fs.existsSync(`${path}.7.gz.tmp`), false);
  stdin.end('\n');
  await exited(shim);
});

test('an attach begins where the log ends, in the midst of a line, too', async () => {
  const shim = fixture.create(sh("echo first; printf 'begin '; read a; echo end; read b"), {
    openStdin: true,
  });
  const stdin = await shim.attach({ stdin: true, stdout: true, stderr: false });
  let seen = '';
  stdin.on('data', (chunk: Buffer) => {
    seen += chunk.toString();
  });
  await shim.start();
  await until('the unfinished line', () => seen.includes('begin '));
  const { stream, position } = await shim.attachToLog({ stdin: false, stdout: true, stderr: true });
  const output = readAll(stream);
  const path = fixture.path(shim, 'log');
  assert.deepEqual(position, { inode: inode(path), size: fs.statSync(path).size });
  assert.deepEqual(texts(path), ['first\n']);
  stdin.write('\n');
  await until('the rest', () => seen.includes('end'));
  stdin.end('\n');
  await exited(shim);
  assert.equal(demultiplex(await output).stdout, 'begin end\n');
});

test('after a full disk the log goes on, and tells what is missing', async () => {
  const directory = `${fixture.root}/filling`;
  fs.mkdirSync(directory);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=128k', 'tmpfs', directory]);
  try {
    fs.writeFileSync(`${directory}/ballast`, Buffer.alloc(100_000));
    const shim = fixture.create(sh('seq 1 5000; read a; echo after; read b'), {
      openStdin: true,
      logPath: `${directory}/log`,
    });
    const warnings: string[] = [];
    shim.onWarning((message) => warnings.push(message));
    const stdin = await shim.attach({ stdin: true, stdout: true, stderr: false });
    let seen = '';
    stdin.on('data', (chunk: Buffer) => {
      seen += chunk.toString();
    });
    await shim.start();
    await until('all output', () => seen.includes('5000\n'));
    await until('a warning', () => warnings.length > 0);
    assert.match(warnings[0] ?? '', /the log cannot be written: No space left on device/);
    fs.rmSync(`${directory}/ballast`);
    stdin.write('\n');
    await until('the line after', () => seen.includes('after'));
    const all = texts(`${directory}/log`);
    const kept = all.filter((text) => /^\d+\n$/.test(text)).length;
    assert.equal(all.at(-1), 'after\n');
    assert.equal(all.at(-2), `[wharf] ${5000 - kept} lines of this log were lost: No space left on device\n`);
    stdin.end('\n');
    await exited(shim);
    await gone(shim); // or the log is still open
  } finally {
    execFileSync('umount', [directory]);
  }
});
