import assert from 'node:assert/strict';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Cgroup, posixSpawn, waitForExit } from '../linux/index.ts';
import { execProcess, generateSpec, type HostFacts, hostFacts, type SpecInput } from './index.ts';

const FULL = (1n << 41n) - 1n;
const SYS_RESOURCE = 1n << 24n;
const features = Object.fromEntries(
  Object.keys(hostFacts().cgroupFeatures).map((key) => [key, true]),
) as unknown as HostFacts['cgroupFeatures'];
const host: HostFacts = {
  boundingSet: FULL,
  cgroupMode: 'v2',
  cgroupFeatures: features,
  controllers: ['memory'],
  hardLimits: new Map([
    ['nofile', 32768],
    ['core', Number.POSITIVE_INFINITY],
  ]),
  oomScoreAdj: 0,
  seccomp: true,
  apparmor: false,
  selinux: false,
  sysctlExists: () => true,
};
const input = (over: Partial<SpecInput> = {}): SpecInput => ({
  config: { Hostname: 'box' },
  hostConfig: {},
  args: ['/bin/true'],
  rootfs: 'rootfs',
  user: { uid: 0, gid: 0, additionalGids: [0], home: '/root' },
  mounts: [],
  cgroupsPath: '/wharf/x',
  host,
  ...over,
});
const specOf = (over: Partial<SpecInput> = {}) => generateSpec(input(over)).spec;
const hostConfig = (config: SpecInput['hostConfig'], over: Partial<SpecInput> = {}) =>
  specOf({ hostConfig: config, ...over });

test('capabilities: defaults, added, dropped, all, and what the machine lacks', () => {
  const caps = (config: SpecInput['hostConfig']) => hostConfig(config).process.capabilities.bounding;
  assert.equal(caps({}).length, 14);
  assert.deepEqual(caps({ CapDrop: ['all'], CapAdd: ['net_admin'] }), ['CAP_NET_ADMIN']);
  assert.ok(!caps({ CapDrop: ['CAP_CHOWN'] }).includes('CAP_CHOWN'));
  assert.equal(caps({ Privileged: true }).length, 41);
  assert.equal(caps({ CapAdd: ['ALL'], CapDrop: ['SYS_ADMIN'] }).length, 40);
  const less = generateSpec(
    input({ hostConfig: { Privileged: true }, host: { ...host, boundingSet: FULL & ~SYS_RESOURCE } }),
  );
  assert.equal(less.spec.process.capabilities.effective.length, 40);
  assert.match(less.warnings.join(), /CAP_SYS_RESOURCE/);
  assert.throws(() => hostConfig({ CapAdd: ['nope'] }), { message: 'unknown capability: "CAP_NOPE"' });
});

test('limits of the process: lowered to what the machine allows, with a warning', () => {
  const Ulimits = [
    { Name: 'nofile', Soft: 1024, Hard: 65536 },
    { Name: 'core', Soft: -1, Hard: -1 },
  ];
  const weak = generateSpec(
    input({ hostConfig: { Ulimits }, host: { ...host, boundingSet: FULL & ~SYS_RESOURCE } }),
  );
  assert.deepEqual(weak.spec.process.rlimits?.[0], { type: 'RLIMIT_NOFILE', soft: 1024, hard: 32768 });
  assert.match(weak.warnings.join(), /nofile/);
  assert.match(
    JSON.stringify(weak.spec),
    /"RLIMIT_CORE","soft":18446744073709551615,"hard":18446744073709551615/,
  );
  assert.deepEqual(generateSpec(input({ hostConfig: { Ulimits } })).warnings, []);
  assert.throws(() => hostConfig({ Ulimits: [{ Name: 'x' }] }), { message: 'invalid ulimit type: x' });
  const huge = specOf({ host: { ...host, hardLimits: new Map([['nofile', 1e9]]) } });
  assert.deepEqual(huge.process.rlimits, [{ type: 'RLIMIT_NOFILE', soft: 1048576, hard: 1048576 }]);
});

test('resources, and warnings for what the control groups cannot do', () => {
  const config = {
    Memory: 64 << 20,
    MemorySwap: -1,
    NanoCpus: 1_500_000_000,
    PidsLimit: 0,
    CpuShares: 512,
    CpusetCpus: '0',
    BlkioWeight: 300,
  };
  const { resources } = hostConfig(config).linux;
  assert.deepEqual(resources.memory, { limit: 64 << 20, swap: -1 });
  assert.deepEqual(resources.cpu, { shares: 512, period: 100000, quota: 150000, cpus: '0' });
  assert.equal(resources.pids, undefined);
  assert.deepEqual(resources.blockIO, { weight: 300 });
  assert.equal(hostConfig({ PidsLimit: -1 }).linux.resources.pids, undefined);
  assert.deepEqual(hostConfig({ PidsLimit: 7 }).linux.resources.pids, { limit: 7 });
  const weak = generateSpec(
    input({
      hostConfig: config,
      host: { ...host, cgroupFeatures: { ...features, blkioWeight: false } },
    }),
  );
  assert.equal(weak.spec.linux.resources.blockIO, undefined);
  assert.deepEqual(weak.warnings, [
    'Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.',
  ]);
});

