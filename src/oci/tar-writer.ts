/**
 * Writing archives: ustar headers, with pax records (POSIX.1-2001) for whatever ustar cannot say. The same input
 * gives the same bytes.
 */
import { Readable } from 'node:stream';
import { invalidParameter } from '../errdefs/index.ts';
import { BLOCK } from './tar-header.ts';
import type { TarEntryInput, TarType } from './tar-types.ts';

/** A member to write. The body's bytes must be exactly `entry.size`; a Buffer gives the size itself. */
export interface TarInput {
  entry: TarEntryInput;
  body?: Uint8Array | AsyncIterable<Uint8Array>;
}

const TYPEFLAGS: Readonly<Record<TarType, string>> = {
  file: '0',
  link: '1',
  symlink: '2',
  char: '3',
  block: '4',
  directory: '5',
  fifo: '6',
};

const DEFAULT_MODES: Partial<Record<TarType, number>> = { directory: 0o755, symlink: 0o777 };

const SLASH = 0x2f;
const NANOS = 1_000_000_000n;
const ZEROS = Buffer.alloc(2 * BLOCK);

/** The two zero blocks at the end of every archive. */
export const TAR_TRAILER: Buffer = ZEROS;

/** Zero bytes that fill up the last block of a body of `size` bytes. */
export function tarPadding(size: number): Buffer {
  return ZEROS.subarray(0, -size & (BLOCK - 1));
}

function isAscii(bytes: Buffer): boolean {
  for (const b of bytes) if (b === 0 || b > 0x7f) return false;
  return true;
}

function bytesOf(name: string | Buffer): Buffer {
  return typeof name === 'string' ? Buffer.from(name) : name;
}

/** `length key=value\n`, where the length counts itself. */
function paxRecord(key: string, value: Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from('\n')]);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

/** Where a path is cut into ustar's prefix and name; undefined when it does not fit or is not ASCII. */
function split(name: Buffer): { prefix: Buffer; name: Buffer } | undefined {
  if (!isAscii(name)) return undefined;
  if (name.length <= 100) return { prefix: ZEROS.subarray(0, 0), name };
  let cut = name.indexOf(SLASH, name.length - 101);
  if (cut === name.length - 1) cut = -1; // the rest may not be empty
  if (cut <= 0 || cut > 155) return undefined;
  return { prefix: name.subarray(0, cut), name: name.subarray(cut + 1) };
}

/** Writes `value` in octal, or remembers it as pax record `key` when it needs more digits or has a fraction. */
function putNumber(block: Buffer, at: number, length: number, value: number): boolean {
  const digits = value.toString(8);
  if (value < 0 || digits.length > length - 1) {
    block.write('0'.repeat(length - 1), at, 'latin1');
    return false;
  }
  block.write(digits.padStart(length - 1, '0'), at, 'latin1');
  return true;
}

function timeText(ns: bigint): string {
  const sign = ns < 0n ? '-' : '';
  const abs = ns < 0n ? -ns : ns;
  const fraction = String(abs % NANOS)
    .padStart(9, '0')
    .replace(/0+$/, '');
  return `${sign}${abs / NANOS}${fraction === '' ? '' : `.${fraction}`}`;
}

function finish(block: Buffer): void {
  block.write('        ', 148, 'latin1');
  let sum = 0;
  for (const b of block) sum += b;
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
}

