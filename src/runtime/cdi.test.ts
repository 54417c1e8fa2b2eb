import assert from 'node:assert/strict';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { CdiRegistry, generateSpec, type SpecHostConfig } from './index.ts';

const base = fs.mkdtempSync(join(tmpdir(), 'wharf-cdi-'));
after(() => fs.rmSync(base, { recursive: true }));
let count = 0;

/** A directory with spec files; objects become JSON. */
function specDir(files: Record<string, object | string>): string {
  const dir = join(base, String(count++));
  fs.mkdirSync(dir);
  for (const [name, content] of Object.entries(files)) {
    fs.writeFileSync(join(dir, name), typeof content === 'string' ? content : JSON.stringify(content));
  }
  return dir;
}

const vendor = (more: object = {}) => ({
  cdiVersion: '0.8.0',
  kind: 'vendor.com/net',
  devices: [{ name: 'a', containerEdits: { env: ['A=1'] } }],
  ...more,
});

const edits = (containerEdits: object, cdiVersion = '0.8.0') =>
  vendor({ cdiVersion, devices: [{ name: 'a', containerEdits }] });

function inject(dirs: string[], DeviceRequests: SpecHostConfig['DeviceRequests'], uid = 0) {
  return generateSpec({
    config: { Env: ['A=0', 'B=0'] },
    hostConfig: { DeviceRequests },
    args: ['true'],
    rootfs: '/',
    user: { uid, gid: uid, additionalGids: [uid], home: '/' },
    mounts: [{ destination: '/a/b', type: 'bind', source: '/x', options: ['rbind'] }],
    cgroupsPath: '/x',
    cdi: new CdiRegistry(dirs),
  }).spec;
}
const cdi = (...DeviceIDs: string[]) => [{ Driver: 'cdi', DeviceIDs }];

test('JSON and YAML files; what is no spec is told and does not hurt the others', () => {
  const yaml =
    'cdiVersion: "0.3.0"\nkind: vendor.com/gpu\ndevices:\n- name: one\n  containerEdits:\n    env: [X=1]\n';
  const dir = specDir({
    'net.json': vendor(),
    'gpu.yaml': yaml,
    'broken.json': '{',
    'other.txt': 'no spec',
    'old.yml': yaml,
  });
  const { devices, warnings } = new CdiRegistry([dir, join(base, 'missing')]).list();
  assert.deepEqual(devices, ['vendor.com/gpu=one', 'vendor.com/net=a']);
  assert.equal(warnings.length, 1);
  assert.match(
    warnings[0]!,
    /^CDI: Error associated with spec file .*broken\.json: failed to load CDI Spec: /,
  );
});

test('a later directory wins; two files of one directory that disagree both lose', () => {
  const low = specDir({ 'a.json': vendor(), 'z.json': edits({ env: ['A=z'] }) });
  const high = specDir({ 'b.json': edits({ env: ['A=high'] }) });
  assert.ok(inject([low, high], cdi('vendor.com/net=a')).process.env.includes('A=high'));
  const { devices, warnings } = new CdiRegistry([low]).list();
  assert.deepEqual(devices, []);
  assert.match(warnings.join(), /conflicting device "vendor.com\/net=a"/);
});

test('a file that comes, changes and goes is seen at the next question', () => {
  const dir = specDir({});
  const registry = new CdiRegistry([dir]);
  assert.deepEqual(registry.list().devices, []);
  fs.writeFileSync(join(dir, 'a.json'), JSON.stringify(vendor()));
  assert.deepEqual(registry.list().devices, ['vendor.com/net=a']);
  fs.writeFileSync(join(dir, 'a.json'), JSON.stringify(vendor({ kind: 'other.org/device' })));
  assert.deepEqual(registry.list().devices, ['other.org/device=a']);
  fs.rmSync(join(dir, 'a.json'));
  assert.deepEqual(registry.list().devices, []);
});

