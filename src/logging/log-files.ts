/**
 * The files of a rotated log: PATH is written, PATH.1 is the one before, and so on; PATH.n may be compressed, PATH.n.gz.
 *
 * A file is known by its inode, which a rename does not change; a compressed one says in its gzip header which inode it
 * was, and how many lines it has (log-compress.ts).
 */
import fs from 'node:fs';
import { isErrno } from '../linux/index.ts';
import { type GzipNote, readGzipNote } from './gzip-note.ts';

export interface LogFile {
  fd: number;
  /** Of the file as it was written. */
  ino: bigint;
  /** Bytes when it was opened, those of a compressed file being unpacked: not known, so infinite. */
  size: number;
  mtimeMs: number;
  /** When the file was made (nanoseconds, 0 where the file system does not know): an inode may be given again. */
  born: bigint;
  /** Of a compressed file. */
  note?: GzipNote;
}

const FEED = 0x0a;
const BLOCK = 64 * 1024;

/** The name of the file that is `index` rotations old. */
export const nameOf = (path: string, index: number): string => (index === 0 ? path : `${path}.${index}`);

function openFile(path: string): number | undefined {
  try {
    return fs.openSync(path, 'r');
  } catch (err) {
    if (isErrno(err, 'ENOENT')) return undefined;
    throw err;
  }
}

/** Opens the file that is `index` rotations old, compressed or not; undefined when there is none. */
export function openLogFile(path: string, index = 0): LogFile | undefined {
  const name = nameOf(path, index);
  const fd = openFile(name);
  if (fd !== undefined) {
    const { ino, size, mtimeMs, birthtimeNs } = fs.fstatSync(fd, { bigint: true });
    return { fd, ino, size: Number(size), mtimeMs: Number(mtimeMs), born: birthtimeNs };
  }
  if (index === 0) return undefined;
  const compressed = openFile(`${name}.gz`);
  if (compressed === undefined) return undefined;
  const note = readGzipNote(compressed) ?? { inode: 0n, born: 0n, lines: undefined };
  const { mtimeMs } = fs.fstatSync(compressed);
  return {
    fd: compressed,
    ino: note.inode,
    born: note.born,
    size: Number.POSITIVE_INFINITY,
    mtimeMs,
    note,
  };
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
      const file = openLogFile(path, index);
      // Where a disk was full the newest may be missing.
      if (file === undefined && index > 0) break;
      if (file !== undefined) files.unshift(file);
    }
    const current = files.at(-1);
    const now = inodeOf(path);
    if (current === undefined || current.ino === now || now === undefined || attempt === 5) return files;
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
    const file = openLogFile(path, index);
    if (file === undefined && index > 0) break;
    if (file === undefined) continue;
    if (file.ino === ino) {
      fs.closeSync(file.fd);
      return oldest;
    }
    if (oldest !== undefined) fs.closeSync(oldest.fd);
    oldest = file;
  }
  return oldest;
}

/** Where to begin so that a number of lines follow. */
export interface TailStart {
  /** Of the file, and the byte in it. */
  index: number;
  offset: number;
  /** Lines to leave out there, in a compressed file. */
  skip: number;
}

/** Where to begin so that `lines` lines follow; the files are read backwards, compressed ones know their number. */
export function findTail(files: readonly LogFile[], lines: number): TailStart {
  const block = Buffer.allocUnsafeSlow(BLOCK);
  let left = lines;
  for (let index = files.length - 1; index >= 0; index--) {
    const { fd, size, note } = files[index]!;
    if (left <= 0) {
      if (note === undefined) return { index, offset: size, skip: 0 };
      return { index, offset: 0, skip: note.lines ?? Number.POSITIVE_INFINITY };
    }
    if (note !== undefined) {
      // One that does not say how many lines it has is given whole.
      if (note.lines === undefined || note.lines >= left)
        return { index, offset: 0, skip: Math.max(0, (note.lines ?? 0) - left) };
      left -= note.lines;
      continue;
    }
    if (size === 0) continue;
    for (let end = size; end > 0; ) {
      const start = Math.max(0, end - BLOCK);
      const read = fs.readSync(fd, block, 0, end - start, start);
      // The feed that ends the file's last line begins no further line.
      for (let at = block.lastIndexOf(FEED, (end === size ? read - 1 : read) - 1); at !== -1; ) {
        if (--left === 0) return { index, offset: start + at + 1, skip: 0 };
        at = at === 0 ? -1 : block.lastIndexOf(FEED, at - 1);
      }
      end = start;
    }
    left--; // the file's first line has no feed before it
    if (left <= 0) return { index, offset: 0, skip: 0 };
  }
  return { index: 0, offset: 0, skip: 0 };
}
