/** Extended headers of POSIX.1-2001 (pax): `length key=value\n` records, with GNU's, star's and libarchive's keys. */
import { badArchive } from './tar-header.ts';
import type { SparseSegment } from './tar-types.ts';

/** The records of one extended header that mean something to us; all others are dropped. */
export interface PaxRecords {
  path?: Buffer;
  linkpath?: Buffer;
  uname?: string;
  gname?: string;
  size?: number;
  uid?: number;
  gid?: number;
  mtime?: bigint;
  atime?: bigint;
  ctime?: bigint;
  devMajor?: number;
  devMinor?: number;
  xattrs?: Map<string, Buffer>;
  sparse?: PaxSparse;
}

/** GNU's three ways to say where a sparse file's data are. */
export interface PaxSparse {
  version: '0.0' | '0.1' | '1.0' | undefined;
  name: Buffer | undefined;
  realSize: number | undefined;
  segments: SparseSegment[];
  /** Version 0.0: an offset that waits for its length. */
  pendingOffset: number | undefined;
}

const MAX_SEGMENTS = 1 << 20;
const EQUALS = 0x3d;
const SPACE = 0x20;
const NEWLINE = 0x0a;
const XATTR = 'SCHILY.xattr.';
const LIBARCHIVE_XATTR = 'LIBARCHIVE.xattr.';
const GNU_SPARSE = 'GNU.sparse.';

/** Reads all records of `body` into `into` (later ones win); an empty value removes what a global header said. */
export function parsePax(body: Buffer, into: PaxRecords): void {
  let at = 0;
  while (at < body.length) {
    const space = body.indexOf(SPACE, at);
    if (space === -1 || space - at > 10) throw badArchive('bad pax record');
    const length = integer(body.toString('latin1', at, space), 'pax record length');
    const end = at + length;
    if (length < space - at + 3 || end > body.length || body[end - 1] !== NEWLINE) {
      throw badArchive('bad pax record length');
    }
    const equals = body.indexOf(EQUALS, space);
    if (equals === -1 || equals >= end || equals === space + 1) throw badArchive('bad pax record');
    put(into, body.toString('utf8', space + 1, equals), body.subarray(equals + 1, end - 1));
    at = end;
  }
}

function put(r: PaxRecords, key: string, value: Buffer): void {
  if (key.startsWith(XATTR)) putXattr(r, key.slice(XATTR.length), value);
  else if (key.startsWith(LIBARCHIVE_XATTR)) putLibarchive(r, key.slice(LIBARCHIVE_XATTR.length), value);
  else if (key.startsWith(GNU_SPARSE)) putSparse(r, key.slice(GNU_SPARSE.length), value);
  else if (Object.hasOwn(PLAIN, key)) {
    if (value.includes(0)) throw badArchive(`NUL in pax ${key}`);
    PLAIN[key]!(r, value);
  }
}

const PLAIN: Readonly<Record<string, (r: PaxRecords, value: Buffer) => void>> = {
  path: (r, v) => assign(r, 'path', v, (b) => Buffer.from(b)),
  linkpath: (r, v) => assign(r, 'linkpath', v, (b) => Buffer.from(b)),
  uname: (r, v) => assign(r, 'uname', v, String),
  gname: (r, v) => assign(r, 'gname', v, String),
  size: (r, v) => assign(r, 'size', v, (b) => integer(b.toString('latin1'), 'pax size')),
  uid: (r, v) => assign(r, 'uid', v, (b) => integer(b.toString('latin1'), 'pax uid')),
  gid: (r, v) => assign(r, 'gid', v, (b) => integer(b.toString('latin1'), 'pax gid')),
  mtime: (r, v) => assign(r, 'mtime', v, (b) => nanoseconds(b.toString('latin1'))),
  atime: (r, v) => assign(r, 'atime', v, (b) => nanoseconds(b.toString('latin1'))),
  ctime: (r, v) => assign(r, 'ctime', v, (b) => nanoseconds(b.toString('latin1'))),
  'SCHILY.devmajor': (r, v) => assign(r, 'devMajor', v, (b) => integer(b.toString('latin1'), 'devmajor')),
  'SCHILY.devminor': (r, v) => assign(r, 'devMinor', v, (b) => integer(b.toString('latin1'), 'devminor')),
};

