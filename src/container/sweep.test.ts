import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { bindMount, Cgroup, unmountIfMounted } from '../linux/index.ts';
import { containerPaths } from './paths.ts';
import { removeBundle, removeEmptyParent, sweepCgroups, unfinishedVolumes, unmountBelow } from './sweep.ts';

const base = mkdtempSync('/tmp/wharf-sweep-');
const volume = join(base, 'volume');
const id = 'a'.repeat(64);
const paths = containerPaths(join(base, 'data'), join(base, 'exec'), id);
const target = join(paths.subpaths, '0');
mkdirSync(volume);
mkdirSync(target, { recursive: true });
mkdirSync(paths.rootfs);
writeFileSync(join(volume, 'kept'), '');

after(() => {
  unmountIfMounted(target, { detach: true });
  unmountIfMounted(paths.rootfs, { detach: true });
  rmSync(base, { recursive: true });
});

test('a bundle in which something is mounted is left alone, and goes once that is unmounted', async () => {
  bindMount(volume, target);
  bindMount(volume, paths.rootfs);
  await assert.rejects(removeBundle(paths), /EBUSY/);
  unmountIfMounted(target);
  await assert.rejects(removeBundle(paths), /EBUSY/);
  assert.ok(existsSync(join(volume, 'kept')));
  unmountBelow(paths.bundle);
  assert.equal(existsSync(join(target, 'kept')), false);
  await removeBundle(paths);
  assert.equal(existsSync(paths.bundle), false);
  assert.ok(existsSync(join(volume, 'kept')));
});

test('control groups of containers that are gone go, others stay', () => {
  const parent = `/wharf-sweep-${process.pid}`;
  const [gone, kept] = ['b'.repeat(64), 'c'.repeat(64)];
  for (const name of [gone, kept, 'other']) new Cgroup(`${parent}/${name}`).create();
  sweepCgroups(parent, new Set([kept]));
  const there = [gone, kept, 'other'].map((name) => new Cgroup(`${parent}/${name}`).exists());
  removeEmptyParent(parent);
  const parentStays = new Cgroup(parent).exists();
  for (const name of [kept, 'other']) new Cgroup(`${parent}/${name}`).remove();
  removeEmptyParent(parent);
  assert.deepEqual(there, [false, true, true]);
  assert.equal(parentStays, true);
  assert.equal(new Cgroup(parent).exists(), false);
});

test('the volumes of a creation that was broken off are known by what it left', () => {
  mkdirSync(paths.data, { recursive: true });
  assert.deepEqual(unfinishedVolumes(paths), []);
  writeFileSync(paths.unfinished, '["a", "b"]');
  assert.deepEqual(unfinishedVolumes(paths), ['a', 'b']);
  writeFileSync(paths.unfinished, '["a", ');
  assert.deepEqual(unfinishedVolumes(paths), []);
});
