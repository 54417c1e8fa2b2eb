/** A corpus of archives that want out of their layer, or too much of this machine. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { Readable } from 'node:stream';
import { describe, it, test } from 'node:test';
import zlib from 'node:zlib';
import { encodeTarHeader, TAR_TRAILER, type TarInput } from '../oci/index.ts';
import { archiveOf, directory, file, fixture, link, sha256, symlink } from './testing.ts';
import type { ApplyLimits } from './types.ts';

/** What lies outside the layer, as text: names, modes, owners, times, contents. */
function look(...dirs: string[]): string {
  return dirs
    .map((dir) =>
      execFileSync(
        'bash',
        ['-c', 'find . -printf "%y %m %U %G %n %T@ %p %l\\n" | sort; cat $(find . -type f)'],
        { cwd: dir, encoding: 'utf8' },
      ),
    )
    .join('');
}

/** An extension header with `body`, and a file it is about. `size` is what the header claims. */
function extension(type: 'x' | 'L', body: string, size = body.length): Buffer {
  const block = Buffer.from(encodeTarHeader({ type: 'file', name: 'extension', size }));
  block.write(type, 156);
  block.fill(' ', 148, 156);
  block.write(
    `${block
      .reduce((a, b) => a + b, 0)
      .toString(8)
      .padStart(6, '0')}\0 `,
    148,
  );
  const content = Buffer.alloc(512);
  content.write(body);
  return Buffer.concat([block, content, encodeTarHeader({ type: 'file', name: 'x' }), TAR_TRAILER]);
}

type Expectation =
  | { refused: RegExp }
  /** Paths that must be in the layer: name and content, or undefined for what is no file. */
  | { confined: Record<string, string | undefined> };

