import { closeSync, constants, openSync } from 'node:fs';
import { check, isErrno, libcFunction } from './libc.ts';

const flock = libcFunction<[number, number]>('int flock(int fd, int operation)');
const LOCK_EX = 2;
const LOCK_NB = 4;

/**
 * Opens `path` (making it) and locks it (flock(2)) against every other process that does so. The lock ends when the
 * descriptor returned is closed, or with this process; a process started meanwhile does not inherit it.
 * Undefined when somebody else has it.
 */
export function lockFile(path: string): number | undefined {
  // O_CLOEXEC is what Node opens with anyway.
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  try {
    check('flock', flock(fd, LOCK_EX | LOCK_NB), path);
    return fd;
  } catch (err) {
    closeSync(fd);
    if (isErrno(err, 'EAGAIN', 'EWOULDBLOCK')) return undefined;
    throw err;
  }
}
