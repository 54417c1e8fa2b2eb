import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseBind, resolveMounts } from './mounts.ts';

const none = () => [];

test('-v takes a host path, a volume name or a destination alone', () => {
  assert.deepEqual(parseBind('/src:/dst:ro'), {
    type: 'bind',
    source: '/src',
    destination: '/dst',
    readOnly: true,
    mode: 'ro',
    propagation: 'rprivate',
  });
  const named = parseBind('data:/var/lib//data/');
  assert.equal(named.name, 'data');
  assert.equal(named.destination, '/var/lib/data');
  assert.equal(named.copyUp, true);
  assert.equal(parseBind('data:/d:nocopy').copyUp, false);
  const anonymous = parseBind('/data');
  assert.match(anonymous.name ?? '', /^[0-9a-f]{64}$/);
  assert.equal(anonymous.anonymous, true);
});

test('-v refuses what Docker refuses', () => {
  assert.throws(
    () => parseBind('/a:/b:sideways'),
    /invalid volume specification: '\/a:\/b:sideways': invalid mode/,
  );
  assert.throws(() => parseBind('/a:/b:ro,rw'), /invalid mode/);
  assert.throws(() => parseBind('/a:/'), /destination can't be '\/'/);
  assert.throws(() => parseBind('/a:b'), /mount path must be absolute/);
  assert.throws(() => parseBind('a/b:/c'), /includes invalid characters for a local volume name/);
  assert.throws(() => parseBind(':/c'), /invalid volume specification/);
  assert.throws(() => parseBind('/a:/b:ro:x'), /invalid volume specification/);
});

test('a destination is mounted once; the image and volumes-from give way to what was asked for', () => {
  assert.throws(
    () => resolveMounts({ Binds: ['/a:/b', '/c:/b'] }, [], none),
    /^WharfError: Duplicate mount point: \/b$/,
  );
  const mounts = resolveMounts({ Binds: ['/a:/b'], VolumesFrom: ['other:ro'] }, ['/b', '/img'], (name) => {
    assert.equal(name, 'other');
    return [
      { type: 'volume', name: 'v', destination: '/v', readOnly: false, mode: '', anonymous: true },
      { type: 'bind', source: '/z', destination: '/b', readOnly: false, mode: '' },
    ];
  });
  assert.deepEqual(
    mounts.map((m) => [m.destination, m.type, m.readOnly]),
    [
      ['/b', 'bind', false],
      ['/v', 'volume', true],
      ['/img', 'volume', false],
    ],
  );
  assert.equal(mounts[1]?.anonymous, false, 'a volume of another container does not go with this one');
});

test('--mount wants the source of a bind to exist', () => {
  const mount = (Source: string) =>
    resolveMounts({ Mounts: [{ Type: 'bind', Source, Target: '/x' }] }, [], none);
  assert.throws(() => mount('/nonexistent-dir'), /bind source path does not exist: \/nonexistent-dir/);
  assert.equal(mount('/tmp')[0]?.source, '/tmp');
});

test('a volume of --mount is made as it says, and a path in it stays in it', () => {
  const mount = (options: object) =>
    resolveMounts(
      { Mounts: [{ Type: 'volume', Source: 'data', Target: '/d', VolumeOptions: options }] },
      [],
      none,
    )[0]!;
  assert.deepEqual(
    mount({ Labels: { a: 'b' }, DriverConfig: { Name: 'local', Options: { o: 'size=1m' } } }).creation,
    { driver: 'local', driverOpts: { o: 'size=1m' }, labels: { a: 'b' } },
  );
  assert.equal(mount({ Subpath: 'a/../b' }).subpath, 'a/../b');
  for (const Subpath of ['/etc', '..', 'a/../../b']) {
    assert.throws(() => mount({ Subpath }), /subpath must be a relative path within the volume/);
  }
});

test('--volumes-from neither copies up nor takes the volume along', () => {
  const [mount] = resolveMounts({ VolumesFrom: ['other'] }, [], () => [parseBind('/data')]);
  assert.deepEqual([mount?.copyUp, mount?.anonymous], [false, false]);
});
