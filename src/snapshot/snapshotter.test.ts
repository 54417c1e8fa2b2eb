import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { readMountInfo } from '../linux/index.ts';
import type { Digest } from '../oci/index.ts';
import { Snapshotter } from './snapshotter.ts';
import { archiveOf, directory, file, fixture, sha256, symlink, twoLayers } from './testing.ts';

const read = (dir: string, name: string): string => fs.readFileSync(path.join(dir, name), 'utf8');

describe('a snapshot', () => {
  it('shows its layers merged, is written to alone, ends without a trace', async (t) => {
    const fx = fixture(t);
    const { snapshots, mountPoint, dir } = fx;
    const chain = await twoLayers(fx);
    const [one, two] = [mountPoint(), mountPoint()];
    for (const [key, target] of [
      ['c1', one],
      ['c2', two],
    ] as const) {
      snapshots.prepare(key, chain);
      snapshots.mount(key, target);
    }
    assert.deepEqual(fs.readdirSync(one).sort(), ['data', 'etc', 'keep', 'new']);
    assert.deepEqual(fs.readdirSync(path.join(one, 'etc')).sort(), ['a', 'sub']);
    assert.deepEqual(fs.readdirSync(path.join(one, 'etc/sub')), ['c']);
    const root = fs.statSync(one);
    assert.deepEqual([root.mode & 0o7777, root.uid], [0o711, 3]);
    fs.writeFileSync(path.join(one, 'keep'), 'changed');
    assert.equal(read(two, 'keep'), 'k');

    assert.ok(snapshots.unmount(one));
    snapshots.mount('c1', one);
    assert.equal(read(one, 'keep'), 'changed');
    assert.ok(snapshots.unmount(one));
    assert.ok(!snapshots.unmount(one));
    snapshots.unmount(two);
    snapshots.remove('c1');
    snapshots.remove('c2');
    snapshots.remove('c2');
    await snapshots.settled();
    assert.deepEqual(fs.readdirSync(path.join(dir, 'root/containers')), []);
    assert.deepEqual(fs.readdirSync(path.join(dir, 'root/trash')), []);
    assert.ok(!readMountInfo().some((m) => m.mountPoint.startsWith(dir)));
  });

  it('is refused without its layers, with a bad key, twice', async (t) => {
    const { snapshots } = fixture(t);
    assert.throws(() => snapshots.prepare('x', [sha256(Buffer.from('x'))]), { kind: 'NotFound' });
    assert.throws(() => snapshots.prepare('../x', []), { kind: 'InvalidParameter' });
    snapshots.prepare('x', []);
    assert.throws(() => snapshots.prepare('x', []), { kind: 'Conflict' });
    assert.throws(() => snapshots.mount('y', '/nowhere'), { kind: 'NotFound' });
  });

  it('of no layer, of the empty layer twice, of one layer between others twice', async (t) => {
    const { snapshots, apply, mountPoint } = fixture(t);
    const empty = await apply(Buffer.alloc(1024));
    const [a, b] = [
      await apply(await archiveOf([file('x', 'a')])),
      await apply(await archiveOf([file('.wh.x')])),
    ];
    const chains: [string, Digest[], string[]][] = [
      ['none', [], []],
      ['empty', [empty], []],
      ['twice', [empty, empty], []],
      ['again', [a, b, a, empty], ['x']],
    ];
    for (const [key, chain, names] of chains) {
      const [rw, view] = [mountPoint(), mountPoint()];
      snapshots.prepare(key, chain);
      snapshots.mount(key, rw);
      snapshots.mountReadOnly(chain, view);
      assert.deepEqual(fs.readdirSync(rw), names, key);
      assert.deepEqual(fs.readdirSync(view), names, `view of ${key}`);
      fs.writeFileSync(path.join(rw, 'f'), 'f');
      assert.throws(() => fs.writeFileSync(path.join(view, 'f'), 'f'), { code: 'EROFS' });
    }
  });

  it('of a layer that deletes everything below', async (t) => {
    const { snapshots, apply, mountPoint } = fixture(t);
    const chain = [
      await apply(await archiveOf([file('old', 'o')])),
      await apply(await archiveOf([file('.wh..wh..opq'), file('new', 'n')])),
    ];
    const view = mountPoint();
    snapshots.mountReadOnly(chain, view);
    assert.deepEqual(fs.readdirSync(view), ['new']);
  });

  it('of layers without entries for the directories that they put something into', async (t) => {
    const { snapshots, apply, mountPoint } = fixture(t);
    const chain = [
      await apply(
        await archiveOf([
          directory('./', { mode: 0o711, uid: 3 }),
          directory('tmp', { mode: 0o1777, gid: 4, mtime: 1_000_000_000n }),
          directory('gone', { mode: 0o700 }),
          directory('link-target', { mode: 0o700 }),
        ]),
      ),
      await apply(await archiveOf([file('.wh.gone'), symlink('link', '/link-target')])),
      await apply(await archiveOf([file('tmp/deep/x'), file('gone/x'), directory('link'), file('link/x')])),
      await apply(await archiveOf([file('tmp/deep/y'), file('tmp/y')])),
    ];
    const [rw, view] = [mountPoint(), mountPoint()];
    snapshots.prepare('c', chain);
    snapshots.mount('c', rw);
    snapshots.mountReadOnly(chain, view);
    for (const target of [rw, view]) {
      const at = (name: string): fs.Stats => fs.statSync(path.join(target, name));
      const tmp = at('tmp');
      assert.deepEqual([tmp.mode & 0o7777, tmp.gid, tmp.mtimeMs], [0o1777, 4, 1000]);
      assert.deepEqual(fs.readdirSync(path.join(target, 'tmp')).sort(), ['deep', 'y']);
      assert.deepEqual([at('.').mode & 0o7777, at('.').uid], [0o711, 3]);
      assert.equal(at('gone').mode & 0o7777, 0o755);
      assert.equal(at('tmp/deep').mode & 0o7777, 0o755);
    }
    assert.deepEqual(await snapshots.changes('c'), []);
  });

  it('of 200 layers', async (t) => {
    const { snapshots, apply, mountPoint } = fixture(t);
    const chain: Digest[] = [];
    for (let i = 0; i < 200; i++)
      chain.push(await apply(await archiveOf([file(`f${i}`, ''), file('last', `${i}`)])));
    const target = mountPoint();
    snapshots.prepare('many', chain);
    snapshots.mount('many', target);
    assert.equal(fs.readdirSync(target).length, 201);
    assert.equal(read(target, 'last'), '199');
  });

  it('takes under a millisecond to make, mount, unmount and remove', async (t) => {
    const fx = fixture(t);
    const chain = await twoLayers(fx);
    const target = fx.mountPoint();
    const times: number[] = [];
    for (let i = 0; i < 30; i++) {
      const start = performance.now();
      fx.snapshots.prepare(`k${i}`, chain, { initFiles: true });
      fx.snapshots.mount(`k${i}`, target);
      fx.snapshots.unmount(target);
      fx.snapshots.remove(`k${i}`);
      times.push(performance.now() - start);
    }
    const median = times.sort((a, b) => a - b)[15]!;
    t.diagnostic(`median ${median.toFixed(2)} ms`);
    assert.ok(median < 50, `${median} ms`); // the target is 0.5; this only catches a blunder on a busy machine
  });
});

