/** Compresses a rotated log file, off the main thread (zlib's), a piece at a time. */
import { once } from 'node:events';
import fs from 'node:fs';
import { promisify } from 'node:util';
import { crc32, createDeflateRaw } from 'node:zlib';
import { isErrno } from '../linux/index.ts';
import { gzipHeader } from './gzip-note.ts';
import { nameOf } from './log-files.ts';

const read = promisify(fs.read);
const PIECE = 256 * 1024;
const FEED = 0x0a;
/** zlib's fastest: logs shrink to a tenth all the same. */
const LEVEL = 1;

/** Where the compressed copy of the file `inode` is made. Whoever owns the log's names puts it in its place. */
const temporaryName = (path: string, inode: bigint): string => `${path}.${inode}.gz.tmp`;

/** A rotated file that is not compressed. */
export interface RotatedFile {
  index: number;
  inode: bigint;
}

/** The rotated files of the log at `path` that are not compressed yet, the oldest first. */
export function uncompressed(path: string, maxFiles: number): RotatedFile[] {
  const files: RotatedFile[] = [];
  for (let index = 1; index < maxFiles; index++) {
    const inode = fs.statSync(nameOf(path, index), { bigint: true, throwIfNoEntry: false })?.ino;
    if (inode !== undefined) files.unshift({ index, inode });
  }
  return files;
}

/**
 * Makes the compressed copy of a rotated file, complete and durable under its temporary name.
 * @returns false when the file is not there any more
 */
export async function compressLogFile(path: string, { index, inode }: RotatedFile): Promise<boolean> {
  let source: number;
  try {
    source = fs.openSync(nameOf(path, index), 'r');
  } catch (err) {
    if (isErrno(err, 'ENOENT')) return false;
    throw err;
  }
  const temporary = temporaryName(path, inode);
  try {
    const stat = fs.fstatSync(source, { bigint: true });
    if (stat.ino !== inode) return false; // rotated meanwhile: the next round finds it
    const target = fs.openSync(temporary, 'w', 0o640);
    try {
      await deflate(source, target, { inode, born: stat.birthtimeNs });
      fs.futimesSync(target, Number(stat.atimeMs) / 1000, Number(stat.mtimeMs) / 1000);
      await promisify(fs.fdatasync)(target);
    } finally {
      fs.closeSync(target);
    }
    return true;
  } catch (err) {
    fs.rmSync(temporary, { force: true });
    throw err;
  } finally {
    fs.closeSync(source);
  }
}

async function deflate(source: number, target: number, note: { inode: bigint; born: bigint }): Promise<void> {
  let lines = 0;
  let size = 0;
  let checksum = 0;
  let written = fs.writeSync(target, gzipHeader({ ...note, lines }));
  const packer = createDeflateRaw({ level: LEVEL });
  packer.on('data', (chunk: Buffer) => {
    written += fs.writeSync(target, chunk, 0, chunk.length, written);
  });
  const ended = once(packer, 'end');
  for (let offset = 0; ; ) {
    const buffer = Buffer.allocUnsafeSlow(PIECE);
    const { bytesRead } = await read(source, buffer, 0, PIECE, offset);
    if (bytesRead === 0) break;
    offset += bytesRead;
    const piece = buffer.subarray(0, bytesRead);
    for (let at = piece.indexOf(FEED); at !== -1; at = piece.indexOf(FEED, at + 1)) lines++;
    checksum = crc32(piece, checksum);
    size += bytesRead;
    if (!packer.write(piece)) await once(packer, 'drain');
  }
  packer.end();
  await ended;
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(checksum, 0);
  trailer.writeUInt32LE(size % 2 ** 32, 4);
  fs.writeSync(target, trailer, 0, 8, written);
  fs.writeSync(target, gzipHeader({ ...note, lines }), 0, undefined, 0);
}

/** Puts the compressed copy in the place of the file, where no shim owns the names. @returns false when the file has gone */
export function placeCompressed(path: string, maxFiles: number, inode: bigint): boolean {
  const temporary = temporaryName(path, inode);
  const file = uncompressed(path, maxFiles).find((rotated) => rotated.inode === inode);
  if (file === undefined) {
    fs.rmSync(temporary, { force: true });
    return false;
  }
  const name = nameOf(path, file.index);
  fs.renameSync(temporary, `${name}.gz`);
  fs.rmSync(name, { force: true });
  return true;
}