/** `outside` is the absolute path of a directory that must stay as it is; it holds the file `victim`. */
const corpus: Record<string, (outside: string) => { entries: TarInput[] | Buffer; expect: Expectation }> = {
  'dot-dot in a name': () => ({
    entries: [file('../victim', 'evil')],
    expect: { refused: /outside of the layer/ },
  }),
  'dot-dot deep in a name': () => ({
    entries: [file('a/b/../../../../victim', 'evil')],
    expect: { refused: /outside of the layer/ },
  }),
  'dot-dot that stays inside': () => ({ entries: [file('a/../b', 'b')], expect: { confined: { b: 'b' } } }),
  'absolute name': (outside) => ({
    entries: [file(`${outside}/victim`, 'evil')],
    expect: { confined: { [`${outside}/victim`.slice(1)]: 'evil' } },
  }),
  'write through an absolute symlink': (outside) => ({
    entries: [symlink('evil', outside), file('evil/victim', 'evil')],
    expect: { refused: /"evil" is used as a directory/ },
  }),
  'write through a climbing symlink': () => ({
    entries: [symlink('evil', '../../../../../../../../tmp'), file('evil/x', 'evil')],
    expect: { refused: /"evil" is used as a directory/ },
  }),
  'write through a symlink to the root': () => ({
    entries: [symlink('evil', '/'), file('evil/x', 'x'), symlink('up', '../..'), file('up/y', 'y')],
    expect: { confined: { x: 'x', y: 'y' } },
  }),
  'write through a chain of symlinks': (outside) => ({
    entries: [symlink('a', 'b'), symlink('b', outside), file('a/victim', 'evil')],
    expect: { refused: /"a" is used as a directory/ },
  }),
  'symlink loop as a parent': () => ({
    entries: [symlink('a', 'b'), symlink('b', 'a'), file('a/x', 'evil')],
    expect: { refused: /"a" is used as a directory/ },
  }),
  'overwrite a symlink to a file outside': (outside) => ({
    entries: [symlink('evil', `${outside}/victim`), file('evil', 'mine')],
    expect: { confined: { evil: 'mine' } },
  }),
  'a symlink’s owner, mode and times are its own': (outside) => ({
    entries: [
      {
        entry: {
          type: 'symlink',
          name: 'evil',
          linkName: `${outside}/victim`,
          uid: 66,
          gid: 66,
          mode: 0o777,
          mtime: 1n,
        },
      },
    ],
    expect: { confined: { evil: undefined } },
  }),
  'a directory that becomes a symlink': (outside) => ({
    entries: [directory('d'), file('d/x', 'x'), symlink('d', outside), file('d/victim', 'evil')],
    expect: { refused: /"d" is used as a directory/ },
  }),
  'attributes of a directory that becomes a symlink': (outside) => ({
    entries: [directory('d', { mode: 0o777, mtime: 1n, uid: 66 }), symlink('d', outside)],
    expect: { confined: { d: undefined } },
  }),
  'attributes of a directory below one that becomes a symlink': (outside) => ({
    entries: [
      directory('d/sub', { mode: 0o777, mtime: 1n }),
      symlink('d', path.dirname(outside)),
      directory('other', { mode: 0o700 }),
    ],
    expect: { confined: { d: undefined, other: undefined } },
  }),
  'a directory entry over a symlink': (outside) => ({
    entries: [symlink('d', outside), directory('d', { mode: 0o777 }), file('d/victim', 'mine')],
    expect: { confined: { 'd/victim': 'mine' } },
  }),
  'hard link to a file outside, absolute': (outside) => ({
    entries: [link('evil', `${outside}/victim`)],
    expect: { refused: /hard link to .* no file in this layer/ },
  }),
  'hard link to a file outside, climbing': () => ({
    entries: [link('evil', '../../../../../../../etc/passwd')],
    expect: { refused: /outside of the layer/ },
  }),
  'hard link through a symlink': (outside) => ({
    entries: [symlink('s', outside), link('evil', 's/victim'), file('evil', 'evil')],
    expect: { refused: /hard link to "s\/victim"/ },
  }),
  'hard link to a symlink, then written': (outside) => ({
    entries: [symlink('s', `${outside}/victim`), link('evil', 's'), file('evil', 'mine')],
    expect: { confined: { evil: 'mine', s: undefined } },
  }),
  'hard link to a directory': () => ({
    entries: [directory('d'), link('e', 'd')],
    expect: { refused: /no file/ },
  }),
  'hard link to the root': () => ({ entries: [link('e', '.')], expect: { refused: /no file/ } }),
  'opaque marker through a symlink': (outside) => ({
    entries: [symlink('s', outside), file('s/.wh..wh..opq')],
    expect: { refused: /"s" is used as a directory/ },
  }),
  'whiteout of a file outside': (outside) => ({
    entries: [symlink('s', outside), file('s/.wh.victim')],
    expect: { refused: /"s" is used as a directory/ },
  }),
  'whiteout that climbs': () => ({ entries: [file('a/.wh...')], expect: { refused: /deletes no name/ } }),
  'whiteout of the root': () => ({ entries: [file('.wh..')], expect: { refused: /deletes no name/ } }),
  'a file where a directory is needed': () => ({
    entries: [file('a', 'a'), file('a/b', 'b')],
    expect: { refused: /"a" is used as a directory/ },
  }),
  'a device where a directory is needed': () => ({
    entries: [{ entry: { type: 'char', name: 'a', devMajor: 1, devMinor: 3 } }, file('a/b', 'b')],
    expect: { refused: /"a" is used as a directory/ },
  }),
  'a device is replaced, not written to': () => ({
    entries: [{ entry: { type: 'char', name: 'a', devMajor: 1, devMinor: 5 } }, file('a', 'mine')],
    expect: { confined: { a: 'mine' } },
  }),
  'a fifo is replaced, not waited for': () => ({
    entries: [{ entry: { type: 'fifo', name: 'a' } }, file('a', 'mine')],
    expect: { confined: { a: 'mine' } },
  }),
  'names that are nothing': () => ({
    entries: [directory('.'), directory('./'), directory('/'), directory('a/..'), directory('x/./y//z')],
    expect: { confined: { 'x/y/z': undefined } },
  }),
  'a file without a name': () => ({ entries: [file('.', 'x')], expect: { refused: /without a name/ } }),
  'a file named x/..': () => ({ entries: [file('x/..', 'x')], expect: { refused: /without a name/ } }),
  'a symlink as the root': (outside) => ({
    entries: [symlink('/', outside)],
    expect: { refused: /without a name/ },
  }),
  'a symlink to nothing': () => ({ entries: [symlink('s', '')], expect: { refused: /symlink to nothing/ } }),
  'a component of 256 bytes': () => ({
    entries: [file('n'.repeat(256))],
    expect: { refused: /ENAMETOOLONG/ },
  }),
  'a path of 5000 bytes': () => ({
    entries: [file(`${'abcd/'.repeat(1000)}x`)],
    expect: { refused: /ENAMETOOLONG/ },
  }),
  'a NUL in a name': () => ({
    entries: extension('x', '18 path=evil\0.txt\n'),
    expect: { refused: /NUL in pax path/ },
  }),
  'a NUL in a long name': () => ({
    entries: extension('L', 'evil\0.txt'),
    expect: { refused: /NUL in a long name/ },
  }),
  'a NUL in the name of an attribute': () => ({
    entries: extension('x', '30 SCHILY.xattr.user.a\0b=evil\n'),
    expect: { refused: /bad attribute name/ },
  }),
  'a huge extension header': () => ({
    entries: extension('x', '', 7 * 2 ** 30),
    expect: { refused: /extension header of 7516192768 bytes/ },
  }),
  'a size that is no size': () => ({
    entries: extension('x', '14 size=9e15x\n'),
    expect: { refused: /bad pax size/ },
  }),
  'no archive at all': () => ({
    entries: Buffer.alloc(4096, 'text '),
    expect: { refused: /invalid tar header/ },
  }),
  'more than the allowed entries': () => ({
    entries: Array.from({ length: 101 }, (_, i) => directory(`d${i}`)),
    expect: { refused: /more than 100 entries/ },
  }),
  'more than the allowed bytes': () => ({
    entries: [{ entry: { type: 'file', name: 'f' }, body: Buffer.alloc(3 << 20) }],
    expect: { refused: /more than 2097152 bytes uncompressed/ },
  }),
  'something unknown after the end is not unpacked': () => ({
    entries: Buffer.concat([TAR_TRAILER, Buffer.from(encodeTarHeader({ type: 'directory', name: 'late' }))]),
    expect: { confined: {} },
  }),
};

