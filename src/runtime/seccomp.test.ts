import assert from 'node:assert/strict';
import { test } from 'node:test';
import { customSeccomp, DEFAULT_CAPABILITIES, defaultSeccomp } from './index.ts';

const X86_64 = 0xc000003e;
const I386 = 0x40000003;
const ALLOW = 0x7fff0000;
const EPERM = 0x00050001;
const ENOSYS = 0x00050026;
const available = process.arch === 'x64' && defaultSeccomp([]).bpf !== undefined;

/** Runs a seccomp filter (classic BPF, as the kernel does) on one system call. */
function run(base64: string | undefined, nr: number, args: number[] = [], arch = X86_64): number {
  const program = Buffer.from(base64 ?? '', 'base64');
  const data = Buffer.alloc(64);
  data.writeUInt32LE(nr, 0);
  data.writeUInt32LE(arch, 4);
  args.forEach((arg, i) => void data.writeBigUInt64LE(BigInt(arg), 16 + 8 * i));
  let a = 0;
  for (let pc = 0; ; pc++) {
    const code = program.readUInt16LE(pc * 8);
    const [jt, jf] = [program.readUInt8(pc * 8 + 2), program.readUInt8(pc * 8 + 3)];
    const k = program.readUInt32LE(pc * 8 + 4);
    if (code === 0x06) return k;
    if (code === 0x20) a = data.readUInt32LE(k);
    else if (code === 0x54) a = (a & k) >>> 0;
    else if (code === 0x05) pc += k;
    else {
      const taken = { 21: a === k, 37: a > k, 53: a >= k, 69: (a & k) !== 0 }[code];
      assert.notEqual(taken, undefined, `instruction ${code}`);
      pc += taken ? jt : jf;
    }
  }
}

test('the default profile, as the kernel sees it', { skip: !available }, () => {
  const { bpf } = defaultSeccomp(DEFAULT_CAPABILITIES);
  const read = 0;
  const [clone, unshare, chroot, mount, socket, personality, clone3, ptrace] = [
    56, 272, 161, 165, 41, 135, 435, 101,
  ] as const;
  assert.equal(run(bpf, read), ALLOW);
  assert.equal(run(bpf, chroot), ALLOW); // CAP_SYS_CHROOT is a default
  assert.equal(run(bpf, unshare), EPERM);
  assert.equal(run(bpf, mount), EPERM);
  assert.equal(run(bpf, ptrace), ALLOW);
  assert.equal(run(bpf, clone3), ENOSYS);
  assert.equal(run(bpf, clone, [0x1200011]), ALLOW); // fork
  assert.equal(run(bpf, clone, [0x10000000]), EPERM); // CLONE_NEWUSER
  assert.equal(run(bpf, socket, [2]), ALLOW);
  assert.equal(run(bpf, socket, [38]), EPERM); // AF_ALG
  assert.equal(run(bpf, socket, [40]), EPERM); // AF_VSOCK
  assert.equal(run(bpf, socket, [44]), ALLOW);
  assert.equal(run(bpf, personality, [0xffffffff]), ALLOW);
  assert.equal(run(bpf, personality, [0x40000]), EPERM);
  assert.equal(run(bpf, 3, [], I386), ALLOW); // i386's read
  assert.equal(run(bpf, 21, [], I386), EPERM); // i386's mount
});

test('system calls newer than libseccomp: ours by number, unknown ones ENOSYS', { skip: !available }, () => {
  const { bpf } = defaultSeccomp(DEFAULT_CAPABILITIES);
  assert.equal(run(bpf, 452), ALLOW); // fchmodat2
  assert.equal(run(bpf, 452, [], I386), ALLOW);
  assert.equal(run(bpf, 450), EPERM); // set_mempolicy_home_node: CAP_SYS_NICE
  assert.equal(run(bpf, 600), ENOSYS);
});

