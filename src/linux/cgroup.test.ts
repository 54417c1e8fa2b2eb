import assert from 'node:assert/strict';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  availableControllers,
  Cgroup,
  type CgroupMounts,
  cgroupFeatures,
  cgroupMode,
  kill,
  posixSpawn,
  waitForExit,
} from './index.ts';

const canMake = process.getuid?.() === 0 && availableControllers().includes('memory');

test('a real group: made, entered, measured, removed', { skip: !canMake }, async () => {
  const group = new Cgroup(`/wharf-test-${process.pid}/inner`);
  const parent = new Cgroup(`/wharf-test-${process.pid}`);
  try {
    group.create();
    group.create();
    const pid = posixSpawn({ path: '/bin/sleep', argv: ['sleep', '100'] });
    const controllers = cgroupMode() === 'v2' ? ['memory'] : ['memory', 'pids', 'cpuset'];
    for (const controller of controllers) {
      fs.writeFileSync(join(group.directory(controller) ?? '', 'cgroup.procs'), String(pid));
    }
    assert.deepEqual(group.procs(), [pid]);
    assert.deepEqual(parent.procs(), [pid]);
    assert.deepEqual(parent.procs({ recursive: false }), []);
    group.write('pids.max', '17');
    const stats = group.stats();
    assert.deepEqual(stats.pids, { current: 1, limit: 17 });
    assert.equal(stats.memory.limit, undefined);
    assert.equal(group.oomKills(), 0);
    assert.throws(() => parent.remove(), { code: 'EBUSY' });
    kill(pid, 9);
    await waitForExit(pid);
  } finally {
    parent.remove();
  }
  assert.equal(parent.exists(), false);
  parent.remove();
});

test('v2 files, as the kernel writes them', () => {
  const root = fs.mkdtempSync(join(tmpdir(), 'wharf-cg2-'));
  const mounts: CgroupMounts = { mode: 'v2', v1: new Map(), unified: root };
  const dir = join(root, 'g');
  fs.mkdirSync(dir);
  const files: Record<string, string> = {
    'cpu.stat':
      'usage_usec 1500\nuser_usec 1000\nsystem_usec 500\nnr_periods 3\nnr_throttled 2\nthrottled_usec 7\n',
    'memory.current': '4096\n',
    'memory.max': 'max\n',
    'memory.stat': 'anon 1\ninactive_file 22\n',
    'memory.events': 'low 0\nmax 4\noom 1\noom_kill 1\n',
    'pids.current': '5\n',
    'pids.max': '10\n',
    'io.stat':
      '8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n253:1 rbytes=1 wbytes=0 rios=1 wios=0\n',
    'cgroup.procs': '12\n13\n',
  };
  for (const [name, text] of Object.entries(files)) fs.writeFileSync(join(dir, name), text);
  const group = new Cgroup('../../g', mounts);
  const stats = group.stats();
  assert.equal(stats.cpu.usageNs, 1_500_000);
  assert.equal(stats.cpu.throttledNs, 7000);
  assert.deepEqual(
    [stats.memory.usage, stats.memory.limit, stats.memory.oomKills, stats.memory.stat.inactive_file],
    [4096, undefined, 1, 22],
  );
  assert.deepEqual(stats.io.serviceBytes.slice(0, 2), [
    { major: 8, minor: 0, op: 'Read', value: 10 },
    { major: 8, minor: 0, op: 'Write', value: 20 },
  ]);
  assert.deepEqual(group.procs(), [12, 13]);
  assert.deepEqual(new Cgroup('/absent', mounts).stats().pids, { current: 0, limit: undefined });
  fs.rmSync(root, { recursive: true });
});

test('features follow the controllers', () => {
  const features = cgroupFeatures();
  assert.equal(features.pidsLimit, availableControllers().includes('pids'));
  assert.equal(features.memoryLimit, availableControllers().includes('memory'));
});