const limits: Partial<ApplyLimits> = { maxEntries: 100, maxBytes: 2 << 20 };

test('a hostile archive', async (t) => {
  const { dir, apply, layerDir, snapshots } = fixture(t, limits);
  const outside = path.join(dir, 'outside');
  fs.mkdirSync(path.join(outside, 'sub'), { recursive: true });
  fs.writeFileSync(path.join(outside, 'victim'), 'untouched');
  fs.writeFileSync(path.join(dir, 'root', 'victim'), 'untouched');
  for (const [name, make] of Object.entries(corpus)) {
    await t.test(name, async () => {
      const before = look(outside);
      const { entries, expect } = make(outside);
      const archive = Buffer.isBuffer(entries) ? entries : await archiveOf(entries);
      if ('refused' in expect) {
        await assert.rejects(apply(archive), (err: Error) => {
          assert.match(err.message, expect.refused);
          assert.ok('kind' in err && (err.kind === 'InvalidParameter' || err.kind === 'DataLoss'));
          return true;
        });
        assert.deepEqual(snapshots.listLayers(), []);
      } else {
        const diffId = await apply(archive);
        const layer = layerDir(diffId);
        for (const [file, content] of Object.entries(expect.confined)) {
          const stat = fs.lstatSync(path.join(layer, file));
          assert.equal(stat.isFile(), content !== undefined, file);
          if (content !== undefined) assert.equal(fs.readFileSync(path.join(layer, file), 'utf8'), content);
        }
        await snapshots.removeLayer(diffId);
      }
      assert.equal(look(outside), before);
      assert.equal(fs.readFileSync(path.join(dir, 'root', 'victim'), 'utf8'), 'untouched');
      await snapshots.settled();
      assert.deepEqual(fs.readdirSync(path.join(dir, 'root', 'tmp')), []);
      assert.deepEqual(fs.readdirSync(path.join(dir, 'root', 'trash')), []);
    });
  }
});

it('overlayfs’ own attributes in an archive are not set', async (t) => {
  const { apply, layerDir } = fixture(t);
  const xattrs = new Map([
    ['trusted.overlay.redirect', Buffer.from('/etc')],
    ['trusted.overlay.metacopy', Buffer.alloc(0)],
    ['user.overlay.opaque', Buffer.from('y')],
    ['user.mine', Buffer.from('kept')],
  ]);
  const layer = layerDir(
    await apply(await archiveOf([directory('d', { xattrs }), file('f', 'f', { xattrs })])),
  );
  const found = execFileSync('getfattr', ['-h', '-d', '-m', '-', 'd', 'f'], {
    cwd: layer,
    encoding: 'utf8',
  });
  assert.equal(found, '# file: d\nuser.mine="kept"\n\n# file: f\nuser.mine="kept"\n\n');
});