describe('init files', () => {
  it('are there, below what the container writes, and shared; what the image has stays', async (t) => {
    const { snapshots, apply, mountPoint } = fixture(t);
    const chain = [
      await apply(
        await archiveOf([
          directory('etc', { mode: 0o700, uid: 9 }),
          file('etc/hosts', 'image'),
          symlink('etc/resolv.conf', '../run/resolv.conf'),
          symlink('etc/mtab', 'elsewhere'),
        ]),
      ),
    ];
    for (const key of ['one', 'two']) {
      const target = mountPoint();
      snapshots.prepare(key, chain, { initFiles: true });
      snapshots.mount(key, target);
      assert.deepEqual(fs.readdirSync(target).sort(), ['.dockerenv', 'dev', 'etc', 'proc', 'sys']);
      assert.equal(read(target, 'etc/hosts'), 'image');
      assert.ok(fs.lstatSync(path.join(target, 'etc/resolv.conf')).isFile());
      assert.equal(fs.readlinkSync(path.join(target, 'etc/mtab')), 'elsewhere');
      const etc = fs.statSync(path.join(target, 'etc'));
      assert.deepEqual([etc.mode & 0o7777, etc.uid], [0o700, 9]);
      assert.deepEqual(await snapshots.changes(key), []);
      assert.deepEqual(await snapshots.usage(key), { bytes: 0, inodes: 1 });
    }
  });
});