test('namespaces: own, joined, the host’s', () => {
  const types = (config: SpecInput['hostConfig'], namespaces = {}) =>
    hostConfig(config, { namespaces }).linux.namespaces.map(({ type, path }) =>
      path ? `${type}=${path}` : type,
    );
  assert.deepEqual(types({}), ['mount', 'network', 'uts', 'pid', 'ipc', 'cgroup']);
  assert.deepEqual(
    types({ NetworkMode: 'host', PidMode: 'host', IpcMode: 'host', UTSMode: 'host', CgroupnsMode: 'host' }),
    ['mount'],
  );
  assert.deepEqual(
    types(
      { NetworkMode: 'bridge', PidMode: 'container:x', CgroupnsMode: 'host' },
      { network: '/n', pid: '/p' },
    ),
    ['mount', 'network=/n', 'uts', 'pid=/p', 'ipc'],
  );
  assert.throws(() => types({ PidMode: 'container:x' }), /no pid namespace to join/);
});

test('mounts: the user’s take a default’s place; read-only root; shared memory', () => {
  const mounts = [
    { destination: '/dev/shm', type: 'bind', source: '/x', options: ['rbind'] },
    { destination: '/data', type: 'bind', source: '/y', options: ['rbind', 'rslave'] },
  ];
  const spec = specOf({ hostConfig: { ReadonlyRootfs: true }, mounts });
  assert.equal(spec.mounts.filter(({ destination }) => destination === '/dev/shm').length, 1);
  assert.equal(spec.linux.rootfsPropagation, 'rslave');
  assert.equal(spec.root.readonly, true);
  const dev = specOf({ mounts: [{ destination: '/dev', type: 'bind', source: '/dev' }] });
  assert.ok(!dev.mounts.some(({ destination }) => destination.startsWith('/dev/')));
  const shm = hostConfig({ ShmSize: 1 << 20 }).mounts.find(({ destination }) => destination === '/dev/shm');
  assert.ok(shm?.options?.includes('size=1048576'));
  assert.ok(!hostConfig({ IpcMode: 'none' }).mounts.some(({ destination }) => destination === '/dev/shm'));
});

test('privileged: no filter, no masks, all devices; seccomp and annotations otherwise ours', () => {
  const free = hostConfig({ Privileged: true });
  assert.equal(free.linux.seccomp, undefined);
  assert.deepEqual([free.linux.maskedPaths, free.linux.readonlyPaths], [[], []]);
  assert.ok(free.linux.devices?.some(({ path }) => path === '/dev/null'));
  const user = { 'run.oci.seccomp_bpf_data': 'AAAA', note: 'x' };
  const open = hostConfig({ SecurityOpt: ['seccomp=unconfined'], Annotations: user });
  assert.deepEqual(open.annotations, { note: 'x' });
  assert.notEqual(hostConfig({ Annotations: user }).annotations?.['run.oci.seccomp_bpf_data'], 'AAAA');
  assert.equal(hostConfig({ SecurityOpt: ['no-new-privileges:true'] }).process.noNewPrivileges, true);
  assert.deepEqual(hostConfig({ MaskedPaths: [] }).linux.maskedPaths, []);
});

test('devices, rules, sysctls and options that make no sense are refused', () => {
  const { linux } = hostConfig({
    Devices: [{ PathOnHost: '/dev/null', PathInContainer: '/dev/nil', CgroupPermissions: 'r' }],
    DeviceCgroupRules: ['c 42:* rmw'],
  });
  assert.deepEqual(
    linux.devices?.map(({ path, major, minor }) => [path, major, minor]),
    [['/dev/nil', 1, 3]],
  );
  assert.deepEqual(linux.resources.devices?.slice(-2), [
    { allow: true, type: 'c', major: 1, minor: 3, access: 'r' },
    { allow: true, type: 'c', major: 42, access: 'rmw' },
  ]);
  assert.throws(() => hostConfig({ Devices: [{ PathOnHost: '/dev/nope' }] }), {
    message:
      'error gathering device information while adding custom device "/dev/nope": no such file or directory',
  });
  assert.throws(() => hostConfig({ DeviceCgroupRules: ['x'] }), /invalid device cgroup rule format: 'x'/);
  assert.throws(
    () => hostConfig({ NetworkMode: 'host', Sysctls: { 'net.core.somaxconn': '1' } }),
    /not allowed in host network namespace/,
  );
  assert.throws(() => hostConfig({ SecurityOpt: ['x'] }), { message: 'invalid --security-opt 1: "x"' });
  assert.throws(() => hostConfig({ SecurityOpt: ['x=y'] }), { message: 'invalid --security-opt 2: "x=y"' });
});

