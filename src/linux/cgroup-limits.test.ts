import assert from 'node:assert/strict';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Cgroup, type CgroupMounts } from './cgroup.ts';
import { applyLimits, type CgroupLimits, cpuWeight, ioWeight, planLimits } from './cgroup-limits.ts';

/** A group that is plain files: `files` by name. */
function fakeGroup(mode: 'v1' | 'v2', files: Record<string, string>): { group: Cgroup; dir: string } {
  const dir = fs.mkdtempSync(join(tmpdir(), 'wharf-limits-'));
  for (const [name, text] of Object.entries(files)) fs.writeFileSync(join(dir, name), text);
  const controllers = ['memory', 'cpu', 'cpuset', 'pids', 'blkio', 'freezer'];
  const mounts: CgroupMounts =
    mode === 'v2'
      ? { mode, v1: new Map(), unified: dir }
      : { mode, v1: new Map(controllers.map((name) => [name, dir] as const)), unified: undefined };
  return { group: new Cgroup('/', mounts), dir };
}

const plan = (group: Cgroup, limits: CgroupLimits): string[] =>
  planLimits(group, limits).map(({ file, value }) => `${file}=${value}`);

test('v1: the limit with swap goes first when it is raised, last when it is lowered', (t) => {
  const { group, dir } = fakeGroup('v1', { 'memory.memsw.limit_in_bytes': '200\n' });
  t.after(() => fs.rmSync(dir, { recursive: true }));
  const memory = (limit: number, swap: number) => plan(group, { memory: { limit, swap } });
  assert.deepEqual(memory(300, 400), ['memory.memsw.limit_in_bytes=400', 'memory.limit_in_bytes=300']);
  assert.deepEqual(memory(50, 100), ['memory.limit_in_bytes=50', 'memory.memsw.limit_in_bytes=100']);
  assert.deepEqual(memory(300, -1), ['memory.memsw.limit_in_bytes=-1', 'memory.limit_in_bytes=300']);
});

test('v1: a shorter period follows its quota, a longer one precedes it', (t) => {
  const { group, dir } = fakeGroup('v1', { 'cpu.cfs_period_us': '100000\n' });
  t.after(() => fs.rmSync(dir, { recursive: true }));
  assert.deepEqual(plan(group, { cpu: { period: 50000, quota: 10000 } }), [
    'cpu.cfs_quota_us=10000',
    'cpu.cfs_period_us=50000',
  ]);
  assert.deepEqual(plan(group, { cpu: { period: 200000, quota: 10000 } }), [
    'cpu.cfs_period_us=200000',
    'cpu.cfs_quota_us=10000',
  ]);
});

test('v2: swap is what is above memory, weights are scaled, quota and period are one file', (t) => {
  const { group, dir } = fakeGroup('v2', { 'cpu.max': '50000 200000\n' });
  t.after(() => fs.rmSync(dir, { recursive: true }));
  assert.deepEqual(
    plan(group, {
      memory: { limit: 100, swap: 300, reservation: 50 },
      cpu: { shares: 1024, quota: 10000, cpus: '0', mems: '0' },
      pids: { limit: -1 },
      blockIO: { throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 5 }] },
    }),
    [
      'memory.max=100',
      'memory.swap.max=200',
      'memory.low=50',
      'cpu.weight=39',
      'cpu.max=10000 200000',
      'io.max=8:0 rbps=5',
      'cpuset.cpus=0',
      'cpuset.mems=0',
      'pids.max=max',
    ],
  );
  assert.deepEqual(plan(group, { memory: { limit: 100, swap: -1 } }), [
    'memory.max=100',
    'memory.swap.max=max',
  ]);
  assert.deepEqual(plan(group, { cpu: { quota: -1 } }), ['cpu.max=max 200000']);
  assert.deepEqual([cpuWeight(2), cpuWeight(262144), cpuWeight(1)], [1, 10000, 1]);
  assert.deepEqual([ioWeight(10), ioWeight(1000)], [1, 10000]);
  assert.throws(
    () => plan(group, { memory: { swap: 100 } }),
    /unable to set swap limit without memory limit/,
  );
});

test('what the kernel refuses brings back what was written before', async (t) => {
  const { group, dir } = fakeGroup('v2', { 'memory.max': 'max\n', 'cpu.weight': '100\n' });
  t.after(() => fs.rmSync(dir, { recursive: true }));
  // There is no pids.max in this group.
  await assert.rejects(applyLimits(group, { memory: { limit: 5 }, cpu: { shares: 2 }, pids: { limit: 3 } }), {
    kind: 'System',
    message: /^failed to write "3" to pids\.max/,
  });
  assert.equal(group.read('memory.max'), 'max');
  assert.equal(group.read('cpu.weight'), '100');
});

test('a weight goes to the file that the kernel has', async (t) => {
  const { group, dir } = fakeGroup('v2', { 'io.weight': 'default 100\n' });
  t.after(() => fs.rmSync(dir, { recursive: true }));
  await applyLimits(group, { blockIO: { weight: 1000 } });
  assert.equal(group.read('io.weight'), 'default 10000');
});
