/** Removing a directory tree by descriptors: no path is looked up twice, so nothing can be swapped for a symlink. */
import fs from 'node:fs';
import { closeFd, type Name, O, openAt, renameAt, rmdirAt, unlinkAt } from './fd.ts';
import { isErrno } from './libc.ts';

/** Deeper directories are moved up first, so that open descriptors and the stack stay small. */
const MAX_DEPTH = 64;

/** Where directories that lie too deep are moved to, and their names there, still to be removed. */
interface Base {
  fd: number;
  moved: string[];
}

/** Removes `name` in `dirfd` and everything below it, never following a symlink. `.` empties `dirfd` itself. */
export function removeTreeAt(dirfd: number, name: Name): void {
  const base: Base = { fd: dirfd, moved: [] };
  if (name === '.') emptyAndClose(openAt(dirfd, '.', O.RDONLY | O.DIRECTORY), base, 0);
  else removeEntry(dirfd, name, base, 0);
  for (let moved = base.moved.pop(); moved !== undefined; moved = base.moved.pop()) {
    removeEntry(dirfd, moved, base, 0);
  }
}

function removeEntry(dirfd: number, name: Name, base: Base, depth: number): void {
  try {
    unlinkAt(dirfd, name);
    return;
  } catch (err) {
    if (isErrno(err, 'ENOENT') && depth > 0) return;
    if (!isErrno(err, 'EISDIR', 'EPERM')) throw err; // POSIX has EPERM for directories
  }
  emptyAndClose(openAt(dirfd, name, O.RDONLY | O.DIRECTORY | O.NOFOLLOW), base, depth);
  rmdirAt(dirfd, name);
}

function emptyAndClose(fd: number, base: Base, depth: number): void {
  try {
    for (const entry of fs.readdirSync(`/proc/self/fd/${fd}`, { withFileTypes: true, encoding: 'buffer' })) {
      if (depth < MAX_DEPTH || !entry.isDirectory()) removeEntry(fd, entry.name, base, depth + 1);
      else moveUp(fd, entry.name, base);
    }
  } finally {
    closeFd(fd);
  }
}

let counter = 0;

function moveUp(fd: number, name: Buffer, base: Base): void {
  const target = `.wharf-rm-${process.pid}-${counter++}`;
  renameAt(fd, name, base.fd, target, true);
  base.moved.push(target);
}