test('environment, init, and the process of an exec', () => {
  const env = ['PATH=/bin', 'A=1', 'TERM'];
  const spec = specOf({
    config: { Hostname: 'box', Env: env, Tty: true },
    hostConfig: { Init: true, ConsoleSize: [24, 80] },
    initPath: '/usr/bin/tini',
  });
  assert.deepEqual(spec.process.env, ['PATH=/bin', 'HOSTNAME=box', 'HOME=/root', 'A=1']);
  assert.deepEqual(spec.process.args, ['/sbin/docker-init', '--', '/bin/true']);
  assert.deepEqual(spec.process.consoleSize, { height: 24, width: 80 });
  assert.equal(spec.mounts.at(-1)?.source, '/usr/bin/tini');
  const bob = { uid: 5, gid: 6, additionalGids: [6], home: '/home/bob' };
  const exec = execProcess(spec.process, { args: ['sh'], tty: false, user: bob, env: ['B=2'], cwd: '/tmp' });
  assert.deepEqual(exec.env, ['PATH=/bin', 'HOSTNAME=box', 'HOME=/home/bob', 'A=1', 'B=2']);
  assert.deepEqual(
    [exec.terminal, exec.consoleSize, exec.cwd, exec.user.uid],
    [undefined, undefined, '/tmp', 5],
  );
});

const crun = fs.existsSync('/usr/bin/crun') && fs.existsSync('/bin/busybox') && process.getuid?.() === 0;

test('crun runs it, and the kernel shows what was asked for', { skip: !crun }, async () => {
  const bundle = fs.mkdtempSync(join(tmpdir(), 'wharf-spec-'));
  const id = `wharf-spec-${process.pid}`;
  try {
    fs.mkdirSync(join(bundle, 'rootfs/bin'), { recursive: true });
    fs.copyFileSync('/bin/busybox', join(bundle, 'rootfs/bin/busybox'));
    fs.symlinkSync('busybox', join(bundle, 'rootfs/bin/sh'));
    const script = 'bb cat /proc/self/status /proc/mounts; bb umount /proc/keys; echo "$HOME $A"; ulimit -n';
    const { spec } = generateSpec({
      ...input({
        config: { Hostname: 'box', Env: ['A=b'] },
        hostConfig: { Ulimits: [{ Name: 'nofile', Soft: 64, Hard: 128 }], NetworkMode: 'none' },
        args: ['/bin/sh', '-c', script.replaceAll('bb ', '/bin/busybox ')],
        user: { uid: 0, gid: 0, additionalGids: [0], home: '/somewhere' },
        cgroupsPath: `/${id}`,
        rootfs: join(bundle, 'rootfs'),
      }),
      host: hostFacts(),
    });
    fs.writeFileSync(join(bundle, 'config.json'), JSON.stringify(spec));
    const out = fs.openSync(join(bundle, 'out'), 'w');
    const argv = [
      'crun',
      '--root',
      join(bundle, 'state'),
      '--cgroup-manager=cgroupfs',
      'run',
      '-b',
      bundle,
      id,
    ];
    const fds = [1, 2].map((to) => ({ from: out, to }));
    const { code } = await waitForExit(posixSpawn({ path: '/usr/bin/crun', argv, fds }));
    fs.closeSync(out);
    const text = fs.readFileSync(join(bundle, 'out'), 'utf8');
    assert.equal(code, 0, text);
    assert.match(text, /CapEff:\t00000000a80425fb/);
    assert.match(text, /Seccomp:\t2/);
    assert.match(text, /^sysfs \/sys sysfs ro,/m);
    assert.match(text, /^proc \/proc\/sys proc ro,/m);
    assert.match(text, /\/proc\/keys/);
    assert.match(text, /Operation not permitted/);
    assert.match(text, /^\/somewhere b$/m);
    assert.match(text, /^64$/m);
  } finally {
    fs.rmSync(bundle, { recursive: true });
    new Cgroup(`/${id}`).remove();
  }
});
