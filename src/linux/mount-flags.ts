/** What kind of file system and mount something lies in (man 2 statfs). */
import { check, libcFunction } from './libc.ts';

const fstatfs = libcFunction<[number, Buffer]>('int fstatfs(int fd, void *buf)');
/** struct statfs on 64-bit machines: ten words before `f_flags`. */
const FLAGS_AT = 80;
const ST_RDONLY = 1n;

function statfs(fd: number): Buffer {
  const buf = Buffer.alloc(128);
  check('fstatfs', fstatfs(fd, buf));
  return buf;
}

/** True when `fd` (also an `O_PATH`) lies in a mount, or on a file system, that cannot be written to. */
export function isReadOnlyMount(fd: number): boolean {
  return (statfs(fd).readBigUInt64LE(FLAGS_AT) & ST_RDONLY) !== 0n;
}

/** By their magic numbers (linux/magic.h). */
const KERNELS_OWN = new Set([
  0x9fa0, // proc
  0x62656572, // sysfs
  0x27e0eb, // cgroup
  0x63677270, // cgroup2
  0x1cd1, // devpts
  0x64626720, // debugfs
  0x74726163, // tracefs
  0x73636673, // securityfs
  0xcafe4a11, // bpf
  0x6e736673, // nsfs
]);

/** True when `fd` (also an `O_PATH`) lies in a file system of the kernel's own affairs, such as /proc, /sys or a cgroup's. */
export function isKernelFilesystem(fd: number): boolean {
  return KERNELS_OWN.has(statfs(fd).readUInt32LE(0));
}
