import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { readTar } from '../oci/index.ts';
import { archiveOf, directory, file, fixture, twoLayers } from './testing.ts';

const sh = (script: string, cwd: string): string =>
  execFileSync('bash', ['-euc', script], { cwd, encoding: 'utf8' });

describe('changes', () => {
  /** What dockerd 20.10 (overlay2) says of the same image and script, sorted; asked in November 2026. */
  it('are Docker’s', async (t) => {
    const { snapshots, apply, mountPoint } = fixture(t);
    const chain = [
      await apply(
        await archiveOf([
          directory('etc'),
          file('etc/a', 'a'),
          directory('etc/sub'),
          file('etc/sub/b', 'b'),
          directory('data/x'),
          file('data/x/d', 'd'),
          directory('keep'),
          file('keep/k', 'k'),
          directory('bin'),
          file('bin/same', 's'),
        ]),
      ),
    ];
    const target = mountPoint();
    snapshots.prepare('c', chain, { initFiles: true });
    snapshots.mount('c', target);
    sh(
      `rm -rf etc/sub && mkdir etc/sub && touch etc/sub/n; rm -rf data; touch data; chmod 700 keep; rm etc/a
       mkdir new; touch new/f; mkdir -p newdir/deep; ln new/f new/g; touch keep/k`,
      target,
    );
    const changes = (await snapshots.changes('c')).map(({ Path, Kind }) => `${'CAD'[Kind]} ${Path}`);
    assert.deepEqual(changes, [
      'C /data',
      'C /etc',
      'D /etc/a',
      'C /etc/sub',
      'D /etc/sub/b',
      'A /etc/sub/n',
      'C /keep',
      'C /keep/k',
      'A /new',
      'A /new/f',
      'A /new/g',
      'A /newdir',
      'A /newdir/deep',
    ]);
  });

  it('see through all layers, and what is gone with a directory that was replaced', async (t) => {
    const fx = fixture(t);
    const { snapshots, mountPoint } = fx;
    const chain = await twoLayers(fx);
    const target = mountPoint();
    snapshots.prepare('c', chain);
    snapshots.mount('c', target);
    sh('touch etc/gone etc/sub/b; rm -rf data; mkdir -p data/sub; rm new; mkdir new; touch new/x', target);
    const changes = (await snapshots.changes('c')).map(({ Path, Kind }) => `${'CAD'[Kind]} ${Path}`);
    assert.deepEqual(changes, [
      'C /data',
      'D /data/d',
      'A /data/sub',
      'C /etc',
      'A /etc/gone',
      'C /etc/sub',
      'A /etc/sub/b',
      'C /new',
      'A /new/x',
    ]);
  });
});

describe('diff and usage', () => {
  it('give an archive that makes the same tree again, the same each time', async (t) => {
    const fx = fixture(t);
    const { snapshots, mountPoint } = fx;
    const chain = await twoLayers(fx);
    const target = mountPoint();
    snapshots.prepare('c', chain, { initFiles: true });
    snapshots.mount('c', target);
    sh(
      `rm -rf etc/sub && mkdir etc/sub && echo n > etc/sub/n; rm data/d; rm keep; echo more >> etc/a; chmod 4755 etc/a
       mkdir -m 1777 new-dir; head -c 1000000 /dev/urandom > new-dir/big; ln new-dir/big hard; ln -s nowhere link
       mkfifo pipe; mknod null c 1 3; setfattr -n user.x -v y new-dir/big; touch -d '2001-01-01T00:00:00.5Z' link -h
       cp /bin/busybox cap; setcap cap_net_raw+ep cap; printf x > $'caf\\xe9'; chown 5:6 pipe; chmod 700 .
       ${'python3 -c "import socket; socket.socket(socket.AF_UNIX).bind(\\"sock\\")"'}`,
      target,
    );
    const collect = async (stream: Readable): Promise<Buffer> => Buffer.concat(await stream.toArray());
    const archive = await collect(await snapshots.diff('c'));
    assert.deepEqual(await collect(await snapshots.diff('c')), archive);
    const names: string[] = [];
    for await (const { entry } of readTar(Readable.from([archive])))
      names.push(entry.name.toString('latin1'));
    assert.deepEqual(names, [
      '.',
      'caf\xe9',
      'cap',
      'data',
      'data/.wh.d',
      'etc',
      'etc/a',
      'etc/sub',
      'etc/sub/.wh..wh..opq',
      'etc/sub/n',
      'hard',
      '.wh.keep',
      'link',
      'new-dir',
      'new-dir/big',
      'null',
      'pipe',
    ]);
    assert.equal(
      (await snapshots.usage('c')).bytes,
      1_000_000 + fs.statSync(path.join(target, 'cap')).size + 16,
    );

    fs.unlinkSync(path.join(target, 'sock'));
    const view = mountPoint();
    snapshots.mountReadOnly([...chain, await fx.apply(await collect(await snapshots.diff('c')))], view);
    const tree = `find . -not -path './dev*' -not -path ./proc -not -path ./sys -not -name .dockerenv -not -path './etc/*.conf' \
      -not -path './etc/host*' -not -path ./etc/mtab -printf '%y %m %U %G %T@ %p %l\\n' | LC_ALL=C sort
      getfattr -h -R -d -m 'user|security' . ; sha256sum new-dir/big hard etc/a`;
    assert.equal(sh(tree, view), sh(tree, target));
  });

  it('an archive that is not read to its end leaves no file open', async (t) => {
    const { snapshots, mountPoint } = fixture(t);
    const target = mountPoint();
    snapshots.prepare('c', []);
    snapshots.mount('c', target);
    for (let i = 0; i < 5; i++) fs.writeFileSync(path.join(target, `big${i}`), Buffer.alloc(1 << 20));
    const open = (): number =>
      fs.readdirSync('/proc/self/fd').filter((fd) => targetOf(fd).includes('/containers/c/upper')).length;
    for (let i = 0; i < 10; i++) {
      const stream = await snapshots.diff('c');
      for await (const _ of stream) break;
      assert.ok(stream.destroyed);
    }
    for (let i = 0; i < 200 && open() > 0; i++) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(open(), 0);
  });
});

/** What a descriptor of this process stands for; empty when it was closed meanwhile. */
function targetOf(fd: string): string {
  try {
    return fs.readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return '';
  }
}
