import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { attachMount, closeFd, O, openAt, RootedDir, unmount } from '../linux/index.ts';
import { fixture } from './testing.ts';

/** The files of a lent mount. */
const write = (fd: number, name: string, text: string): void => {
  const root = RootedDir.fromFd(openAt(fd, '.', O.PATH | O.DIRECTORY));
  const file = root.open(name, O.WRONLY | O.CREAT, 0o644);
  fs.writeSync(file, text);
  closeFd(file);
  root.close();
};
const device = (target: string): number => fs.statSync(target).dev;

describe('a lent snapshot', () => {
  it('is one overlay with what its container sees, mounted before, after or again', async (t) => {
    const { snapshots, mountPoint } = fixture(t);
    snapshots.prepare('c', []);
    const early = snapshots.lend('c');
    assert.equal(fs.readFileSync('/proc/self/mountinfo', 'utf8').includes('/lend-'), false);
    const target = mountPoint();
    snapshots.mount('c', target);
    assert.equal(device(target), fs.fstatSync(early.fd).dev);
    write(early.fd, 'early', 'x');
    assert.equal(fs.readFileSync(path.join(target, 'early'), 'utf8'), 'x');

    const late = snapshots.lend('c');
    snapshots.unmount(target);
    write(late.fd, 'late', 'y');
    const again = mountPoint();
    snapshots.mount('c', again);
    assert.equal(device(again), fs.fstatSync(early.fd).dev);
    assert.equal(fs.readFileSync(path.join(again, 'late'), 'utf8'), 'y');
    early.release();
    early.release(); // once is enough
    late.release();
    snapshots.unmount(again);
  });

  it('can be mounted by the one who has it, and leaves nothing', async (t) => {
    const { snapshots, mountPoint } = fixture(t);
    snapshots.prepare('c', []);
    const [first, second] = [snapshots.lend('c'), snapshots.lend('c')];
    assert.equal(fs.fstatSync(first.fd).dev, fs.fstatSync(second.fd).dev);
    const target = mountPoint();
    attachMount(first.fd, target);
    write(second.fd, 'f', 'z');
    assert.equal(fs.readFileSync(path.join(target, 'f'), 'utf8'), 'z');
    unmount(target, { detach: true });
    first.release();
    second.release();
    await snapshots.settled();
    assert.throws(() => snapshots.lend('none'), { kind: 'NotFound' });
  });
});