function assign<K extends keyof PaxRecords>(
  records: PaxRecords,
  key: K,
  value: Buffer,
  read: (value: Buffer) => NonNullable<PaxRecords[K]>,
): void {
  if (value.length === 0) delete records[key];
  else records[key] = read(value);
}

function putXattr(r: PaxRecords, name: string, value: Buffer): void {
  if (name.length === 0 || name.includes('\0')) throw badArchive('bad attribute name');
  r.xattrs ??= new Map();
  r.xattrs.set(name, Buffer.from(value));
}

/** libarchive writes the name URL-encoded and the value in base 64, next to star's record when both can. */
function putLibarchive(r: PaxRecords, encoded: string, value: Buffer): void {
  let name: string;
  try {
    name = decodeURIComponent(encoded);
  } catch {
    throw badArchive('bad attribute name');
  }
  if (r.xattrs?.has(name)) return;
  putXattr(r, name, Buffer.from(value.toString('latin1'), 'base64'));
}

function putSparse(r: PaxRecords, key: string, value: Buffer): void {
  r.sparse ??= {
    version: undefined,
    name: undefined,
    realSize: undefined,
    segments: [],
    pendingOffset: undefined,
  };
  const s = r.sparse;
  const text = value.toString('latin1');
  switch (key) {
    case 'major':
      if (text !== '1') throw badArchive(`unknown sparse format ${text}`);
      s.version = '1.0';
      break;
    case 'minor':
      if (text !== '0') throw badArchive(`unknown sparse format 1.${text}`);
      break;
    case 'name':
      if (value.includes(0)) throw badArchive('NUL in pax GNU.sparse.name');
      s.name = Buffer.from(value);
      break;
    case 'size':
    case 'realsize':
      s.realSize = integer(text, 'sparse size');
      break;
    case 'numblocks':
      s.version ??= '0.0';
      break;
    case 'offset':
      s.version ??= '0.0';
      s.pendingOffset = integer(text, 'sparse offset');
      break;
    case 'numbytes':
      if (s.pendingOffset === undefined) throw badArchive('sparse length without offset');
      addSegment(s.segments, s.pendingOffset, integer(text, 'sparse length'));
      s.pendingOffset = undefined;
      break;
    case 'map':
      s.version = '0.1';
      s.segments = parseMap(text);
      break;
    default: // not known to any GNU tar
  }
}

function parseMap(text: string): SparseSegment[] {
  const numbers = text === '' ? [] : text.split(',');
  if (numbers.length % 2 !== 0) throw badArchive('odd sparse map');
  const out: SparseSegment[] = [];
  for (let i = 0; i < numbers.length; i += 2) {
    addSegment(out, integer(numbers[i]!, 'sparse offset'), integer(numbers[i + 1]!, 'sparse length'));
  }
  return out;
}

/** Appends a segment; the list is bounded, for it is kept in memory. */
export function addSegment(list: SparseSegment[], offset: number, length: number): void {
  if (list.length >= MAX_SEGMENTS) throw badArchive('too many sparse segments');
  list.push({ offset, length });
}

/** A non-negative decimal number that a double holds exactly. */
export function integer(text: string, what: string): number {
  const value = /^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw badArchive(`bad ${what}`);
  return value;
}

/** `[-]seconds[.fraction]` in nanoseconds; what is finer is cut off towards the past. */
function nanoseconds(text: string): bigint {
  const match = /^(-?)([0-9]{1,15})(?:\.([0-9]*))?$/.exec(text);
  if (match === null) throw badArchive('bad pax time');
  const fraction = (match[3] ?? '').slice(0, 9).padEnd(9, '0');
  const value = BigInt(match[2]!) * 1_000_000_000n + BigInt(fraction);
  return match[1] === '-' ? -value : value;
}
