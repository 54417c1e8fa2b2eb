import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import zlib from 'node:zlib';
import { RootedDir } from '../linux/index.ts';
import { GrowingFile } from './growing-file.ts';
import { archiveOf, directory, file, fixture, link, sha256, symlink } from './testing.ts';

const run = (script: string, cwd: string): string =>
  execFileSync('bash', ['-euc', script], { cwd, encoding: 'latin1' });

/** Everything about a tree that an archive can carry, as text to compare. */
function describeTree(dir: string): string {
  const list = run(
    `find . -printf '%y %m %U %G %n %s %T@ %p -> %l\\n' | sed -E 's/^d (.*) [0-9]+ [0-9]+ ([0-9.]+ )/d \\1 \\2/' | LC_ALL=C sort -k8
     find . -type b -o -type c | LC_ALL=C sort | xargs -r stat -c '%n %t:%T'
     find . -type f | LC_ALL=C sort | xargs -r -d '\\n' sha256sum
     find . | LC_ALL=C sort | xargs -r -d '\\n' getfattr -h -d -m '^(user|security|trusted)' --absolute-names 2>/dev/null || true
     find . -type f -links +1 -printf '%i\\n' | sort | uniq -c | awk '{print $1}'`,
    dir,
  );
  return list;
}

describe('applyLayer keeps everything', () => {
  const build = `
    mkdir -p a/sticky a/setgid empty 'with space' && chmod 1777 a/sticky && chmod 2775 a/setgid
    echo hello > a/file && chmod 4711 a/file && chown 12345:54321 a/file && chmod 4711 a/file
    ln a/file a/hard && ln -s ../a/file a/rel && ln -s /etc/passwd a/abs && chown -h 7:8 a/rel
    mknod a/null c 1 3 && mknod a/disk b 259 300000 && chmod 606 a/null && mkfifo -m 620 a/pipe
    echo inside > a/setgid/f && chown 0:99 a/setgid
    printf x > $'caf\\xe9' && printf y > $(printf 'n%.0s' {1..250})
    mkdir -p $(printf 'd%.0s' {1..200})/$(printf 'e%.0s' {1..200})/$(printf 'f%.0s' {1..200}) && echo deep > $(printf 'd%.0s' {1..200})/$(printf 'e%.0s' {1..200})/$(printf 'f%.0s' {1..200})/file
    setfattr -n user.note -v 'bytes' a/file && setfattr -n user.dir -v d a/setgid && setfattr -n trusted.t -v 1 a/rel -h
    cp /bin/busybox a/cap && setcap cap_net_raw+ep a/cap
    truncate -s 3M sparse && printf data | dd of=sparse bs=1 seek=1500000 conv=notrunc status=none
    umask 0 && echo > world && chmod 666 world && mkdir open && chmod 777 open
    touch -d '2001-02-03T04:05:06.123456789Z' a/file a/pipe && touch -hd '1969-12-31T00:00:00Z' a/abs
    find . -depth -type d -exec touch -d '2011-11-11T11:11:11.5Z' {} +
    chmod 711 . && touch -d '2012-12-12T12:12:12Z' .`;

  for (const format of ['pax', 'gnu']) {
    it(`of a ${format} archive by GNU tar`, async (t) => {
      const { dir, apply, layerDir } = fixture(t);
      const source = path.join(dir, 'source');
      fs.mkdirSync(source);
      run(build, source);
      const args = format === 'pax' ? '--format=pax --xattrs --xattrs-include=*' : '--format=gnu';
      // GNU's format has neither fractions nor attributes: take them out of the source.
      if (format === 'gnu') {
        run(
          `find . -exec touch -hd @1234567890 {} + ; setcap -r a/cap; setfattr -x user.note a/file; setfattr -x user.dir a/setgid; setfattr -hx trusted.t a/rel; find . -depth -type d -exec touch -d @1234567890 {} +`,
          source,
        );
      }
      const expected = describeTree(source);
      assert.ok(
        expected.includes('cap_net_raw') || format === 'gnu' || expected.includes('security.capability'),
      );
      const archive = execFileSync('tar', ['-C', source, ...args.split(' '), '-S', '-c', '.'], {
        maxBuffer: 1 << 28,
      });
      const diffId = await apply(archive, sha256(archive));
      assert.equal(describeTree(layerDir(diffId)), expected);
      const { blocks } = fs.statSync(path.join(layerDir(diffId), 'sparse'));
      assert.ok(blocks * 512 < 1 << 17, `a hole stays a hole: ${blocks} blocks`);
    });
  }

  it('a file beyond 8 GiB, of which nearly all is a hole', async (t) => {
    const { dir, apply, layerDir } = fixture(t);
    run('truncate -s 9G big && printf end | dd of=big bs=1 seek=9G conv=notrunc status=none', dir);
    const archive = execFileSync('tar', ['-C', dir, '--format=pax', '-S', '-c', 'big'], {
      maxBuffer: 1 << 28,
    });
    const big = path.join(layerDir(await apply(archive)), 'big');
    assert.equal(fs.statSync(big).size, 9 * 2 ** 30 + 3);
    assert.equal(run('tail -c 5 big | od -An -c', path.dirname(big)).replace(/\s+/g, ''), '\\0\\0end');
  });
});

