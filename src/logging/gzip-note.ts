/** The comment in the gzip header (RFC 1952, 2.3) of a compressed log file: what it was before. */
import fs from 'node:fs';

export interface GzipNote {
  /** The inode and the birth (nanoseconds) of the file that was compressed. */
  inode: bigint;
  born: bigint;
  /** Lines in it; undefined when it does not say. */
  lines: number | undefined;
}

const FCOMMENT = 0x10;
const OS_UNIX = 3;
const DEFLATE = 8;
const HEAD = 10;
const MAX_HEADER = 512;

/** A gzip header with the note. The number of lines is not known before the end, so it has a fixed width. */
export function gzipHeader(note: GzipNote): Buffer {
  const head = Buffer.from([0x1f, 0x8b, DEFLATE, FCOMMENT, 0, 0, 0, 0, 0, OS_UNIX]);
  const lines = String(note.lines ?? 0).padStart(12);
  return Buffer.concat([
    head,
    Buffer.from(`{"inode":"${note.inode}","born":"${note.born}","lines":${lines}}\0`, 'latin1'),
  ]);
}

/** The note of an open file; undefined when it is not one of ours. */
export function readGzipNote(fd: number): GzipNote | undefined {
  const header = Buffer.alloc(MAX_HEADER);
  const read = fs.readSync(fd, header, 0, MAX_HEADER, 0);
  const end = header.indexOf(0, HEAD);
  if (read < HEAD || header[3] !== FCOMMENT || end === -1 || end >= read) return undefined;
  try {
    const { inode, born, lines } = JSON.parse(header.toString('latin1', HEAD, end)) as Record<
      string,
      unknown
    >;
    if (typeof inode !== 'string' || typeof born !== 'string' || typeof lines !== 'number') return undefined;
    return { inode: BigInt(inode), born: BigInt(born), lines };
  } catch {
    return undefined;
  }
}
