/** Removing what an archive's member is to take the place of. */

import fs from 'node:fs';
import { constants } from 'node:os';
import {
  closeFd,
  isErrno,
  O,
  openAt,
  openWithoutCrossing,
  rmdirAt,
  SyscallError,
  showName,
  unlinkAt,
} from '../linux/index.ts';

/**
 * Removes `name` in `dirfd` and everything below it, never following a symlink.
 *
 * A mount is refused with `EBUSY`, as the kernel does in a container. It would not do so here: the view's mounts are
 * clones, and removing the directory under one would take the container's own mount away from it.
 */
export function removeUnmounted(dirfd: number, name: Buffer): void {
  let fd: number;
  try {
    fd = openWithoutCrossing(dirfd, name, O.PATH | O.NOFOLLOW);
  } catch (err) {
    if (isErrno(err, 'ENOENT')) return;
    if (isErrno(err, 'EXDEV')) throw new SyscallError('unlinkat', constants.errno.EBUSY, showName(name));
    throw err;
  }
  try {
    if (!fs.fstatSync(fd).isDirectory()) {
      unlinkAt(dirfd, name);
      return;
    }
    const dir = openAt(fd, '.', O.RDONLY | O.DIRECTORY);
    try {
      for (const child of fs.readdirSync(`/proc/self/fd/${dir}`, { encoding: 'buffer' })) {
        removeUnmounted(dir, child);
      }
    } finally {
      closeFd(dir);
    }
    rmdirAt(dirfd, name);
  } finally {
    closeFd(fd);
  }
}
