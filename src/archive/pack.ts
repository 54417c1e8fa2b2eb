/**
 * A directory tree as a tar archive, written straight into the chunks that are sent: a small file costs no allocation
 * but its header, a big one is read into the chunk itself.
 *
 * The tree may be changed, and its names swapped for symlinks, while it is walked: every entry is opened by its name in
 * an open directory, never followed, told by its descriptor, and only a regular file is opened for reading, through
 * that very descriptor: a device or fifo put in its place is not touched.
 */
import fs, { type BigIntStats } from 'node:fs';
import {
  closeFd,
  type IdMap,
  isErrno,
  O,
  OVERFLOW_ID,
  openAt,
  readlinkAt,
  splitDev,
  toInside,
} from '../linux/index.ts';
import { encodeTarHeader, TAR_TRAILER, type TarEntryInput, type TarType, tarPadding } from '../oci/index.ts';
import { archivedXattrs } from './xattrs.ts';

const CHUNK = 1 << 18;
const SLASH = Buffer.from('/');
const EMPTY = Buffer.alloc(0);
const NANOS = 1_000_000_000n;

export function joinBytes(dir: Buffer, name: Buffer): Buffer {
  if (dir.length === 0) return name;
  return Buffer.concat(dir.at(-1) === SLASH[0] ? [dir, name] : [dir, SLASH, name]);
}

/** Takes a chunk with its memory. A promise means: wait before the next one. */
export type Sink = (chunk: Buffer) => Promise<void> | undefined;

/** What a tree's own format makes of its entries (overlayfs' deletions in a layer). */
export interface EntryHooks {
  /** The member to write instead of an entry; undefined: as it is. */
  replace(dir: Buffer, name: Buffer, stat: BigIntStats): TarEntryInput | undefined;
  /** A member to write after a directory's own, before what is in it. */
  inside(fd: number, path: Buffer): TarEntryInput | undefined;
}

export interface PackOptions {
  /** Times to the second, as Docker has them, or exactly (a pax header more for each file). */
  times: 'seconds' | 'exact';
  /** Attributes of the namespace `trusted.`, too. */
  trustedXattrs: boolean;
  /** The members' ids are those inside, the files have those outside; what is not mapped is nobody's. */
  ids?: IdMap | undefined;
  hooks?: EntryHooks;
}

const PATH_ONLY = O.PATH | O.NOFOLLOW;
/** NONBLOCK should mean nothing for a regular file; it is here in case. */
const READ = O.RDONLY | O.NONBLOCK | O.NOCTTY;
/** An entry that has gone or become something else since its name was read. */
const GONE = ['ENOENT', 'ENOTDIR', 'ELOOP'];

export class TreePacker {
  readonly #sink: Sink;
  readonly #options: PackOptions;
  #chunk = Buffer.allocUnsafeSlow(CHUNK);
  #at = 0;
  #wait: Promise<void> | undefined;
  /** Files with several names: the first one in the archive. */
  readonly #linked = new Map<string, Buffer>();

  constructor(sink: Sink, options: PackOptions) {
    this.#sink = sink;
    this.#options = options;
  }

  /** Everything in the directory `dirfd` (open for reading), not the directory itself. `prefix` names it, empty or `/` the root. */
  async content(dirfd: number, prefix: Buffer): Promise<void> {
    for (const name of namesIn(dirfd)) {
      const path = joinBytes(prefix, name);
      const more = this.#entry(dirfd, prefix, name, path);
      if (more !== undefined) await more;
      if (this.#wait !== undefined) await this.#settle();
    }
  }

  /** The entry `name` of a directory, with all below it, under the name `path`. Nothing where it has gone. */
  async entry(dirfd: number, name: Buffer, path: Buffer): Promise<void> {
    await this.#entry(dirfd, EMPTY, name, path);
    if (this.#wait !== undefined) await this.#settle();
  }

  /** The directory `fd` (an `O_PATH` will do) itself, under the name `path`, with all in it. */
  async directory(fd: number, path: Buffer): Promise<void> {
    this.directoryEntry(fd, path);
    await this.#below(fd, path);
    if (this.#wait !== undefined) await this.#settle();
  }

  /** The directory `fd` itself, without what is in it. */
  directoryEntry(fd: number, path: Buffer): void {
    const stat = fs.fstatSync(fd, { bigint: true });
    this.#header({ type: 'directory', name: path, ...this.#attributes(stat, fd) });
  }

  /** The end of the archive. */
  async finish(): Promise<void> {
    this.#put(TAR_TRAILER);
    if (this.#at > 0) this.#flush();
    await this.#settle();
  }

  async #settle(): Promise<void> {
    const wait = this.#wait;
    this.#wait = undefined;
    await wait;
  }

  /** Returns a promise only where there is more to do than one small thing. */
  #entry(dirfd: number, dir: Buffer, name: Buffer, path: Buffer): Promise<void> | undefined {
    let fd: number;
    try {
      fd = openAt(dirfd, name, PATH_ONLY);
    } catch (err) {
      if (isErrno(err, ...GONE)) return undefined;
      throw err;
    }
    let more: Promise<void> | undefined;
    try {
      const stat = fs.fstatSync(fd, { bigint: true });
      const other = this.#options.hooks?.replace(dir, name, stat);
      if (other !== undefined) this.#header(other);
      else more = this.#write(fd, stat, path);
    } finally {
      if (more === undefined) closeFd(fd);
    }
    return more?.finally(() => closeFd(fd));
  }

  #write(fd: number, stat: BigIntStats, path: Buffer): Promise<void> | undefined {
    const type = typeOf(stat);
    if (type === undefined) return undefined; // a socket
    const first = this.#firstName(stat, path);
    if (first !== undefined) {
      this.#header({ type: 'link', name: path, linkName: first, ...this.#attributes(stat) });
      return undefined;
    }
    const entry: TarEntryInput = { type, name: path, ...this.#attributes(stat, fd) };
    switch (type) {
      case 'directory':
        this.#header(entry);
        return this.#below(fd, path);
      case 'file':
        return this.#file(fd, entry, Number(stat.size));
      case 'symlink':
        this.#header({ ...entry, linkName: readlinkAt(fd, '') });
        return undefined;
      case 'char':
      case 'block': {
        const [devMajor, devMinor] = splitDev(stat.rdev);
        this.#header({ ...entry, devMajor, devMinor });
        return undefined;
      }
      default:
        this.#header(entry);
        return undefined;
    }
  }

  /** The name this file was archived under before; else remembers this one. */
  #firstName(stat: BigIntStats, path: Buffer): Buffer | undefined {
    if (stat.nlink < 2n || stat.isDirectory()) return undefined;
    const inode = `${stat.dev}:${stat.ino}`;
    const first = this.#linked.get(inode);
    if (first === undefined) this.#linked.set(inode, path);
    return first;
  }

  async #below(fd: number, path: Buffer): Promise<void> {
    const marker = this.#options.hooks?.inside(fd, path);
    if (marker !== undefined) this.#header(marker);
    const dirfd = openAt(fd, '.', O.RDONLY | O.DIRECTORY);
    try {
      await this.content(dirfd, path);
    } finally {
      closeFd(dirfd);
    }
  }