describe('at the next start', () => {
  it('layers and live snapshots are there; what was half-made and what nobody knows is gone', async (t) => {
    const fx = fixture(t);
    const { snapshots, dir, mountPoint } = fx;
    const chain = await twoLayers(fx);
    const root = path.join(dir, 'root');
    const target = mountPoint();
    snapshots.prepare('live', chain, { initFiles: true });
    snapshots.mount('live', target);
    fs.writeFileSync(path.join(target, 'written'), 'w');
    snapshots.unmount(target);
    snapshots.prepare('dead', chain);
    fs.mkdirSync(path.join(root, 'tmp/half/fs'), { recursive: true });
    fs.mkdirSync(path.join(root, 'trash/old/deep/er'), { recursive: true });
    fs.mkdirSync(path.join(root, 'layers', 'f'.repeat(64), 'fs'), { recursive: true });
    fs.mkdirSync(path.join(root, 'containers/half/upper'), { recursive: true });

    const next = new Snapshotter({ root });
    t.after(() => next.close());
    next.reconcile(new Set(['live']));
    assert.deepEqual(next.listLayers().sort(), [...chain].sort());
    next.mount('live', target);
    assert.equal(read(target, 'written'), 'w');
    next.unmount(target);
    assert.throws(() => next.mount('dead', target), { kind: 'NotFound' });
    await next.settled();
    for (const [name, left] of [
      ['tmp', []],
      ['trash', []],
      ['containers', ['live']],
    ] as const) {
      assert.deepEqual(fs.readdirSync(path.join(root, name)), left, name);
    }
    assert.equal(fs.readdirSync(path.join(root, 'layers')).length, 2);
  });

  it('a layer that had not reached the disk when the machine crashed is not believed', async (t) => {
    const fx = fixture(t);
    const chain = await twoLayers(fx);
    const root = path.join(fx.dir, 'root');
    for (let i = 0; i < 100; i++) {
      if (chain.every((id) => fs.existsSync(path.join(fx.layerDir(id), '../synced')))) break;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const crashed = path.join(fx.layerDir(chain[0]!), '..');
    fs.unlinkSync(path.join(crashed, 'synced'));
    const meta = JSON.parse(read(crashed, 'layer.json'));
    fs.writeFileSync(
      path.join(crashed, 'layer.json'),
      JSON.stringify({ ...meta, bootId: 'an earlier boot' }),
    );
    const other = JSON.parse(read(fx.layerDir(chain[1]!), '../layer.json'));
    fs.writeFileSync(
      path.join(fx.layerDir(chain[1]!), '../layer.json'),
      JSON.stringify({ ...other, bootId: 'an earlier boot' }),
    );
    const next = new Snapshotter({ root });
    t.after(() => next.close());
    next.reconcile(new Set());
    assert.deepEqual(next.listLayers(), [chain[1]]);
  });
});

describe('removeLayer', () => {
  it('is refused while a snapshot lies on the layer, then takes everything away', async (t) => {
    const fx = fixture(t);
    const { snapshots, dir } = fx;
    const chain = await twoLayers(fx);
    snapshots.prepare('c', chain, { initFiles: true });
    await assert.rejects(snapshots.removeLayer(chain[0]!), { kind: 'Conflict' });
    snapshots.remove('c');
    for (const diffId of chain) await snapshots.removeLayer(diffId);
    await assert.rejects(snapshots.removeLayer(chain[0]!), { kind: 'NotFound' });
    assert.ok(!snapshots.hasLayer(chain[0]!));
    await snapshots.settled();
    for (const name of ['layers', 'bases', 'trash'])
      assert.deepEqual(fs.readdirSync(path.join(dir, 'root', name)), []);
  });
});
