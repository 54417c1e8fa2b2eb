/**
 * A push parser for tar archives: bytes in, entries and data out, all synchronous, so that a layer of many small
 * files costs no promise per file. Extension headers are bounded; nothing else is held in memory.
 */
import { dataLoss } from '../errdefs/index.ts';
import {
  BLOCK,
  badArchive,
  isZeroBlock,
  parseGnuSparseBlock,
  parseHeader,
  type RawHeader,
} from './tar-header.ts';
import { addSegment, type PaxRecords, parsePax } from './tar-pax.ts';
import { checkSparse, SparseMapReader } from './tar-sparse.ts';
import type { SparseSegment, TarEntry, TarType } from './tar-types.ts';

/** Who is told what the archive holds. A throw ends the parsing. */
export interface TarHandler {
  entry(entry: TarEntry): void;
  /** Bytes of the present file at `offset`; `chunk` is a view that is only good during the call. */
  data(chunk: Buffer, offset: number): void;
  /** All data of the present entry have been given. */
  endEntry(): void;
}

export interface TarLimits {
  /** Bytes of one extension header (long name, pax records, sparse map). */
  maxExtension: number;
}

const DEFAULT_LIMITS: TarLimits = { maxExtension: 1 << 20 };

type State = 'header' | 'extension' | 'sparse-block' | 'sparse-map' | 'body' | 'padding' | 'end';

const TYPES: Readonly<Record<string, TarType>> = {
  '\0': 'file',
  '0': 'file',
  '1': 'link',
  '2': 'symlink',
  '3': 'char',
  '4': 'block',
  '5': 'directory',
  '6': 'fifo',
  '7': 'file', // contiguous: an ordinary file everywhere
  D: 'directory', // GNU's directory with its listing as body
  S: 'file', // GNU sparse
};

const EMPTY = Buffer.alloc(0);
const NO_XATTRS: ReadonlyMap<string, Buffer> = new Map();
const SLASH = 0x2f;

export class TarParser {
  readonly #handler: TarHandler;
  readonly #limits: TarLimits;
  #state: State = 'header';
  /** A block that came in pieces. */
  readonly #partial = Buffer.alloc(BLOCK);
  #partialLength = 0;
  #sawZero = false;

  // The extension header being read, and what those before the next entry said.
  #extensionType = '';
  #extension: Buffer = EMPTY;
  #extensionLength = 0;
  #longName: Buffer | undefined;
  #longLink: Buffer | undefined;
  #global: PaxRecords = {};
  #globalBytes = 0;
  #local: PaxRecords | undefined;

  // The present entry.
  #raw: RawHeader | undefined;
  #pax: PaxRecords = {};
  #remaining = 0; // stored bytes still to come
  #padding = 0;
  #report = false; // whether the body is the handler's business
  #offset = 0; // in the file as it is read
  #segments: readonly SparseSegment[] | undefined;
  #segment = 0;
  #map: SparseMapReader | undefined;

  constructor(handler: TarHandler, limits: Partial<TarLimits> = {}) {
    this.#handler = handler;
    this.#limits = { ...DEFAULT_LIMITS, ...limits };
  }

  /** True once the end-of-archive blocks have been seen; what follows them is ignored. */
  get ended(): boolean {
    return this.#state === 'end';
  }