function paxHeader(name: Buffer, records: ReadonlyMap<string, Buffer>): Buffer {
  const body = Buffer.concat(
    [...records].sort(([a], [b]) => (a < b ? -1 : 1)).map(([k, v]) => paxRecord(k, v)),
  );
  const block = Buffer.alloc(BLOCK);
  const base = name.subarray(name.lastIndexOf(SLASH, name.length - 2) + 1).toString('latin1');
  block.write(`PaxHeaders.0/${base.replace(/[^\x21-\x7e]/g, '_')}`.slice(0, 100), 0, 'latin1');
  block.write('0000644\x000000000\x000000000\0', 100, 'latin1');
  putNumber(block, 124, 12, body.length);
  putNumber(block, 136, 12, 0);
  block.write('x', 156, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  finish(block);
  return Buffer.concat([block, body, tarPadding(body.length)]);
}

/** The header block of a member, with a pax header before it where needed. `size` bytes of body are to follow. */
export function encodeTarHeader(entry: TarEntryInput): Buffer {
  const { type } = entry;
  const pax = new Map<string, Buffer>();
  const block = Buffer.alloc(BLOCK);
  const size = type === 'file' ? (entry.size ?? 0) : 0;
  const putText = (at: number, length: number, value: Buffer, key: string): void => {
    if (value.length <= length && isAscii(value)) value.copy(block, at);
    else {
      pax.set(key, value);
      value.copy(block, at, 0, length); // what an old reader makes of it
    }
  };
  const octal = (at: number, length: number, value: number, key: string): void => {
    if (!Number.isSafeInteger(value)) throw invalidParameter(`tar: ${key} ${value} is out of range`);
    if (!putNumber(block, at, length, value)) pax.set(key, Buffer.from(String(value)));
  };

  let name = bytesOf(entry.name);
  if (name.includes(0)) throw invalidParameter('tar: NUL in a name');
  if (type === 'directory' && name.at(-1) !== SLASH) name = Buffer.concat([name, Buffer.from('/')]);
  const parts = split(name);
  if (parts) {
    parts.name.copy(block, 0);
    parts.prefix.copy(block, 345);
  } else putText(0, 100, name, 'path');
  const linkName = bytesOf(entry.linkName ?? '');
  if (linkName.length > 0) putText(157, 100, linkName, 'linkpath');

  octal(100, 8, (entry.mode ?? DEFAULT_MODES[type] ?? 0o644) & 0o7777, 'mode');
  octal(108, 8, entry.uid ?? 0, 'uid');
  octal(116, 8, entry.gid ?? 0, 'gid');
  octal(124, 12, size, 'size');
  const mtime = entry.mtime ?? 0n;
  const seconds = mtime / NANOS;
  if (!putNumber(block, 136, 12, Number(seconds)) || seconds * NANOS !== mtime) {
    pax.set('mtime', Buffer.from(timeText(mtime)));
  }
  if (entry.atime !== undefined) pax.set('atime', Buffer.from(timeText(entry.atime)));
  if (entry.ctime !== undefined) pax.set('ctime', Buffer.from(timeText(entry.ctime)));
  block.write(TYPEFLAGS[type], 156, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  if (entry.uname) putText(265, 31, Buffer.from(entry.uname), 'uname');
  if (entry.gname) putText(297, 31, Buffer.from(entry.gname), 'gname');
  octal(329, 8, entry.devMajor ?? 0, 'SCHILY.devmajor');
  octal(337, 8, entry.devMinor ?? 0, 'SCHILY.devminor');
  for (const [key, value] of entry.xattrs ?? []) pax.set(`SCHILY.xattr.${key}`, value);
  finish(block);
  return pax.size === 0 ? block : Buffer.concat([paxHeader(name, pax), block]);
}

/** The archive of `inputs`, chunk by chunk. Throws InvalidParameter when a body is not as long as its header says. */
export async function* writeTar(
  inputs: AsyncIterable<TarInput> | Iterable<TarInput>,
): AsyncGenerator<Buffer, void, void> {
  for await (const { entry, body } of inputs) {
    if (body instanceof Uint8Array) {
      yield Buffer.concat([encodeTarHeader({ ...entry, size: body.length }), body, tarPadding(body.length)]);
      continue;
    }
    yield encodeTarHeader(entry);
    const size = entry.type === 'file' ? (entry.size ?? 0) : 0;
    let written = 0;
    for await (const chunk of body ?? []) {
      written += chunk.length;
      if (written > size) break;
      yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    }
    if (written !== size) {
      throw invalidParameter(
        `tar: ${bytesOf(entry.name)} has ${written} bytes or more, its header says ${size}`,
      );
    }
    if (size > 0) yield tarPadding(size);
  }
  yield TAR_TRAILER;
}

/** {@link writeTar} as a stream with backpressure. */
export function tarStream(inputs: AsyncIterable<TarInput> | Iterable<TarInput>): Readable {
  return Readable.from(writeTar(inputs), { objectMode: false, highWaterMark: 1 << 18 });
}
