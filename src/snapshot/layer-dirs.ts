/**
 * The directories of a layer that is being written: their descriptors, so that a file is made by its name alone,
 * and what they shall look like in the end, when nothing is put into them any more.
 */
import {
  chmodAtFollow,
  closeFd,
  isErrno,
  mkdirAt,
  O,
  openAt,
  openInRoot,
  RootedDir,
  unlinkAt,
  utimensAt,
} from '../linux/index.ts';
import { parseLayerPath, pathBytes, refused } from './layer-path.ts';
import { isWhiteout, setOpaque } from './overlay-format.ts';

/** What is done to a directory at the end. */
export interface DirAttributes {
  mode: number;
  /** Undefined for a directory that the archive only implies. */
  mtime: bigint | undefined;
  setXattrs: ((fd: number) => void) | undefined;
}

/** Descriptors kept open; far below any limit on them. */
const MAX_OPEN = 256;
/** What is written down about a layer stays bounded. */
const MAX_IMPLIED = 10_000;

export class LayerDirs {
  readonly root: RootedDir;
  readonly #open = new Map<string, number>();
  #lastDir = '';
  #lastFd: number;
  readonly #attributes = new Map<string, DirAttributes>();
  /** Directories the archive has no entry for; the root is one until it is mentioned. */
  readonly implied = new Set<string>(['']);
  /** A whiteout of everything at the top: overlayfs cannot say that of a root, the chain must be cut there. */
  opaqueRoot = false;

  constructor(path: string) {
    this.root = RootedDir.open(path);
    this.#lastFd = this.root.fd;
  }

  /** The descriptor of directory `dir`, resolved in the root; missing ones are made. Stays ours. */
  fd(dir: string): number {
    if (dir === this.#lastDir) return this.#lastFd;
    const fd = dir === '' ? this.root.fd : (this.#open.get(dir) ?? this.#openNew(dir));
    this.#lastDir = dir;
    this.#lastFd = fd;
    return fd;
  }

  /** Like {@link fd}, but undefined where there is no such directory. */
  existing(dir: string): number | undefined {
    if (dir === '' || this.#open.has(dir)) return this.fd(dir);
    try {
      return this.#keep(dir, openInRoot(this.root.fd, pathBytes(dir), O.PATH | O.DIRECTORY));
    } catch (err) {
      if (isErrno(err, 'ENOENT', 'ENOTDIR', 'ELOOP')) return undefined;
      throw err;
    }
  }

  /** True when this layer has a file or a deletion where `dir` or a parent of it would be. */
  isReplaced(dir: string): boolean {
    if (this.existing(dir) !== undefined) return false;
    for (let end = dir.indexOf('/'); ; end = dir.indexOf('/', end + 1)) {
      const prefix = end === -1 ? dir : dir.slice(0, end);
      if (this.existing(prefix) === undefined) {
        const stat = this.root.lstatIfExists(pathBytes(prefix));
        return stat !== undefined && !stat.isSymbolicLink();
      }
      if (end === -1) return false;
    }
  }

  #openNew(dir: string): number {
    return this.existing(dir) ?? this.#make(dir);
  }

  #keep(dir: string, fd: number): number {
    if (this.#open.size >= MAX_OPEN) {
      for (const [oldest, oldFd] of this.#open) {
        this.#open.delete(oldest);
        closeFd(oldFd);
        if (oldest === this.#lastDir) this.#forgetLast();
        break;
      }
    }
    this.#open.set(dir, fd);
    return fd;
  }

  #forgetLast(): void {
    this.#lastDir = '';
    this.#lastFd = this.root.fd;
  }

  /** Makes a directory that the archive has not mentioned (0755, root's), and its parents. */
  #make(dir: string): number {
    const path = parseLayerPath(pathBytes(dir));
    const parent = this.fd(path.dir);
    const name = pathBytes(`${path.base}\0`);
    try {
      mkdirAt(parent, name, 0o755);
      this.#attributes.set(dir, { mode: 0o755, mtime: undefined, setXattrs: undefined });
      if (this.implied.size < MAX_IMPLIED) this.implied.add(dir);
    } catch (err) {
      if (!isErrno(err, 'EEXIST')) throw err;
      if (!isWhiteout(parent, name)) throw refused(dir, 'is used as a directory and is none in this layer');
      unlinkAt(parent, name);
      mkdirAt(parent, name, 0o755);
      setOpaque(parent, name);
    }
    return this.#keep(dir, openAt(parent, name, O.PATH | O.DIRECTORY | O.NOFOLLOW));
  }

  /** Says what directory `path` shall look like; the last word counts. */
  setAttributes(path: string, attributes: DirAttributes): void {
    this.#attributes.set(path, attributes);
    this.implied.delete(path);
  }

  /** `removed`, a directory or symlink that may be on the way to open ones, is gone: resolve all of them anew. */
  invalidate(removed: string): void {
    this.closeAll();
    const prefix = `${removed}/`;
    for (const dir of this.#attributes.keys()) {
      if (dir !== removed && !dir.startsWith(prefix)) continue;
      this.#attributes.delete(dir);
      this.implied.delete(dir);
    }
  }

  /** Gives all directories their modes, attributes and times. */
  finish(): void {
    for (const [dir, { mode, mtime, setXattrs }] of this.#attributes) {
      let fd: number;
      try {
        fd = openInRoot(this.root.fd, pathBytes(dir), O.PATH | O.DIRECTORY | O.NOFOLLOW);
      } catch (err) {
        if (isErrno(err, 'ENOENT', 'ENOTDIR', 'ELOOP')) continue; // replaced by something else later
        throw err;
      }
      try {
        chmodAtFollow(fd, '.', mode);
        setXattrs?.(fd);
        if (mtime !== undefined) utimensAt(fd, '.', mtime, mtime);
      } finally {
        closeFd(fd);
      }
    }
  }

  closeAll(): void {
    for (const fd of this.#open.values()) closeFd(fd);
    this.#open.clear();
    this.#forgetLast();
  }

  close(): void {
    this.closeAll();
    this.root.close();
  }
}
