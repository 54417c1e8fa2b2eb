/** Flushing a file system (man 2 syncfs). */
import { check, libcFunction } from './libc.ts';

const syncfs = libcFunction<[number]>('int syncfs(int fd)');

/** Writes all that is dirty on the file system `fd` lies on to the disk. It may take seconds: not on the main thread. */
export function syncFs(fd: number): void {
  check('syncfs', syncfs(fd));
}
