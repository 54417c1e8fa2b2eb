/**
 * How overlayfs writes deletions down (kernel: Documentation/filesystems/overlayfs.rst), and how layer archives do
 * (OCI image-spec, layer.md, "Whiteouts").
 */
import fs from 'node:fs';
import { closeFd, fgetxattr, mknodAt, type Name, O, openAt, setXattr } from '../linux/index.ts';

export const WHITEOUT_PREFIX = '.wh.';
/** Names with this prefix are AUFS' own files; all but {@link OPAQUE_MARKER} mean nothing. */
export const META_PREFIX = '.wh..wh.';
export const OPAQUE_MARKER = '.wh..wh..opq';

const OPAQUE_XATTR = 'trusted.overlay.opaque';
const YES = Buffer.from('y');

/** A name in directory `dirfd` becomes deleted: a character device 0/0. */
export function makeWhiteout(dirfd: number, name: Name): void {
  mknodAt(dirfd, name, fs.constants.S_IFCHR, 0n);
}

/** True when `stat` is a deletion's. */
export function isWhiteoutStat(stat: fs.Stats | fs.BigIntStats): boolean {
  return stat.isCharacterDevice() && BigInt(stat.rdev) === 0n;
}

/** What `name` in `dirfd` is, itself; undefined when it is not there. */
export function statAt(dirfd: number, name: Name): fs.Stats {
  const fd = openAt(dirfd, name, O.PATH | O.NOFOLLOW);
  try {
    return fs.fstatSync(fd);
  } finally {
    closeFd(fd);
  }
}

export function isWhiteout(dirfd: number, name: Name): boolean {
  return isWhiteoutStat(statAt(dirfd, name));
}

/** Directory `name` hides what lower layers have in it. */
export function setOpaque(dirfd: number, name: Name): void {
  const fd = openAt(dirfd, name, O.PATH | O.DIRECTORY | O.NOFOLLOW);
  try {
    setXattr(fd, OPAQUE_XATTR, YES);
  } finally {
    closeFd(fd);
  }
}

export function isOpaque(fd: number): boolean {
  return fgetxattr(fd, OPAQUE_XATTR)?.equals(YES) === true;
}
