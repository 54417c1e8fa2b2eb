import assert from 'node:assert/strict';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import {
  bindMount,
  isErrno,
  mountFilesystem,
  mountOverlay,
  mountOverlayByMount,
  readMountInfo,
  setPropagation,
  unmount,
  unmountIfMounted,
} from './index.ts';

const base = fs.mkdtempSync(join(tmpdir(), 'wharf-mount-'));
after(() => {
  for (const { mountPoint } of readMountInfo().reverse()) {
    if (mountPoint.startsWith(`${base}/`)) unmount(mountPoint, { detach: true });
  }
  fs.rmSync(base, { recursive: true });
});

const dir = (name: string): string => {
  const path = join(base, name);
  fs.mkdirSync(path, { recursive: true });
  return path;
};
const info = (target: string) => readMountInfo().findLast(({ mountPoint }) => mountPoint === target);

function layers(count: number, prefix: string): string[] {
  return Array.from({ length: count }, (_, i) => {
    const path = dir(`${prefix}/${i}`);
    fs.writeFileSync(join(path, `file${i}`), `${i}`);
    fs.writeFileSync(join(path, 'same'), `${i}`);
    return path;
  });
}

test('an overlay of 200 layers: the first is on top, writes go to the upper directory', () => {
  const target = dir('t200');
  const upper = dir('upper');
  mountOverlay({ lower: layers(200, 'many'), upper, work: dir('work'), target, options: { index: 'off' } });
  assert.equal(info(target)?.source, 'overlay');
  assert.equal(fs.readdirSync(target).length, 201);
  assert.equal(fs.readFileSync(join(target, 'same'), 'utf8'), '0');
  fs.writeFileSync(join(target, 'new'), 'x');
  assert.equal(fs.readFileSync(join(upper, 'new'), 'utf8'), 'x');
  unmount(target);
});

test('paths beyond 255 bytes, with commas, colons and backslashes', () => {
  const long = `odd,:\\name/${'d'.repeat(140)}/${'e'.repeat(140)}`;
  const target = dir('todd');
  for (const mount of [mountOverlay, mountOverlayByMount]) {
    mount({ lower: layers(3, long), upper: dir('up,:\\per'), work: dir('wo,:\\rk'), target });
    assert.equal(fs.readFileSync(join(target, 'file2'), 'utf8'), '2');
    fs.writeFileSync(join(target, 'n'), '');
    assert.ok(fs.existsSync(join(base, 'up,:\\per/n')));
    unmount(target);
  }
});

test('older kernels: mount(2) takes 150 layers, too', () => {
  const target = dir('told');
  mountOverlayByMount({ lower: layers(150, 'old'), target });
  assert.equal(fs.readdirSync(target).length, 151);
  assert.equal(info(target)?.fsType, 'overlay');
  unmount(target);
});

test('failures name the call, the path and the kernel’s own words', () => {
  const target = dir('tfail');
  assert.throws(() => mountOverlay({ lower: [join(base, 'absent')], target }), /absent.*ENOENT/);
  assert.throws(() => mountFilesystem('tmpfs', target, { bogus: '1' }), /Unknown parameter 'bogus'.*EINVAL/);
  assert.throws(() => unmount(target), /umount2 .*tfail: EINVAL/);
  assert.equal(unmountIfMounted(target), false);
  assert.equal(unmountIfMounted(join(base, 'absent')), false);
  assert.equal(info(target), undefined);
});

test('file systems with options and flags', () => {
  const target = dir('t mp'); // a blank is escaped in mountinfo
  mountFilesystem(
    'tmpfs',
    target,
    { size: '64k', mode: '1777' },
    { noSuid: true, noDev: true, noExec: true },
  );
  const mount = info(target);
  assert.equal(mount?.fsType, 'tmpfs');
  for (const option of ['nosuid', 'nodev', 'noexec']) assert.ok(mount?.options.includes(option));
  assert.ok(mount?.superOptions.includes('size=64k'));
  unmount(target);
});

test('binds: files, recursion, read-only to the bottom, propagation', () => {
  const source = dir('src');
  const inner = dir('src/inner');
  const target = dir('bound');
  mountFilesystem('tmpfs', inner);
  bindMount(source, target, { recursive: true, readOnly: true, propagation: 'rslave' });
  for (const path of [target, join(target, 'inner')]) {
    assert.throws(() => fs.writeFileSync(join(path, 'f'), ''), { code: 'EROFS' });
  }
  fs.writeFileSync(join(inner, 'f'), 'still writable here');
  setPropagation(target, 'rprivate');
  assert.deepEqual(info(target)?.optionalFields, []);
  setPropagation(target, 'shared');
  assert.match(info(target)?.optionalFields.join() ?? '', /^shared:/);
  assert.throws(
    () => unmount(target),
    (err) => isErrno(err, 'EBUSY'),
  );
  unmount(target, { detach: true });

  const file = join(base, 'file');
  fs.writeFileSync(file, '');
  bindMount(join(inner, 'f'), file);
  assert.equal(fs.readFileSync(file, 'utf8'), 'still writable here');
  unmount(file);
});