  #file(pathFd: number, entry: TarEntryInput, size: number): Promise<void> | undefined {
    if (size === 0) {
      this.#header(entry);
      return undefined;
    }
    const fd = openAt(-100, `/proc/self/fd/${pathFd}`, READ);
    let more: Promise<void> | undefined;
    try {
      this.#header({ ...entry, size });
      if (size <= CHUNK - this.#at) {
        this.#fill(fd, 0, size);
        this.#put(tarPadding(size));
      } else more = this.#bigFile(fd, size);
    } finally {
      if (more === undefined) closeFd(fd);
    }
    return more?.finally(() => closeFd(fd));
  }

  async #bigFile(fd: number, size: number): Promise<void> {
    for (let done = 0; done < size; ) {
      if (this.#at === CHUNK) this.#flush();
      if (this.#wait !== undefined) await this.#settle();
      const n = Math.min(size - done, CHUNK - this.#at);
      this.#fill(fd, done, n);
      done += n;
    }
    this.#put(tarPadding(size));
  }

  /** Reads exactly `length` bytes into the chunk, which has room for them; zeros where the file has become shorter. */
  #fill(fd: number, position: number, length: number): void {
    for (let done = 0; done < length; ) {
      const n = fs.readSync(fd, this.#chunk, this.#at, length - done, position + done);
      if (n === 0) {
        this.#chunk.fill(0, this.#at, this.#at + length - done);
        this.#at += length - done;
        return;
      }
      done += n;
      this.#at += n;
    }
  }

  #header(entry: TarEntryInput): void {
    this.#put(encodeTarHeader(entry));
  }

  #put(bytes: Buffer): void {
    for (let done = 0; done < bytes.length; ) {
      if (this.#at === CHUNK) this.#flush();
      const n = bytes.copy(this.#chunk, this.#at, done);
      this.#at += n;
      done += n;
    }
  }

  #flush(): void {
    const wait = this.#sink(this.#chunk.subarray(0, this.#at));
    if (wait !== undefined) {
      wait.catch(() => {}); // whoever waits for it is told; nobody may before the next entry
      this.#wait = this.#wait === undefined ? wait : Promise.all([this.#wait, wait]).then(() => undefined);
    }
    this.#chunk = Buffer.allocUnsafeSlow(CHUNK);
    this.#at = 0;
  }

  #attributes(
    stat: BigIntStats,
    fd?: number,
  ): Pick<TarEntryInput, 'mode' | 'uid' | 'gid' | 'mtime'> & Pick<Partial<TarEntryInput>, 'xattrs'> {
    const { times, trustedXattrs, ids } = this.#options;
    const [uid, gid] = [Number(stat.uid), Number(stat.gid)];
    return {
      mode: Number(stat.mode) & 0o7777,
      uid: ids ? (toInside(ids.uids, uid) ?? OVERFLOW_ID) : uid,
      gid: ids ? (toInside(ids.gids, gid) ?? OVERFLOW_ID) : gid,
      mtime: times === 'exact' ? stat.mtimeNs : wholeSeconds(stat.mtimeNs),
      ...(fd === undefined ? {} : { xattrs: archivedXattrs(fd, trustedXattrs) }),
    };
  }
}

/** In the order of their bytes; none when the directory has been removed. */
function namesIn(dirfd: number): Buffer[] {
  try {
    // Through /proc, for Node reads no directory by its descriptor.
    return fs.readdirSync(`/proc/self/fd/${dirfd}`, { encoding: 'buffer' }).sort(Buffer.compare);
  } catch (err) {
    if (isErrno(err, ...GONE)) return [];
    throw err;
  }
}

/** Rounded down, also before 1970. */
function wholeSeconds(ns: bigint): bigint {
  const rest = ns % NANOS;
  return ns - (rest < 0n ? rest + NANOS : rest);
}

function typeOf(stat: BigIntStats): TarType | undefined {
  if (stat.isFile()) return 'file';
  if (stat.isDirectory()) return 'directory';
  if (stat.isSymbolicLink()) return 'symlink';
  if (stat.isCharacterDevice()) return 'char';
  if (stat.isBlockDevice()) return 'block';
  return stat.isFIFO() ? 'fifo' : undefined;
}
