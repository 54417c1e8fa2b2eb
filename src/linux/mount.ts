/**
 * Mounting by the mount API of Linux 5.2 and later (man 2 fsopen, fsconfig, fsmount, move_mount, mount_setattr), with
 * mount(2) where the kernel lacks it. All synchronous: an overlay takes about 0.2 ms.
 */
import { AT_FDCWD } from './fd.ts';
import { MOUNT_ATTR, type MountFlags, type MountOptions, mountByContext, pickFlags } from './fs-context.ts';
import { check, isErrno, libcFunction } from './libc.ts';
import { readMountInfo } from './mount-info.ts';

// The same number on every architecture.
const SYS_MOUNT_SETATTR = 442;

const AT_RECURSIVE = 0x8000;

const MS = {
  rdonly: 1,
  nosuid: 2,
  nodev: 4,
  noexec: 8,
  noatime: 0x400,
  remount: 0x20,
  bind: 0x1000,
  rec: 0x4000,
  unbindable: 1 << 17,
  private: 1 << 18,
  slave: 1 << 19,
  shared: 1 << 20,
} as const;

const c = {
  mount: libcFunction<[string | null, string, string | null, number, string | null]>(
    'int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)',
  ),
  umount2: libcFunction<[string, number]>('int umount2(const char *target, int flags)'),
  mountSetattr: libcFunction<[number, number, string, number, Buffer, number]>(
    'long syscall(long nr, int fd, const char *path, int flags, const void *attr, size_t size)',
  ),
};

/**
 * Mounts a file system of `type` (`tmpfs`, `proc`, `cgroup`, …) on `target`. `options.source` is the device
 * (default: the type's name).
 */
export function mountFilesystem(
  type: string,
  target: string,
  options: MountOptions = {},
  flags: MountFlags = {},
): void {
  const settings = Object.entries(options);
  if (options.source === undefined) settings.unshift(['source', type]);
  try {
    mountByContext(type, target, settings, flags);
  } catch (err) {
    if (!isErrno(err, 'ENOSYS')) throw err;
    const data = settings
      .filter(([key]) => key !== 'source')
      .map(([key, value]) => (value === true ? key : `${key}=${value}`));
    const source = typeof options.source === 'string' ? options.source : type;
    check('mount', c.mount(source, target, type, msFlags(flags), data.join(',')), target);
  }
}

function msFlags(flags: MountFlags): number {
  return pickFlags(flags, MS);
}

/** How mounts made below a mount travel to its peers (man 7 mount_namespaces). */
export type Propagation = 'private' | 'rprivate' | 'shared' | 'rshared' | 'slave' | 'rslave';

/** Sets the propagation of the mount at `target`, with an `r` of all below it, too. */
export function setPropagation(target: string, propagation: Propagation): void {
  const recursive = propagation.length > 5 && propagation.startsWith('r');
  const kind = (recursive ? propagation.slice(1) : propagation) as 'private' | 'shared' | 'slave';
  const flags = MS[kind] | (recursive ? MS.rec : 0);
  check('mount', c.mount(null, target, null, flags, null), target);
}

/** How {@link bindMount} mounts. */
export interface BindOptions {
  /** Take the mounts below `source` along. */
  recursive?: boolean;
  /** Read-only; with `recursive` everything below, too (Linux 5.12; before, the top only). */
  readOnly?: boolean;
  propagation?: Propagation;
}

/** Shows `source` (a directory or a file) at `target` as well. */
export function bindMount(source: string, target: string, options: BindOptions = {}): void {
  const rec = options.recursive === true ? MS.rec : 0;
  check('mount', c.mount(source, target, null, MS.bind | rec, null), target);
  try {
    if (options.readOnly === true) makeReadOnly(target, options.recursive === true);
    if (options.propagation !== undefined) setPropagation(target, options.propagation);
  } catch (err) {
    unmount(target, { detach: true });
    throw err;
  }
}

function makeReadOnly(target: string, recursive: boolean): void {
  const attr = Buffer.alloc(32); // struct mount_attr: u64 attr_set, attr_clr, propagation, userns_fd
  attr.writeBigUInt64LE(BigInt(MOUNT_ATTR.rdonly));
  const flags = recursive ? AT_RECURSIVE : 0;
  try {
    check('mount_setattr', c.mountSetattr(SYS_MOUNT_SETATTR, AT_FDCWD, target, flags, attr, 32), target);
  } catch (err) {
    if (!isErrno(err, 'ENOSYS')) throw err;
    // A remount sets all flags of the mount anew: keep those it has.
    const kept = readMountInfo().findLast((m) => m.mountPoint === target)?.options ?? [];
    const keptFlags = kept.reduce((bits, name) => bits | (name in MS ? MS[name as keyof typeof MS] : 0), 0);
    const remount = MS.bind | MS.remount | MS.rdonly | keptFlags;
    check('mount', c.mount(null, target, null, remount, null), target);
  }
}

const MNT_DETACH = 2;
const UMOUNT_NOFOLLOW = 8;

/** Unmounts the top mount at `target`; `detach` takes it out of sight now, also when in use. */
export function unmount(target: string, options: { detach?: boolean } = {}): void {
  const flags = UMOUNT_NOFOLLOW | (options.detach === true ? MNT_DETACH : 0);
  check('umount2', c.umount2(target, flags), target);
}

/** Like {@link unmount}; false where nothing is mounted at `target` or it does not exist. */
export function unmountIfMounted(target: string, options: { detach?: boolean } = {}): boolean {
  try {
    unmount(target, options);
    return true;
  } catch (err) {
    if (isErrno(err, 'EINVAL', 'ENOENT')) return false;
    throw err;
  }
}