  /** Takes the next bytes. Throws InvalidParameter when they are no tar archive, and whatever the handler throws. */
  write(chunk: Buffer): void {
    let at = 0;
    const end = chunk.length;
    while (at < end) {
      switch (this.#state) {
        case 'body':
          at = this.#body(chunk, at, end);
          break;
        case 'padding': {
          const n = Math.min(this.#padding, end - at);
          at += n;
          this.#padding -= n;
          if (this.#padding === 0) this.#state = 'header';
          break;
        }
        case 'extension':
          at = this.#collect(chunk, at, end);
          break;
        case 'end':
          return;
        default:
          at = this.#block(chunk, at, end);
      }
    }
  }

  /** No more bytes will come. Throws DataLoss when the archive stops in the middle of something. */
  end(): void {
    if (this.#state === 'end') return;
    // Some writers (umoci) end with the last body's last byte; as for Go's reader, nothing is lost without the padding.
    const clean =
      (this.#state === 'header' || this.#state === 'padding') &&
      this.#partialLength === 0 &&
      this.#local === undefined &&
      this.#longName === undefined &&
      this.#longLink === undefined;
    if (!clean) throw dataLoss('unexpected EOF: the tar archive is truncated', { code: 'truncated' });
    this.#state = 'end';
  }

  /** A whole block, from the chunk itself when it lies there in one piece. */
  #block(chunk: Buffer, at: number, end: number): number {
    if (this.#partialLength === 0 && end - at >= BLOCK) {
      this.#onBlock(chunk, at);
      return at + BLOCK;
    }
    const n = Math.min(BLOCK - this.#partialLength, end - at);
    chunk.copy(this.#partial, this.#partialLength, at, at + n);
    this.#partialLength += n;
    if (this.#partialLength === BLOCK) {
      this.#partialLength = 0;
      this.#onBlock(this.#partial, 0);
    }
    return at + n;
  }

  #onBlock(buf: Buffer, at: number): void {
    if (this.#state === 'header') this.#onHeader(buf, at);
    else if (this.#state === 'sparse-block') this.#onSparseBlock(buf, at);
    else this.#onMapBlock(buf, at);
  }

  #onHeader(buf: Buffer, at: number): void {
    if (buf[at] === 0 && isZeroBlock(buf, at)) {
      if (this.#sawZero) {
        this.#state = 'header';
        this.end();
      }
      this.#sawZero = true;
      return;
    }
    if (this.#sawZero) throw badArchive('data after a zero block');
    const raw = parseHeader(buf, at);
    const type = String.fromCharCode(raw.typeflag);
    if ('xXgLK'.includes(type)) {
      this.#startExtension(type, raw.size);
      return;
    }
    this.#raw = raw;
    this.#remaining = raw.size;
    if (raw.gnuSparse?.extended) this.#state = 'sparse-block';
    else this.#startEntry(raw, type);
  }

  // ---- extension headers

  #startExtension(type: string, size: number): void {
    if (size > this.#limits.maxExtension) throw badArchive(`extension header of ${size} bytes`);
    this.#extensionType = type;
    this.#extension = Buffer.allocUnsafe(size);
    this.#extensionLength = 0;
    this.#padding = -size & (BLOCK - 1);
    if (size === 0) this.#endExtension();
    else this.#state = 'extension';
  }

  #collect(chunk: Buffer, at: number, end: number): number {
    const n = Math.min(this.#extension.length - this.#extensionLength, end - at);
    chunk.copy(this.#extension, this.#extensionLength, at, at + n);
    this.#extensionLength += n;
    if (this.#extensionLength === this.#extension.length) this.#endExtension();
    return at + n;
  }

  #endExtension(): void {
    const body = this.#extension;
    this.#extension = EMPTY;
    switch (this.#extensionType) {
      case 'L':
        this.#longName = cString(body);
        break;
      case 'K':
        this.#longLink = cString(body);
        break;
      case 'g':
        this.#globalBytes += body.length;
        if (this.#globalBytes > this.#limits.maxExtension) throw badArchive('too many global headers');
        parsePax(body, this.#global);
        break;
      default:
        if (this.#local === undefined) this.#local = copyRecords(this.#global);
        parsePax(body, this.#local);
    }
    this.#state = this.#padding > 0 ? 'padding' : 'header';
  }

  // ---- sparse maps

  #onSparseBlock(buf: Buffer, at: number): void {
    const raw = this.#raw!;
    const { segments, extended } = parseGnuSparseBlock(buf, at);
    for (const s of segments) addSegment(raw.gnuSparse!.segments, s.offset, s.length);
    if (!extended) this.#startEntry(raw, String.fromCharCode(raw.typeflag));
  }

  #onMapBlock(buf: Buffer, at: number): void {
    if (this.#remaining < BLOCK) throw badArchive('sparse map beyond the entry');
    this.#remaining -= BLOCK;
    if (this.#map!.block(buf, at)) this.#emit(this.#map!.segments);
  }

  // ---- entries

  #startEntry(raw: RawHeader, type: string): void {
    this.#pax = this.#local ?? this.#global;
    this.#local = undefined;
    const kind = TYPES[type];
    if (kind === undefined) {
      this.#skip(type);
      return;
    }
    if (this.#pax.size !== undefined) this.#remaining = this.#pax.size;
    if (kind !== 'file' && type !== 'D') this.#remaining = 0; // their size field means nothing (POSIX)
    this.#padding = -this.#remaining & (BLOCK - 1);
    const sparse = kind === 'file' ? this.#pax.sparse : undefined;
    if (sparse?.version === '1.0') {
      this.#map = new SparseMapReader();
      this.#state = 'sparse-map';
      return;
    }
    this.#emit(raw.gnuSparse?.segments ?? (sparse?.version === undefined ? undefined : sparse.segments));
  }

  /** Volume labels and Solaris' attributes are no files; anything else unknown is refused rather than lost. */
  #skip(type: string): void {
    if (!'VAI'.includes(type)) throw badArchive(`unsupported entry type ${JSON.stringify(type)}`);
    this.#longName = undefined;
    this.#longLink = undefined;
    this.#padding = -this.#remaining & (BLOCK - 1);
    this.#report = false;
    this.#segments = undefined;
    this.#afterStart();
  }

  #emit(segments: SparseSegment[] | undefined): void {
    const entry = this.#entry(segments);
    if (segments !== undefined) checkSparse(segments, entry.size, this.#remaining);
    this.#segments = segments;
    this.#segment = 0;
    this.#offset = 0;
    this.#report = entry.type === 'file';
    this.#handler.entry(entry);
    if (!this.#report) this.#handler.endEntry();
    this.#afterStart();
  }

  #afterStart(): void {
    if (this.#remaining > 0) this.#state = 'body';
    else this.#endBody();
  }

  #endBody(): void {
    if (this.#report) this.#handler.endEntry();
    this.#report = false;
    this.#state = this.#padding > 0 ? 'padding' : 'header';
  }

  #entry(segments: SparseSegment[] | undefined): TarEntry {
    const raw = this.#raw!;
    const pax = this.#pax;
    const name = this.#longName ?? pax.sparse?.name ?? pax.path ?? raw.name;
    const linkName = this.#longLink ?? pax.linkpath ?? raw.linkName;
    this.#longName = undefined;
    this.#longLink = undefined;
    // v7 had no type for directories, only the slash at the end.
    const v7Directory = raw.typeflag === 0 && name.at(-1) === SLASH;
    const type = v7Directory ? 'directory' : TYPES[String.fromCharCode(raw.typeflag)]!;
    const hasLink = type === 'link' || type === 'symlink';
    const size = segments === undefined ? this.#remaining : (pax.sparse?.realSize ?? raw.gnuSparse?.realSize);
    if (size === undefined) throw badArchive('sparse file without its size');
    return {
      type,
      name: withoutSlashes(name),
      linkName: hasLink ? linkName : EMPTY,
      mode: raw.mode,
      uid: pax.uid ?? raw.uid,
      gid: pax.gid ?? raw.gid,
      size: type === 'file' ? size : 0,
      mtime: pax.mtime ?? BigInt(raw.mtime) * 1_000_000_000n,
      atime: pax.atime,
      ctime: pax.ctime,
      uname: pax.uname ?? raw.uname,
      gname: pax.gname ?? raw.gname,
      devMajor: pax.devMajor ?? raw.devMajor,
      devMinor: pax.devMinor ?? raw.devMinor,
      xattrs: pax.xattrs ?? NO_XATTRS,
      sparse: segments,
    };
  }

  #body(chunk: Buffer, at: number, end: number): number {
    let n = Math.min(this.#remaining, end - at);
    if (this.#report) {
      if (this.#segments !== undefined) n = this.#sparseData(chunk, at, n);
      else {
        this.#handler.data(chunk.subarray(at, at + n), this.#offset);
        this.#offset += n;
      }
    }
    this.#remaining -= n;
    if (this.#remaining === 0) this.#endBody();
    return at + n;
  }

  /** Gives what of `n` bytes belongs to the present segment; returns how many that were. */
  #sparseData(chunk: Buffer, at: number, n: number): number {
    let segment = this.#segments![this.#segment]!;
    while (this.#offset >= segment.length) {
      this.#offset -= segment.length; // here #offset counts within the segment
      segment = this.#segments![++this.#segment]!;
    }
    const take = Math.min(n, segment.length - this.#offset);
    this.#handler.data(chunk.subarray(at, at + take), segment.offset + this.#offset);
    this.#offset += take;
    return take;
  }
}

/** GNU's long names end with a NUL, which is not part of them; nothing may follow it. */
function cString(body: Buffer): Buffer {
  let end = body.length;
  while (end > 0 && body[end - 1] === 0) end--;
  const out = body.subarray(0, end);
  if (out.includes(0)) throw badArchive('NUL in a long name');
  return out;
}

function withoutSlashes(name: Buffer): Buffer {
  let end = name.length;
  while (end > 1 && name[end - 1] === SLASH) end--;
  return end === name.length ? name : name.subarray(0, end);
}

function copyRecords(records: PaxRecords): PaxRecords {
  const copy = { ...records };
  if (records.xattrs) copy.xattrs = new Map(records.xattrs);
  if (records.sparse) copy.sparse = { ...records.sparse, segments: [...records.sparse.segments] };
  return copy;
}