describe('a layer that is not what it should be', () => {
  it('wrong digest', async (t) => {
    const { apply, snapshots } = fixture(t);
    const archive = await archiveOf([file('a', 'a')]);
    const other = sha256(Buffer.from('other'));
    await assert.rejects(apply(archive, other), { kind: 'DataLoss', code: 'digest_mismatch' });
    assert.ok(!snapshots.hasLayer(other) && !snapshots.hasLayer(sha256(archive)));
  });

  it('truncated at any place, compressed or not; corrupt', async (t) => {
    const { apply, snapshots } = fixture(t);
    const archive = await archiveOf([file('a', randomBytes(5000).toString('hex')), directory('d')]);
    for (const bytes of [archive.subarray(0, 1024), zlib.gzipSync(archive), zlib.zstdCompressSync(archive)]) {
      for (const part of [0.3, 0.6, 0.999]) {
        const cut = bytes.subarray(0, Math.floor(bytes.length * part));
        await assert.rejects(apply(cut), { kind: 'DataLoss' }, `${bytes.length} bytes, ${part}`);
      }
    }
    const bad = Buffer.from(zlib.gzipSync(archive));
    bad.fill(0x55, bad.length - 8, bad.length - 4); // the CRC
    await assert.rejects(apply(bad), { kind: 'DataLoss', code: 'corrupt' });
    assert.deepEqual(snapshots.listLayers(), []);
  });

  it('a file that is shorter than its length', async (t) => {
    const { dir, snapshots } = fixture(t);
    const blob = path.join(dir, 'blob');
    fs.writeFileSync(blob, Buffer.alloc(2048));
    await assert.rejects(snapshots.applyLayer({ open: () => ({ path: blob, length: 4096 }) }), {
      kind: 'DataLoss',
    });
  });

  it('compressed by what we do not know', async (t) => {
    const { apply } = fixture(t);
    await assert.rejects(apply(Buffer.from('BZh91AY&SY')), { kind: 'NotImplemented' });
    await assert.rejects(apply(Buffer.from('\xfd7zXZ\0', 'latin1')), { kind: 'NotImplemented' });
  });
});

describe('a decompression bomb', () => {
  /** `blocks` MiB of zeros in one zstd stream of a few kB. */
  const zeros = (blocks: number): Buffer =>
    zlib.zstdCompressSync(Buffer.alloc(blocks << 20), {
      params: { [zlib.constants.ZSTD_c_checksumFlag]: 0 },
    });

  it('is stopped by its ratio', async (t) => {
    const { snapshots } = fixture(t);
    const header = encodeTarHeader({ type: 'file', name: 'bomb', size: 4 * 2 ** 30 });
    const piece = zeros(64);
    const bomb = function* (): Generator<Buffer> {
      yield zlib.zstdCompressSync(header);
      for (let i = 0; i < 64; i++) yield piece;
    };
    await assert.rejects(snapshots.applyLayer({ open: () => Readable.from(bomb()) }), {
      kind: 'InvalidParameter',
      code: 'decompression_bomb',
    });
  });

  it('is stopped before the disk is full', async (t) => {
    const { snapshots } = fixture(t, { minFreeBytes: Number.MAX_SAFE_INTEGER });
    const archive = await archiveOf([file('a', 'a')]);
    await assert.rejects(snapshots.applyLayer({ open: () => Readable.from([archive]) }), { code: 'ENOSPC' });
  });

  it('of nothing but what follows the end of the archive', async (t) => {
    const { apply } = fixture(t);
    await assert.rejects(apply(zlib.gzipSync(Buffer.alloc(70 << 20))), /after the end of the archive/);
  });

  it('of sparse gigabytes takes no room', async (t) => {
    const { dir, apply, layerDir } = fixture(t);
    execFileSync('truncate', ['-s', '1T', path.join(dir, 'huge')]);
    const archive = execFileSync('tar', ['-C', dir, '-S', '-c', 'huge']);
    const stat = fs.statSync(path.join(layerDir(await apply(archive)), 'huge'));
    assert.deepEqual([stat.size, stat.blocks], [2 ** 40, 0]);
  });
});

it('cancelling stops the work and leaves nothing', async (t) => {
  const { snapshots, dir } = fixture(t);
  const blob = path.join(dir, 'blob');
  fs.writeFileSync(
    blob,
    await archiveOf([{ entry: { type: 'file', name: 'f' }, body: Buffer.alloc(100 << 20) }]),
  );
  const abort = new AbortController();
  const applied = snapshots.applyLayer({
    open: () => ({ path: blob }),
    signal: abort.signal,
    onProgress: () => abort.abort(),
  });
  await assert.rejects(applied, { kind: 'Cancelled' });
  await snapshots.settled();
  assert.deepEqual(fs.readdirSync(path.join(dir, 'root', 'tmp')), []);
  await assert.rejects(snapshots.applyLayer({ open: () => ({ path: blob }), signal: abort.signal }), {
    kind: 'Cancelled',
  });
});
