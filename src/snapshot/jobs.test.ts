import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { it, type TestContext } from 'node:test';
import { type SnapshotPool, snapshotPool } from './jobs.ts';
import { defaultLimits } from './layer-applier.ts';
import { archiveOf, file } from './testing.ts';

function setUp(t: TestContext, idleMs: number): { pool: SnapshotPool; dir: string } {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'wharf-pool-'));
  const pool = snapshotPool(2, idleMs);
  t.after(async () => {
    await pool.close();
    fs.rmSync(dir, { recursive: true });
  });
  return { pool, dir };
}

const until = async (condition: () => boolean): Promise<void> => {
  for (let i = 0; i < 200 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.ok(condition());
};

it('starts no more workers than allowed, and ends them when there is nothing to do', async (t) => {
  const { pool, dir } = setUp(t, 100);
  assert.equal(pool.size, 0);
  pool.warmUp();
  assert.equal(pool.size, 1);
  const jobs = Array.from({ length: 6 }, () => pool.run({ type: 'remove', dir, names: ['nothing'] }));
  assert.equal(pool.size, 2);
  await Promise.all(jobs);
  await until(() => pool.size === 0);
  await pool.run({ type: 'remove', dir, names: [] });
});

it('rejects what a worker was doing when it dies, and starts another', async (t) => {
  const { pool, dir } = setUp(t, 5000);
  const unpack = (stream: Readable): Promise<unknown> => {
    const target = fs.mkdtempSync(path.join(dir, 'layer-'));
    const job = {
      type: 'unpack',
      source: 'stream',
      target,
      limits: defaultLimits,
      diffId: undefined,
    } as const;
    return pool.run(job, { stream });
  };
  const hanging = unpack(new Readable({ read() {} }));
  await pool.crashForTest();
  await assert.rejects(hanging, { kind: 'System', code: 'worker_died' });
  await unpack(Readable.from([await archiveOf([file('a', 'a')])]));
});

it('tells what could not be removed', async (t) => {
  const { pool, dir } = setUp(t, 5000);
  await assert.rejects(pool.run({ type: 'remove', dir: path.join(dir, 'missing'), names: ['x'] }), /ENOENT/);
});