test('capabilities open what goes with them', { skip: !available }, () => {
  const { bpf } = defaultSeccomp([...DEFAULT_CAPABILITIES, 'CAP_SYS_ADMIN', 'CAP_SYS_NICE']);
  assert.equal(run(bpf, 165), ALLOW); // mount
  assert.equal(run(bpf, 56, [0x10000000]), ALLOW);
  assert.equal(run(bpf, 435), ALLOW); // clone3
  assert.equal(run(bpf, 450), ALLOW);
  const none = defaultSeccomp([]);
  assert.equal(run(none.bpf, 161), EPERM); // chroot
  assert.equal(defaultSeccomp([]), none); // made once
});

test('a profile of the user’s', { skip: !available }, () => {
  const profile = JSON.stringify({
    defaultAction: 'SCMP_ACT_ALLOW',
    archMap: [{ architecture: 'SCMP_ARCH_X86_64', subArchitectures: [] }],
    syscalls: [
      { names: ['mkdir', 'mkdirat', 'no_such_call'], action: 'SCMP_ACT_ERRNO', errnoRet: 28 },
      { name: 'chroot', action: 'SCMP_ACT_ERRNO', excludes: { caps: ['CAP_SYS_CHROOT'] } },
      { names: ['fchmodat2'], action: 'SCMP_ACT_ERRNO', includes: { minKernel: '4.8' } },
    ],
  });
  const { bpf, spec } = customSeccomp(profile, [])!;
  assert.deepEqual(spec.architectures, ['SCMP_ARCH_X86_64']);
  assert.equal(run(bpf, 83), 0x0005001c); // mkdir: ENOSPC
  assert.equal(run(bpf, 161), EPERM);
  assert.equal(run(bpf, 452), EPERM);
  assert.equal(run(bpf, 0), ALLOW);
  assert.equal(run(bpf, 600), ALLOW); // the default is to allow
  assert.equal(run(customSeccomp(profile, ['CAP_SYS_CHROOT'])!.bpf, 161), ALLOW);
});

test('a profile that says nothing is none, as in Docker', () => {
  for (const json of ['null', '{}', '{"syscalls":[]}']) assert.equal(customSeccomp(json, []), undefined);
});

test('a listener is the runtime’s to connect: the filter is not compiled here', () => {
  const profile = { defaultAction: 'SCMP_ACT_ALLOW', listenerPath: '/run/agent', listenerMetadata: 'x' };
  const { bpf, spec } = customSeccomp(JSON.stringify(profile), [])!;
  assert.equal(bpf, undefined);
  assert.deepEqual([spec.listenerPath, spec.listenerMetadata], ['/run/agent', 'x']);
});

test('profiles that are none', () => {
  for (const [json, message] of [
    ['{', /Decoding seccomp profile failed/],
    ['[]', /no object/],
    ['{"defaultAction":"ALLOW"}', /string ALLOW is not a valid action for seccomp/],
    ['{"syscalls":[{"names":["a"],"action":"SCMP_ACT_KILL"}]}', /string {2}is not a valid action/],
    ['{"defaultAction":"SCMP_ACT_NOTIFY"}', /listenerPath is not set/],
    ['{"defaultAction":"SCMP_ACT_ALLOW","architectures":["X86"]}', /string X86 is not a valid arch/],
    [
      '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"name":"a","action":"SCMP_ACT_KILL","args":[{"index":0,"op":"EQ"}]}]}',
      /string EQ is not a valid operator/,
    ],
    [
      '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"name":"a","action":"SCMP_ACT_KILL","includes":{"minKernel":"five"}}]}',
      /invalid kernel version: "five", expected "<kernel>.<major>"/,
    ],
    ['{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":[1],"action":"SCMP_ACT_KILL"}]}', /no string/],
    [
      '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"name":"a","names":["b"],"action":"SCMP_ACT_KILL"}]}',
      /both 'name' and 'names'/,
    ],
    [
      '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"name":"a","action":"SCMP_ACT_KILL","args":[{"index":9,"op":"SCMP_CMP_EQ"}]}]}',
      /up to 6 arguments \(9 given\)/,
    ],
  ] as const) {
    assert.throws(() => customSeccomp(json, []), { message, kind: 'InvalidParameter' });
  }
});