test('invalid specs, each with its reason', () => {
  const cases: [object, RegExp][] = [
    [vendor({ cdiVersion: '0.9.0' }), /invalid version "0.9.0"/],
    [vendor({ cdiVersion: undefined }), /invalid version ""/],
    [vendor({ kind: 'net' }), /invalid vendor\. empty name/],
    [vendor({ kind: '1vendor/net' }), /"1vendor", should start with letter/],
    [vendor({ kind: 'vendor.com/net-' }), /invalid class\. "net-", should end with a letter or digit/],
    [vendor({ kind: 'ven%dor/net' }), /invalid character '%' in name "ven%dor"/],
    [vendor({ devices: [] }), /no devices/],
    [vendor({ more: 1 }), /unknown field "more"/],
    [vendor({ devices: 'a' }), /devices is no list/],
    [vendor({ devices: [{ name: '', containerEdits: { env: ['A=1'] } }] }), /empty\) device name/],
    [vendor({ devices: [{ name: 'a b', containerEdits: { env: ['A=1'] } }] }), /invalid character ' '/],
    [vendor({ devices: [{ name: 'a', containerEdits: {} }] }), /empty device edits/],
    [vendor({ devices: [...vendor().devices, ...vendor().devices] }), /multiple device "a"/],
    [edits({ env: ['novalue'] }), /invalid environment variable "novalue"/],
    [edits({ deviceNodes: [{ path: '' }] }), /invalid \(empty\) device path/],
    [edits({ deviceNodes: [{ path: '/dev/x', type: 'z' }] }), /device "\/dev\/x": invalid type "z"/],
    [edits({ deviceNodes: [{ path: '/dev/x', permissions: 'rx' }] }), /invalid permissions "rx"/],
    [edits({ mounts: [{ hostPath: '/x' }] }), /empty container path/],
    [edits({ hooks: [{ hookName: 'later', path: '/x' }] }), /invalid hook name "later"/],
    [edits({ hooks: [{ hookName: 'prestart', path: '' }] }), /with empty path/],
    [edits({ intelRdt: { closID: 'a/b' } }), /invalid ClosID/],
    [edits({ additionalGids: [-1] }), /additionalGids\[0\] is no id/],
    [vendor({ annotations: { 'a key': 'x' } }), /invalid key "a key"/],
    [vendor({ annotations: { key: 'x'.repeat(300_000) } }), /too long/],
    [edits({ additionalGids: [5] }, '0.6.0'), /must be at least v0\.7\.0/],
    [vendor({ cdiVersion: '0.5.0', annotations: { a: 'b' } }), /must be at least v0\.6\.0/],
    [edits({ deviceNodes: [{ path: '/dev/x', hostPath: '/dev/null' }] }, '0.4.0'), /at least v0\.5\.0/],
    [
      edits({ mounts: [{ hostPath: '/x', containerPath: '/y', type: 'bind' }] }, '0.3.0'),
      /at least v0\.4\.0/,
    ],
  ];
  for (const [spec, reason] of cases) {
    const { devices, warnings } = new CdiRegistry([specDir({ 'x.json': spec })]).list();
    assert.deepEqual(devices, [], JSON.stringify(spec));
    assert.match(warnings.join(), reason);
  }
  assert.equal(
    new CdiRegistry([specDir({ 'x.json': vendor({ cdiVersion: 'v0.3.0' }) })]).list().devices.length,
    1,
  );
});

test('edits: of the file once, of each device, in order', () => {
  const dir = specDir({
    'x.json': {
      cdiVersion: '0.7.0',
      kind: 'vendor.com/all',
      containerEdits: {
        env: ['B=file'],
        hooks: [{ hookName: 'createRuntime', path: '/bin/h', args: ['h', '1'] }],
      },
      devices: [
        {
          name: '0',
          containerEdits: {
            env: ['C=0'],
            deviceNodes: [
              { path: '/dev/as-null', hostPath: '/dev/null', permissions: 'r' },
              { path: '/dev/made', type: 'c', major: 42, minor: 7, fileMode: 0o600, uid: 5, gid: 6 },
              { path: '/dev/fifo', type: 'p' },
            ],
            mounts: [
              { hostPath: '/host', containerPath: '/a/b', options: ['ro', 'bind'] },
              { hostPath: 'tmpfs', containerPath: '/a', type: 'tmpfs', options: ['size=1m'] },
            ],
          },
        },
        {
          name: '1',
          containerEdits: { env: ['C=1'], additionalGids: [0, 44], intelRdt: { closID: 'fast' } },
        },
      ],
    },
  });
  const spec = inject([dir], cdi('vendor.com/all=0', 'vendor.com/all=1'), 1000);
  const { env, user } = spec.process;
  assert.deepEqual(
    env.filter((entry) => /^[ABC]=/.test(entry)),
    ['A=0', 'B=file', 'C=1'],
  );
  assert.deepEqual(user.additionalGids, [1000, 44]);
  const byPath = Object.fromEntries((spec.linux.devices ?? []).map((device) => [device.path, device]));
  const { major, minor, uid, gid, type } = byPath['/dev/as-null']!;
  assert.deepEqual({ major, minor, uid, gid, type }, { major: 1, minor: 3, uid: 1000, gid: 1000, type: 'c' });
  assert.deepEqual(byPath['/dev/made'], {
    path: '/dev/made',
    type: 'c',
    major: 42,
    minor: 7,
    fileMode: 0o600,
    uid: 5,
    gid: 6,
  });
  assert.equal(byPath['/dev/fifo']?.type, 'p');
  assert.deepEqual(spec.linux.resources.devices?.slice(-2), [
    { allow: true, type: 'c', major: 1, minor: 3, access: 'r' },
    { allow: true, type: 'c', major: 42, minor: 7, access: 'rwm' },
  ]);
  const mounts = spec.mounts.filter(({ destination }) => destination.startsWith('/a'));
  assert.deepEqual(
    mounts.map(({ destination, type, source }) => [destination, type, source]),
    [
      ['/a', 'tmpfs', 'tmpfs'],
      ['/a/b', 'bind', '/host'],
    ],
  );
  assert.deepEqual(spec.hooks, { createRuntime: [{ path: '/bin/h', args: ['h', '1'] }] });
  assert.deepEqual(spec.linux.intelRdt, { closID: 'fast' });
});

