/**
 * The 512-byte header block of a tar archive: POSIX.1-1988 ustar, GNU, star and v7 (man 5 tar). Only fields; what
 * extension headers add is `tar-parser.ts`' matter.
 */
import { invalidParameter, type WharfError } from '../errdefs/index.ts';
import type { SparseSegment } from './tar-types.ts';

export const BLOCK = 512;

/** The fields of one header block as they stand there. */
export interface RawHeader {
  name: Buffer;
  linkName: Buffer;
  mode: number;
  uid: number;
  gid: number;
  size: number;
  /** Seconds. */
  mtime: number;
  typeflag: number;
  uname: string;
  gname: string;
  devMajor: number;
  devMinor: number;
  /** Of GNU's old sparse format (type `S`); undefined for other types. */
  gnuSparse: { segments: SparseSegment[]; extended: boolean; realSize: number } | undefined;
}

/** The error for an archive that breaks the format. */
export function badArchive(detail: string): WharfError {
  return invalidParameter(`invalid tar header: ${detail}`, { code: 'bad_archive' });
}

const SPACE = 0x20;
const ZERO = 0x30;
const SEVEN = 0x37;
const TYPE_GNU_SPARSE = 0x53;

/** True when all bytes of the block at `at` are zero. */
export function isZeroBlock(buf: Buffer, at: number): boolean {
  for (let i = at; i < at + BLOCK; i++) if (buf[i] !== 0) return false;
  return true;
}

/** The bytes of a field up to its first NUL, copied: they outlive the block. */
function text(buf: Buffer, at: number, length: number): Buffer {
  let end = at;
  while (end < at + length && buf[end] !== 0) end++;
  return Buffer.from(buf.subarray(at, end));
}

function ownerName(buf: Buffer, at: number): string {
  return buf[at] === 0 ? '' : text(buf, at, 32).toString();
}

/** A number: octal digits with blanks around, or base 256 when the top bit of the first byte is set (GNU, star). */
function number(buf: Buffer, at: number, length: number, field: string): number {
  const first = buf[at]!;
  if (first & 0x80) return base256(buf, at, length, field);
  const end = at + length;
  let i = at;
  while (i < end && (buf[i] === SPACE || buf[i] === 0)) i++;
  let value = 0;
  for (; i < end; i++) {
    const c = buf[i]!;
    if (c < ZERO || c > SEVEN) break;
    value = value * 8 + (c - ZERO);
  }
  for (; i < end; i++) {
    if (buf[i] !== SPACE && buf[i] !== 0) throw badArchive(`${field} is not a number`);
  }
  return value; // 12 octal digits at most: below 2^53
}

function base256(buf: Buffer, at: number, length: number, field: string): number {
  const negative = (buf[at]! & 0x40) !== 0;
  let value = negative ? BigInt(buf[at]!) - 0x100n : BigInt(buf[at]! & 0x7f);
  for (let i = at + 1; i < at + length; i++) value = value * 256n + BigInt(buf[i]!);
  const result = Number(value);
  if (!Number.isSafeInteger(result)) throw badArchive(`${field} is out of range`);
  return result;
}

function checkSum(buf: Buffer, at: number): void {
  let unsigned = 8 * SPACE;
  let high = 0;
  for (let i = at; i < at + BLOCK; i++) {
    if (i === at + 148) i += 8; // the checksum field counts as blanks
    const byte = buf[i]!;
    unsigned += byte;
    high += byte >> 7;
  }
  const stored = number(buf, at + 148, 8, 'checksum');
  // Some old writers added signed bytes.
  if (stored !== unsigned && stored !== unsigned - 256 * high) throw badArchive('checksum mismatch');
}

function segments(buf: Buffer, at: number, count: number): SparseSegment[] {
  const out: SparseSegment[] = [];
  for (let i = 0; i < count; i++, at += 24) {
    if (buf[at] === 0 && buf[at + 12] === 0) break;
    out.push({
      offset: number(buf, at, 12, 'sparse offset'),
      length: number(buf, at + 12, 12, 'sparse length'),
    });
  }
  return out;
}

/** An extension block of GNU's old sparse format: 21 segments, and whether another block follows. */
export function parseGnuSparseBlock(
  buf: Buffer,
  at: number,
): { segments: SparseSegment[]; extended: boolean } {
  return { segments: segments(buf, at, 21), extended: buf[at + 504] !== 0 };
}

/** Parses the header block at `at`; throws InvalidParameter when it is none. */
export function parseHeader(buf: Buffer, at: number): RawHeader {
  checkSum(buf, at);
  const typeflag = buf[at + 156]!;
  const magic = buf.toString('latin1', at + 257, at + 263);
  const ustar = magic === 'ustar\0';
  const gnu = magic === 'ustar ';
  const extended = ustar || gnu;
  const header: RawHeader = {
    name: text(buf, at, 100),
    linkName: text(buf, at + 157, 100),
    mode: number(buf, at + 100, 8, 'mode') & 0o7777,
    uid: number(buf, at + 108, 8, 'uid'),
    gid: number(buf, at + 116, 8, 'gid'),
    size: number(buf, at + 124, 12, 'size'),
    mtime: number(buf, at + 136, 12, 'mtime'),
    typeflag,
    uname: extended ? ownerName(buf, at + 265) : '',
    gname: extended ? ownerName(buf, at + 297) : '',
    devMajor: extended ? number(buf, at + 329, 8, 'devmajor') : 0,
    devMinor: extended ? number(buf, at + 337, 8, 'devminor') : 0,
    gnuSparse: undefined,
  };
  if (header.size < 0 || header.uid < 0 || header.gid < 0) throw badArchive('negative number');
  if (ustar && buf[at + 345] !== 0) {
    // star keeps its own magic in the last bytes, and times behind a shorter prefix.
    const length = buf.toString('latin1', at + 508, at + 511) === 'tar' ? 131 : 155;
    header.name = Buffer.concat([text(buf, at + 345, length), Buffer.from('/'), header.name]);
  }
  if (gnu && typeflag === TYPE_GNU_SPARSE) {
    header.gnuSparse = {
      segments: segments(buf, at + 386, 4),
      extended: buf[at + 482] !== 0,
      realSize: number(buf, at + 483, 12, 'real size'),
    };
  }
  return header;
}
