/**
 * Idmapped mounts (Linux 5.12; man 2 mount_setattr): a view of a directory tree in which every file's owner is another
 * id than on the disk, as the map of a user namespace says. What is on the disk as 0 is seen, and written, as the id that
 * 0 in the user namespace is outside.
 */
import { closeFd } from './fd.ts';
import { check, libcFunction } from './libc.ts';
import { attachMount, cloneMountAt } from './mount-tree.ts';

// The same number on every architecture.
const SYS_MOUNT_SETATTR = 442;

const AT_EMPTY_PATH = 0x1000;
const MOUNT_ATTR_IDMAP = 0x00100000n;

const mountSetattr = libcFunction<[number, number, string, number, Buffer, number]>(
  'long syscall(long nr, int fd, const char *path, int flags, const void *attr, size_t size)',
);

/**
 * A detached, idmapped mount of `source` without what is mounted below it: a descriptor whose paths are
 * `/proc/self/fd/N/…`. It goes when the descriptor is closed and nothing uses it.
 * @param userNamespace whose map holds, by descriptor
 * @throws SyscallError `EINVAL` where the file system knows no idmapped mounts
 */
export function openIdmapped(source: string, userNamespace: number): number {
  const fd = cloneMountAt(source, false);
  try {
    idmapMount(fd, userNamespace, source);
    return fd;
  } catch (err) {
    closeFd(fd);
    throw err;
  }
}

/** Makes the detached `mount`, which nobody has used, an idmapped one. @param what for the error */
export function idmapMount(mount: number, userNamespace: number, what?: string): void {
  const attr = Buffer.alloc(32); // struct mount_attr: u64 attr_set, attr_clr, propagation, userns_fd
  attr.writeBigUInt64LE(MOUNT_ATTR_IDMAP);
  attr.writeBigUInt64LE(BigInt(userNamespace), 24);
  check('mount_setattr', mountSetattr(SYS_MOUNT_SETATTR, mount, '', AT_EMPTY_PATH, attr, 32), what);
}

/** Shows `source` at `target` as {@link openIdmapped} does. */
export function bindIdmapped(source: string, target: string, userNamespace: number): void {
  const mount = openIdmapped(source, userNamespace);
  try {
    attachMount(mount, target);
  } finally {
    closeFd(mount);
  }
}
