import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { isKind } from '../errdefs/index.ts';
import { type Digest, digestOf } from '../oci/index.ts';
import { ContentStore } from './index.ts';

const dirs: string[] = [];
function fresh(): { root: string; content: ContentStore } {
  const root = mkdtempSync(join(tmpdir(), 'wharf-content-'));
  dirs.push(root);
  return { root, content: new ContentStore({ root }) };
}
after(() => {
  for (const dir of dirs) rmSync(dir, { recursive: true, force: true });
});

test('a blob is there only after commit, whole and under its digest', async () => {
  const { root, content } = fresh();
  const bytes = randomBytes(9 << 20);
  const writer = await content.writer('layer');
  const grown: number[] = [];
  writer.onGrow = (total) => grown.push(total);
  for (let at = 0; at < bytes.length; at += 65536) await writer.write(bytes.subarray(at, at + 65536));
  assert.equal(content.has(digestOf(bytes)), false);
  const info = await writer.commit({ digest: digestOf(bytes), size: bytes.length });
  assert.deepEqual(info, { digest: digestOf(bytes), size: bytes.length });
  assert.equal(grown.at(-1), bytes.length);
  assert.ok(content.readBytes(info.digest, 1 << 30).equals(bytes));
  assert.deepEqual(readdirSync(join(root, 'ingest')), []);
});

test('a wrong digest or size leaves nothing', async () => {
  const { root, content } = fresh();
  const wrong = digestOf('other');
  for (const expected of [{ digest: wrong }, { size: 4 }]) {
    const writer = await content.writer('x');
    await writer.write(Buffer.from('bytes'));
    await assert.rejects(writer.commit(expected), (err) => isKind(err, 'DataLoss'));
  }
  assert.deepEqual(content.list(), []);
  assert.deepEqual(readdirSync(join(root, 'ingest')), []);
});

test('a suspended ingest is resumed by its ref, from another process as well', async () => {
  const { root, content } = fresh();
  const first = await content.writer('ref:/with/slashes');
  await first.write(Buffer.from('hello '));
  await assert.rejects(content.writer('ref:/with/slashes'), (err) => isKind(err, 'Conflict'));
  await first.suspend();
  const second = await new ContentStore({ root }).writer('ref:/with/slashes');
  assert.equal(second.offset, 6);
  await second.write(Buffer.from('world'));
  const { digest } = await second.commit();
  assert.equal(digest, digestOf('hello world'));
  const third = await content.writer('ref:/with/slashes');
  assert.equal(third.offset, 0);
  await third.abort();
});

test('old ingests are cleared away at start, young ones stay', async () => {
  const { root, content } = fresh();
  for (const ref of ['old', 'young']) {
    const writer = await content.writer(ref);
    await writer.write(Buffer.from(ref));
    await writer.suspend();
    if (ref === 'old') utimesSync(writer.path, 1, 1);
  }
  new ContentStore({ root });
  assert.equal(readdirSync(join(root, 'ingest')).length, 1);
});

test('collect spares what lives and what is leased', () => {
  const { content } = fresh();
  const [live, leased, dead] = ['live', 'leased', 'dead'].map((t) => content.put(Buffer.from(t))) as [
    Digest,
    Digest,
    Digest,
  ];
  const lease = content.lease();
  lease.add(leased);
  const isLive = (d: Digest): boolean => d === live;
  assert.deepEqual(content.collect(isLive), { deleted: [dead], bytes: 4 });
  lease.release();
  assert.deepEqual(content.collect(isLive).deleted, [leased]);
  assert.deepEqual(content.list(), [live]);
});

test('damage on disk is noticed by readBytes', () => {
  const { content } = fresh();
  const digest = content.put(Buffer.from('{"a":1}'));
  writeFileSync(content.path(digest), '{"a":2}');
  assert.throws(
    () => content.readBytes(digest),
    (err) => isKind(err, 'DataLoss'),
  );
});

test('killed at any moment, the store holds only whole blobs and can go on', async () => {
  const { root } = fresh();
  const child = join(root, 'child.ts');
  const face = join(import.meta.dirname, 'index.ts');
  writeFileSync(
    child,
    `import { ContentStore } from ${JSON.stringify(face)};
     const content = new ContentStore({ root: process.argv[2] });
     for (let i = 0; ; i++) {
       content.put(Buffer.from('put ' + i));
       const w = await content.writer('w' + (i % 3));
       for (let k = 0; k < 8; k++) await w.write(Buffer.alloc(300000, i + k));
       await w.commit();
       if (i === 0) process.stdout.write('up');
     }`,
  );
  for (let round = 0; round < 4; round++) {
    const proc = spawn(process.execPath, [child, root], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(proc.stdout, 'data');
    await new Promise((resolve) => setTimeout(resolve, 10 + round * 17));
    proc.kill('SIGKILL');
    await once(proc, 'exit');
    const content = new ContentStore({ root });
    assert.ok(content.list().length > 1);
    for (const digest of content.list()) assert.equal(digestOf(readFileSync(content.path(digest))), digest);
    for (const ref of ['w0', 'w1', 'w2']) {
      const writer = await content.writer(ref);
      await writer.restart();
      await writer.write(Buffer.from(`after ${round}`));
      assert.equal((await writer.commit()).digest, digestOf(`after ${round}`));
    }
  }
});
