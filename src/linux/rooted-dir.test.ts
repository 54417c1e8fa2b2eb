import assert from 'node:assert/strict';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { closeFd, isErrno, O, RootedDir } from './index.ts';

const base = fs.mkdtempSync(join(tmpdir(), 'wharf-rooted-'));
const rootPath = join(base, 'root');
const secret = join(base, 'secret');
let root: RootedDir;

const errno =
  (...codes: string[]) =>
  (err: unknown): boolean =>
    isErrno(err, ...codes);

before(() => {
  fs.mkdirSync(rootPath);
  fs.writeFileSync(secret, 'secret');
  root = RootedDir.open(rootPath);
});
after(() => {
  root.close();
  fs.rmSync(base, { recursive: true });
});

test('symlinks and .. resolve as after chroot, never outside', () => {
  root.symlink('/', 'abs');
  root.symlink('../../../..', 'up');
  root.symlink(secret, 'leak');
  for (const path of ['../secret', 'abs/../secret', 'up/secret', 'leak', 'up/../..//secret']) {
    assert.throws(() => root.readFile(path, 100), errno('ENOENT'), path);
  }
  root.mkdir('up/made');
  assert.ok(fs.existsSync(join(rootPath, 'made')));
  root.mkdirAll('/abs/x/y/z');
  assert.ok(fs.statSync(join(rootPath, 'x/y/z')).isDirectory());
  assert.equal(root.realpath('up/abs/x/../x/y').toString(), '/x/y');
  assert.equal(root.realpath('abs').toString(), '/');
});

test('writing, linking and renaming through a symlink stays inside', () => {
  root.symlink(base, 'hostbase'); // leads to <root><base>, which is not there
  assert.throws(() => root.mkdir('hostbase/new'), errno('ENOENT'));
  assert.throws(() => root.link('hostbase/secret', 'stolen'), errno('ENOENT'));
  assert.throws(() => root.link('../secret', 'stolen'), errno('ENOENT'));
  assert.throws(() => root.rename('x', '../../x2/..'), errno('EINVAL'));
  assert.throws(() => root.chown('leak/..', 1, 1), errno('EINVAL'));
  root.chown('leak', 12, 34); // the link itself
  assert.equal(fs.statSync(secret).uid, 0);
  assert.deepEqual([root.lstat('leak').uid, root.lstat('leak').gid], [12n, 34n]);
  assert.throws(() => root.chmod('leak', 0o777), errno('EOPNOTSUPP', 'ENOTSUP'));
});

test('files keep exact modes, times to the nanosecond, attributes and devices', () => {
  const mask = process.umask(0o077);
  try {
    root.mkdir('sticky', 0o1777);
    closeFd(root.open('sticky/f', O.WRONLY | O.CREAT | O.EXCL, 0o600));
  } finally {
    process.umask(mask);
  }
  assert.equal(root.lstat('sticky').mode & 0o7777n, 0o1777n);
  root.chmod('sticky/f', 0o4755);
  root.utimens('sticky/f', -1_500_000_001n, 1_700_000_000_123_456_789n);
  const stat = root.lstat('/sticky/f');
  assert.equal(stat.mode & 0o7777n, 0o4755n);
  assert.deepEqual([stat.atimeNs, stat.mtimeNs], [-1_500_000_001n, 1_700_000_000_123_456_789n]);

  root.setxattr('sticky/f', 'trusted.test', Buffer.from([0, 1, 2]));
  assert.deepEqual(root.getxattr('sticky/f', 'trusted.test'), Buffer.from([0, 1, 2]));
  assert.equal(root.getxattr('sticky/f', 'trusted.other'), undefined);
  assert.deepEqual(root.listxattr('sticky/f'), ['trusted.test']);
  root.setxattr('leak', 'trusted.onlink', Buffer.from('v')); // a symlink's own attribute
  assert.equal(root.getxattr('leak', 'trusted.onlink')?.toString(), 'v');

  root.mknod('dev', fs.constants.S_IFCHR | 0o600, 300, 70_000);
  assert.equal(root.lstat('dev').rdev, (300n << 8n) | ((70_000n & 0xffffff00n) << 12n) | (70_000n & 0xffn));
});

test('names that are not UTF-8 work, and a NUL inside is refused', () => {
  const name = Buffer.from([0x66, 0xff, 0xfe]);
  root.mkdir(name);
  closeFd(root.open(Buffer.concat([name, Buffer.from('/in')]), O.WRONLY | O.CREAT, 0o644));
  assert.ok(root.readdir('.').some((entry) => entry.name.equals(name)));
  assert.deepEqual(
    root.readdir(name).map((entry) => entry.name.toString()),
    ['in'],
  );
  root.removeAll(name);
  assert.equal(root.lstatIfExists(name), undefined);
  assert.throws(() => root.mkdir('a\0b'), /NUL/);
  assert.throws(() => root.mkdir(Buffer.from('a\0b')), /NUL/);
});

test('readFile bounds the size and takes only regular files', () => {
  fs.writeFileSync(join(rootPath, 'big'), Buffer.alloc(100, 1));
  assert.equal(root.readFile('big', 100).length, 100);
  assert.throws(() => root.readFile('big', 99), errno('EFBIG'));
  assert.throws(() => root.readFile('x', 99), errno('EISDIR'));
  root.mknod('fifo', fs.constants.S_IFIFO | 0o600);
  assert.throws(() => root.readFile('fifo', 99), errno('EINVAL')); // and does not hang
});

test('removeAll takes deep trees away and follows no symlink', () => {
  let path = 'deep';
  root.mkdir(path);
  const inner = [RootedDir.open(join(rootPath, path))];
  for (let i = 0; i < 400; i++) {
    const last = inner.at(-1) as RootedDir;
    last.mkdir('a-directory-name-that-makes-paths-too-long');
    last.symlink(base, 'out');
    inner.push(last.sub('a-directory-name-that-makes-paths-too-long'));
    if (i % 2) path += '/x';
  }
  for (const dir of inner) dir.close();
  root.removeAll('deep');
  assert.equal(root.exists('deep'), false);
  assert.equal(fs.readFileSync(secret, 'utf8'), 'secret');
  root.removeAll('deep'); // again: nothing to do
  root.removeAll('/');
  assert.deepEqual(fs.readdirSync(rootPath), []);
});
