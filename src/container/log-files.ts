/** The files of a rotated log: PATH is written, PATH.1 is the one before, and so on. */
import fs from 'node:fs';
import { isErrno } from '../linux/index.ts';

export interface LogFile {
  fd: number;
  ino: bigint;
  /** Bytes when it was opened. */
  size: number;
  mtimeMs: number;
}

const FEED = 0x0a;
const BLOCK = 64 * 1024;

const nameOf = (path: string, index: number): string => (index === 0 ? path : `${path}.${index}`);

/** Opens a log file; undefined when there is none. */
export function openLogFile(path: string): LogFile | undefined {
  let fd: number;
  try {
    fd = fs.openSync(path, 'r');
  } catch (err) {
    if (isErrno(err, 'ENOENT')) return undefined;
    throw err;
  }
  const { ino, size, mtimeMs } = fs.fstatSync(fd, { bigint: true });
  return { fd, ino, size: Number(size), mtimeMs: Number(mtimeMs) };
}

/** The inode of a file; undefined when it is not there. */
export function inodeOf(path: string): bigint | undefined {
  return fs.statSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
}

/** Opens all files there are, the oldest first. A rotation meanwhile makes it begin again. */
export function openLogFiles(path: string, maxFiles: number): LogFile[] {
  for (let attempt = 1; ; attempt++) {
    const files: LogFile[] = [];
    for (let index = 0; index < Math.max(1, maxFiles); index++) {
      const file = openLogFile(nameOf(path, index));
      if (file === undefined) break;
      files.unshift(file);
    }
    const current = files.at(-1);
    if (current === undefined || current.ino === inodeOf(path) || attempt === 5) return files;
    closeLogFiles(files);
  }
}

export function closeLogFiles(files: readonly LogFile[]): void {
  for (const { fd } of files) fs.closeSync(fd);
}

/**
 * The file that follows the one with inode `ino`, after rotations: the next younger, or the oldest when that
 * file is not there any more. Undefined when it is still the current one.
 */
export function openNextLogFile(path: string, maxFiles: number, ino: bigint): LogFile | undefined {
  let oldest: LogFile | undefined;
  for (let index = 0; index < Math.max(1, maxFiles); index++) {
    const file = openLogFile(nameOf(path, index));
    if (file === undefined) break;
    if (file.ino === ino) {
      fs.closeSync(file.fd);
      return oldest;
    }
    if (oldest !== undefined) fs.closeSync(oldest.fd);
    oldest = file;
  }
  return oldest;
}

/** Where to begin in which file (by its index) so that `lines` lines follow; the files are read backwards. */
export function findTail(files: readonly LogFile[], lines: number): { index: number; offset: number } {
  const block = Buffer.allocUnsafeSlow(BLOCK);
  let left = lines;
  for (let index = files.length - 1; index >= 0; index--) {
    const { fd, size } = files[index]!;
    if (left <= 0) return { index, offset: size };
    if (size === 0) continue;
    for (let end = size; end > 0; ) {
      const start = Math.max(0, end - BLOCK);
      const read = fs.readSync(fd, block, 0, end - start, start);
      // The feed that ends the file's last line begins no further line.
      for (let at = block.lastIndexOf(FEED, (end === size ? read - 1 : read) - 1); at !== -1; ) {
        if (--left === 0) return { index, offset: start + at + 1 };
        at = at === 0 ? -1 : block.lastIndexOf(FEED, at - 1);
      }
      end = start;
    }
    left--; // the file's first line has no feed before it
    if (left <= 0) return { index, offset: 0 };
  }
  return { index: 0, offset: 0 };
}