describe('applyLayer reads', () => {
  const text = 'x'.repeat(300_000);
  const make = async (): Promise<Buffer> => archiveOf([file('a', text), file('b', 'b')]);

  it('gzip (also of several members), zstd (also of several frames, also skippable), plain', async (t) => {
    const { snapshots, dir } = fixture(t);
    const archive = await make();
    const [front, back] = [archive.subarray(0, 70_000), archive.subarray(70_000)];
    const skippable = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
    const variants: [string, Buffer][] = [
      ['plain', archive],
      ['gzip', zlib.gzipSync(archive)],
      ['gzip members', Buffer.concat([zlib.gzipSync(front), zlib.gzipSync(back)])],
      ['zstd', zlib.zstdCompressSync(archive)],
      ['zstd frames', Buffer.concat([zlib.zstdCompressSync(front), zlib.zstdCompressSync(back)])],
      ['skippable frames', Buffer.concat([skippable, zlib.zstdCompressSync(archive), skippable])],
    ];
    for (const [name, bytes] of variants) {
      const blob = path.join(dir, 'blob');
      fs.writeFileSync(blob, Buffer.concat([Buffer.from('junk'), bytes, Buffer.from('more junk')]));
      const done = await snapshots.applyLayer({
        open: () => ({ path: blob, offset: 4, length: bytes.length }),
      });
      assert.deepEqual(done, { diffId: sha256(archive), size: 300_001 }, name);
      await snapshots.removeLayer(done.diffId);
      const streamed = await snapshots.applyLayer({ open: () => Readable.from([bytes]) });
      assert.equal(streamed.diffId, done.diffId, `${name} as a stream`);
      await snapshots.removeLayer(done.diffId);
    }
  });

  it('an empty archive, with its trailer and without', async (t) => {
    const { apply, layerDir } = fixture(t);
    for (const bytes of [Buffer.alloc(1024), Buffer.alloc(0)]) {
      assert.deepEqual(fs.readdirSync(layerDir(await apply(bytes, sha256(bytes)))), []);
    }
  });

  it('a file while it grows, and stops when its writer gives up', async (t) => {
    const { snapshots, dir } = fixture(t);
    const bytes = zlib.gzipSync(await archiveOf([file('noise', ''), file('a', text)]), { level: 0 });
    for (const good of [true, false]) {
      const blob = path.join(dir, `blob-${good}`);
      fs.writeFileSync(blob, '');
      const growing = new GrowingFile();
      let progress = 0;
      const applied = snapshots.applyLayer({
        open: () => ({ path: blob, growing }),
        onProgress: (n) => {
          progress = n;
        },
      });
      const rejected = good ? undefined : assert.rejects(applied, { kind: 'DataLoss' });
      for (let at = 0; at < bytes.length; at += 50_000) {
        fs.appendFileSync(blob, bytes.subarray(at, at + 50_000));
        if (!good && at > 100_000) break;
        growing.grow(Math.min(at + 50_000, bytes.length));
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      if (good) {
        growing.end();
        assert.equal((await applied).size, 300_000);
        assert.ok(progress <= bytes.length);
      } else {
        growing.fail();
        await rejected;
      }
    }
  });

  it('slow streams without holding them in memory: a source is not read on while nothing is written', async (t) => {
    const { snapshots } = fixture(t);
    const archive = await archiveOf([file('big', 'z'.repeat(20_000_000))]);
    const abort = new AbortController();
    let given = 0;
    const stream = new Readable({
      highWaterMark: 1 << 16,
      read() {
        if (given === archive.length) this.push(null);
        else {
          const end = Math.min(given + 65_536, archive.length - 1000);
          if (end === given) return; // hangs before the end
          this.push(archive.subarray(given, end));
          given = end;
        }
      },
    });
    const applied = snapshots.applyLayer({ open: () => stream, signal: abort.signal });
    setTimeout(() => abort.abort(), 300);
    await assert.rejects(applied, { kind: 'Cancelled' });
    assert.ok(stream.destroyed);
    assert.deepEqual(snapshots.listLayers(), []);
  });

  it('an archive that came over a broken connection: the stream’s own error is told', async (t) => {
    const { snapshots } = fixture(t);
    const stream = new Readable({
      read() {
        this.push(Buffer.alloc(100));
        this.destroy(new Error('connection reset'));
      },
    });
    await assert.rejects(snapshots.applyLayer({ open: () => stream }), /connection reset/);
  });
});

describe('applyLayer with whiteouts', () => {
  const names = (dir: string): string[] =>
    run("find . -printf '%P %y\\n' | LC_ALL=C sort", dir).trim().split('\n').sort();

  it('turns them into overlayfs’ form, drops AUFS’ own files, keeps what the same layer has', async (t) => {
    const { apply, layerDir } = fixture(t);
    const dir = layerDir(
      await apply(
        await archiveOf([
          file('.wh.gone'),
          file('d/.wh..wh..opq'),
          file('d/new', 'n'),
          file('.wh..wh.plnk'),
          file('.wh..wh.aufs'),
          file('kept', 'k'),
          file('.wh.kept'),
          directory('made'),
          file('.wh.made'),
          file('.wh.again'),
          directory('again'),
          file('.wh.implied'),
          file('implied/x'),
          file('.wh.refilled'),
          file('refilled', 'r'),
          file('kept/.wh.below'),
          file('kept/deep/.wh..wh..opq'),
          file('gone/deep/.wh.below'),
          { entry: { type: 'char', name: 'device', devMajor: 0, devMinor: 0 } },
        ]),
      ),
    );
    assert.deepEqual(
      names(dir),
      [
        'again d',
        'd d',
        'd/new f',
        'device c',
        'd',
        'gone c',
        'implied d',
        'implied/x f',
        'kept f',
        'made d',
        'refilled f',
      ].sort(),
    );
    const root = RootedDir.open(dir);
    const opaque = ['d', 'made', 'again', 'implied'].map((name) =>
      root.getxattr(name, 'trusted.overlay.opaque')?.toString(),
    );
    root.close();
    assert.deepEqual(opaque, ['y', 'y', 'y', 'y']);
    assert.equal(fs.statSync(path.join(dir, 'gone')).rdev, 0);
  });

  it('that name nothing are refused', async (t) => {
    const { apply } = fixture(t);
    for (const name of ['.wh.', 'a/.wh..', 'a/.wh...']) {
      await assert.rejects(apply(await archiveOf([file(name)])), { kind: 'InvalidParameter' }, name);
    }
  });
});

describe('applyLayer with repeated entries', () => {
  it('takes the last one, whatever kinds they are; directories merge', async (t) => {
    const { apply, layerDir } = fixture(t);
    const dir = layerDir(
      await apply(
        await archiveOf([
          file('f', 'old'),
          file('f', 'new', { mode: 0o600 }),
          directory('d', { mode: 0o700 }),
          file('d/kept', 'k'),
          directory('d', { mode: 0o711, uid: 5 }),
          directory('tree/sub', { mtime: 1n }),
          file('tree/sub/x', 'x'),
          file('tree', 'now a file'),
          file('was-file', 'x'),
          directory('was-file'),
          file('was-file/in', 'in'),
          symlink('l', 'd'),
          file('l', 'no link any more'),
          file('hard', 'h'),
          link('hard', 'hard'),
          link('hard', './hard'),
        ]),
      ),
    );
    const read = (name: string): string => fs.readFileSync(path.join(dir, name), 'utf8');
    assert.equal(read('f'), 'new');
    assert.equal(fs.statSync(path.join(dir, 'f')).mode & 0o777, 0o600);
    assert.equal(read('d/kept'), 'k');
    assert.deepEqual(
      [fs.statSync(path.join(dir, 'd')).mode & 0o777, fs.statSync(path.join(dir, 'd')).uid],
      [0o711, 5],
    );
    assert.equal(read('tree'), 'now a file');
    assert.equal(read('was-file/in'), 'in');
    assert.equal(read('l'), 'no link any more');
    assert.equal(read('hard'), 'h');
  });

  it('a parent that is a symlink inside the layer is followed there', async (t) => {
    const { apply, layerDir } = fixture(t);
    const dir = layerDir(
      await apply(
        await archiveOf([
          directory('usr/lib'),
          symlink('lib', '/usr/lib'),
          file('lib/x', 'x'),
          link('y', 'lib/x'),
        ]),
      ),
    );
    assert.equal(fs.readFileSync(path.join(dir, 'usr/lib/x'), 'utf8'), 'x');
    assert.equal(fs.statSync(path.join(dir, 'y')).nlink, 2);
  });
});

it('a layer that another call is unpacking is waited for, also when that one fails', async (t) => {
  const { snapshots } = fixture(t);
  const archive = await archiveOf([file('a', 'a')]);
  const diffId = sha256(archive);
  let opened = 0;
  const good = (): Readable => {
    opened++;
    return Readable.from([archive]);
  };
  const broken = (): Readable => Readable.from([archive.subarray(0, 600)]);
  const results = await Promise.allSettled([
    snapshots.applyLayer({ open: broken, diffId }),
    snapshots.applyLayer({ open: good, diffId }),
    snapshots.applyLayer({ open: good, diffId }),
  ]);
  assert.deepEqual(
    results.map((r) => r.status),
    ['rejected', 'fulfilled', 'fulfilled'],
  );
  assert.equal(opened, 1);
});