test('what cannot be injected, in Docker’s words', () => {
  const dir = specDir({
    'x.json': edits({ deviceNodes: [{ path: '/dev/x', hostPath: '/dev/not-there' }] }),
    'y.json': vendor({
      kind: 'vendor.com/wrong',
      devices: [{ name: 'a', containerEdits: { deviceNodes: [{ path: '/dev/null', type: 'b' }] } }],
    }),
  });
  const refused: [SpecHostConfig['DeviceRequests'], RegExp][] = [
    [
      cdi('vendor.com/net=b', 'vendor.com/net=c'),
      /^CDI device injection failed: unresolvable CDI devices vendor\.com\/net=b, vendor\.com\/net=c$/,
    ],
    [
      cdi('vendor.com/net=a'),
      /^CDI device injection failed: failed to inject devices: failed to stat CDI host device "\/dev\/not-there": no such file/,
    ],
    [cdi('vendor.com/wrong=a'), /host type mismatch \(b, c\)/],
    [[{ Driver: 'cdi', Count: 1 }], /^unexpected count in CDI device request$/],
    [[{ Driver: 'cdi', Options: { a: 'b' } }], /^unexpected options in CDI device request$/],
    [
      [{ Count: -1, Capabilities: [['gpu', 'x'], ['y']] }],
      /^could not select device driver "" with capabilities: \[\[gpu x\] \[y\]\]$/,
    ],
    [[{ Driver: 'own' }], /^could not select device driver "own" with capabilities: \[\]$/],
  ];
  for (const [requests, message] of refused) {
    assert.throws(() => inject([dir], requests), { message });
  }
  assert.throws(() => inject([], cdi('vendor.com/net=a')), {
    message: 'CDI device injection failed: no CDI specification directories specified',
  });
});

test('--gpus: all, a count, ids, by the vendor whose devices are there', () => {
  const gpus = (kind: string) => ({
    cdiVersion: '0.5.0',
    kind,
    devices: ['0', '1', 'all'].map((name) => ({ name, containerEdits: { env: [`GPU_${name}=${kind}`] } })),
  });
  const dirs = [specDir({ 'nvidia.yaml': gpus('nvidia.com/gpu'), 'amd.json': gpus('amd.com/gpu') })];
  const got = (request: object) =>
    inject(dirs, [{ Capabilities: [['gpu']], ...request }])
      .process.env.filter((entry) => entry.startsWith('GPU_'))
      .join();
  assert.equal(got({ Count: -1 }), 'GPU_all=nvidia.com/gpu');
  assert.equal(
    got({ Count: 2, Capabilities: [['utility', 'gpu']] }),
    'GPU_0=nvidia.com/gpu,GPU_1=nvidia.com/gpu',
  );
  assert.equal(got({ DeviceIDs: ['1'] }), 'GPU_1=nvidia.com/gpu');
  assert.equal(got({ DeviceIDs: ['amd.com/gpu=0'], Driver: 'nvidia' }), 'GPU_0=amd.com/gpu');
  assert.equal(got({ Count: 1, Driver: 'amd' }), 'GPU_0=amd.com/gpu');
  assert.equal(got({ Count: 0 }), '');
  assert.throws(() => got({ Count: 1, DeviceIDs: ['0'] }), {
    message: 'cannot set both Count and DeviceIDs on device request',
  });
  assert.throws(() => got({ Count: 3 }), {
    message: /unresolvable CDI devices nvidia\.com\/gpu=0, .*=1, .*=2$/,
  });
});
