/**
 * Puts the entries of a layer archive on the disk, in overlayfs' form, below one directory and nowhere else.
 *
 * A small file takes four system calls: openat (relative to its directory's descriptor, `O_EXCL`), write, utimensat,
 * close. Owner and mode are only set where they are not what they are by themselves (we are root), and nothing is
 * looked up before it is in the way.
 */
import fs from 'node:fs';
import { isOverlayXattr } from '../archive/index.ts';
import { kindOf, WharfError } from '../errdefs/index.ts';
import {
  chmodAtFollow,
  chownAt,
  closeFd,
  isErrno,
  linkAt,
  makeDev,
  mkdirAt,
  mknodAt,
  O,
  openAt,
  SyscallError,
  setXattr,
  setXattrAt,
  symlinkAt,
  unlinkAt,
  utimensAt,
} from '../linux/index.ts';
import type { TarEntry, TarHandler } from '../oci/index.ts';
import { LayerDirs } from './layer-dirs.ts';
import { joinPath, type LayerPath, parseLayerPath, pathBytes, refused, showPath } from './layer-path.ts';
import {
  isWhiteoutStat,
  META_PREFIX,
  makeWhiteout,
  OPAQUE_MARKER,
  setOpaque,
  statAt,
  WHITEOUT_PREFIX,
} from './overlay-format.ts';

const { S_IFBLK, S_IFCHR, S_IFIFO } = fs.constants;
const CREATE = O.WRONLY | O.CREAT | O.EXCL | O.NOFOLLOW | O.NOCTTY;
const SPECIAL_BITS = 0o7000;

/** Which errno are the archive's fault. */
const ARCHIVE_FAULTS = ['ENAMETOOLONG', 'EINVAL', 'EFBIG', 'ELOOP', 'ENOTDIR', 'EMLINK', 'E2BIG', 'ERANGE'];

export interface LayerWriterOptions {
  maxEntries: number;
  /** The process' umask: bits that a new file does not get by itself. */
  umask: number;
}

export class LayerWriter implements TarHandler {
  readonly #dirs: LayerDirs;
  readonly #options: LayerWriterOptions;
  entries = 0;
  /** Bytes of all regular files. */
  size = 0;

  // The file being written.
  #entry: TarEntry | undefined;
  #path: LayerPath = { dir: '', base: '' };
  #name: Buffer = Buffer.alloc(0);
  #dirfd = -1;
  #fd = -1;
  #end = 0;

  /** `path` is the layer's root: an empty directory that only we know. */
  constructor(path: string, options: LayerWriterOptions) {
    this.#dirs = new LayerDirs(path);
    this.#options = options;
  }

  /** The archive deletes everything below it (`.wh..wh..opq` at the top). */
  get opaqueRoot(): boolean {
    return this.#dirs.opaqueRoot;
  }

  /** Directories that the archive has no entry for, only something in them. */
  get implied(): string[] {
    return [...this.#dirs.implied];
  }

  entry(entry: TarEntry): void {
    if (++this.entries > this.#options.maxEntries) {
      throw refused('', `has more than ${this.#options.maxEntries} entries`);
    }
    this.#path = parseLayerPath(entry.name);
    this.#entry = entry;
    try {
      this.#place(entry, this.#path);
    } catch (err) {
      throw this.#explain(err);
    }
  }

  data(chunk: Buffer, offset: number): void {
    if (this.#fd === -1) return;
    try {
      for (let done = 0; done < chunk.length; ) {
        done += fs.writeSync(this.#fd, chunk, done, chunk.length - done, offset + done);
      }
    } catch (err) {
      throw this.#explain(err);
    }
    this.#end = offset + chunk.length;
  }

  endEntry(): void {
    if (this.#fd === -1) return;
    const entry = this.#entry!;
    try {
      if (this.#end < entry.size) fs.ftruncateSync(this.#fd, entry.size); // a hole at the end
      this.#finishFile(entry);
    } catch (err) {
      throw this.#explain(err);
    } finally {
      closeFd(this.#fd);
      this.#fd = -1;
    }
  }

  /** All entries have been given: directories get their final looks. */
  finish(): void {
    this.#dirs.finish();
  }

  close(): void {
    if (this.#fd !== -1) closeFd(this.#fd);
    this.#fd = -1;
    this.#dirs.close();
  }

  // ---- placing

  #place(entry: TarEntry, path: LayerPath): void {
    if (path.base === '') {
      if (entry.type !== 'directory') throw refused('', `is a ${entry.type} without a name`);
      this.#attributes(entry, '');
      chownAt(this.#dirs.root.fd, '', entry.uid, entry.gid);
      return;
    }
    if (path.base.startsWith(WHITEOUT_PREFIX)) {
      this.#marker(path);
      return;
    }
    this.#dirfd = this.#dirs.fd(path.dir);
    this.#name = pathBytes(`${path.base}\0`);
    if (entry.type === 'directory') {
      this.#directory(entry, path);
      return;
    }
    if (entry.type === 'link' && joinPath(parseLayerPath(entry.linkName)) === joinPath(path)) return;
    try {
      this.#make(entry);
    } catch (err) {
      if (!isErrno(err, 'EEXIST')) throw err;
      this.#clear(path);
      this.#make(entry);
    }
  }

  /** Makes what is not a directory; `EEXIST` when something is in the way. */
  #make(entry: TarEntry): void {
    switch (entry.type) {
      case 'file':
        this.#fd = openAt(this.#dirfd, this.#name, CREATE, entry.mode & 0o777);
        this.#end = 0;
        this.size += entry.size;
        return;
      case 'link':
        this.#link(entry);
        return;
      case 'symlink':
        if (entry.linkName.length === 0) throw refused(joinPath(this.#path), 'is a symlink to nothing');
        symlinkAt(entry.linkName, this.#dirfd, this.#name);
        this.#finishNode(entry, false);
        return;
      case 'fifo':
        this.#node(entry, S_IFIFO, 0n);
        return;
      case 'char':
        // 0/0 is what overlayfs takes for a deletion: an archive may say it in this form, too.
        if (entry.devMajor === 0 && entry.devMinor === 0) makeWhiteout(this.#dirfd, this.#name);
        else this.#node(entry, S_IFCHR, makeDev(entry.devMajor, entry.devMinor));
        return;
      case 'block':
        this.#node(entry, S_IFBLK, makeDev(entry.devMajor, entry.devMinor));
    }
  }

  #node(entry: TarEntry, type: number, dev: bigint): void {
    mknodAt(this.#dirfd, this.#name, type | (entry.mode & 0o777), dev);
    this.#finishNode(entry, true);
  }

  #link(entry: TarEntry): void {
    const target = parseLayerPath(entry.linkName);
    const from = this.#dirs.existing(target.dir);
    if (from === undefined || target.base === '') throw this.#noTarget(entry);
    const dirfd = this.#dirs.fd(this.#path.dir); // `existing` may have closed it to keep few open
    try {
      linkAt(from, pathBytes(`${target.base}\0`), dirfd, this.#name);
    } catch (err) {
      if (isErrno(err, 'ENOENT', 'EPERM')) throw this.#noTarget(entry);
      throw err;
    }
  }

  #noTarget(entry: TarEntry): WharfError {
    const target = showPath(entry.linkName.toString('latin1'));
    return refused(joinPath(this.#path), `is a hard link to ${target}, which is no file in this layer`);
  }

  /** Takes away what is in the way, with all that is in it. */
  #clear(path: LayerPath): void {
    const stat = statAt(this.#dirfd, this.#name);
    if (stat.isDirectory()) this.#dirs.root.removeAll(pathBytes(joinPath(path)));
    else unlinkAt(this.#dirfd, this.#name);
    if (stat.isDirectory() || stat.isSymbolicLink()) {
      this.#dirs.invalidate(joinPath(path));
      this.#dirfd = this.#dirs.fd(path.dir);
    }
  }

  #directory(entry: TarEntry, path: LayerPath): void {
    let owner = entry.uid !== 0 || entry.gid !== 0;
    try {
      mkdirAt(this.#dirfd, this.#name, 0o755);
    } catch (err) {
      if (!isErrno(err, 'EEXIST')) throw err;
      owner = true;
      const stat = statAt(this.#dirfd, this.#name);
      if (!stat.isDirectory()) {
        this.#clear(path);
        mkdirAt(this.#dirfd, this.#name, 0o755);
        // It was deleted and made anew in one layer: what lower layers have in it stays deleted.
        if (isWhiteoutStat(stat)) setOpaque(this.#dirfd, this.#name);
      }
    }
    if (owner) chownAt(this.#dirfd, this.#name, entry.uid, entry.gid);
    this.#attributes(entry, joinPath(path));
  }

  #attributes(entry: TarEntry, path: string): void {
    const { mode, mtime, xattrs } = entry;
    const set =
      xattrs.size === 0
        ? undefined
        : (fd: number): void => {
            for (const [key, value] of xattrs) this.#setXattr(key, () => setXattr(fd, key, value));
          };
    this.#dirs.setAttributes(path, { mode, mtime, setXattrs: set });
  }

  /** `.wh.name`: deletes what lower layers have; what this layer itself has stays (OCI image-spec, layer.md). */
  #marker(path: LayerPath): void {
    // umoci also deletes, one by one, what was in a directory that this layer replaces by a file.
    if (this.#dirs.isReplaced(path.dir)) return;
    if (path.base === OPAQUE_MARKER) {
      if (path.dir === '') this.#dirs.opaqueRoot = true;
      else setOpaque(this.#dirs.fd(path.dir), '.');
      return;
    }
    if (path.base.startsWith(META_PREFIX)) return;
    const name = path.base.slice(WHITEOUT_PREFIX.length);
    if (name === '' || name === '.' || name === '..') throw refused(joinPath(path), 'deletes no name');
    const dirfd = this.#dirs.fd(path.dir);
    const bytes = pathBytes(`${name}\0`);
    try {
      makeWhiteout(dirfd, bytes);
    } catch (err) {
      if (!isErrno(err, 'EEXIST')) throw err;
      if (statAt(dirfd, bytes).isDirectory()) setOpaque(dirfd, bytes);
    }
  }

  // ---- finishing

  #finishFile(entry: TarEntry): void {
    const { mode, uid, gid, xattrs, mtime } = entry;
    if (uid !== 0 || gid !== 0) fs.fchownSync(this.#fd, uid, gid);
    // After chown, which takes the set-id bits away.
    if ((mode & (SPECIAL_BITS | this.#options.umask)) !== 0) fs.fchmodSync(this.#fd, mode);
    for (const [key, value] of xattrs) this.#setXattr(key, () => setXattr(this.#fd, key, value));
    utimensAt(this.#dirfd, this.#name, mtime, mtime);
  }

  #finishNode(entry: TarEntry, chmod: boolean): void {
    const { mode, uid, gid, xattrs, mtime } = entry;
    if (uid !== 0 || gid !== 0) chownAt(this.#dirfd, this.#name, uid, gid);
    if (chmod && (mode & (SPECIAL_BITS | this.#options.umask)) !== 0) {
      chmodAtFollow(this.#dirfd, this.#name, mode);
    }
    for (const [key, value] of xattrs) {
      this.#setXattr(key, () => setXattrAt(this.#dirfd, this.#name.subarray(0, -1), key, value));
    }
    utimensAt(this.#dirfd, this.#name, mtime, mtime);
  }

  /** As Docker: attributes that the file system or the kernel does not allow here are left out. */
  #setXattr(key: string, set: () => void): void {
    if (isOverlayXattr(key)) return;
    try {
      set();
    } catch (err) {
      if (!isErrno(err, 'EOPNOTSUPP', 'ENOTSUP', 'EPERM')) throw err;
    }
  }

  #explain(err: unknown): unknown {
    const isSystem = err instanceof SyscallError || (err instanceof Error && 'syscall' in err);
    if (!isSystem) return err;
    const code = 'code' in err && typeof err.code === 'string' ? err.code : undefined;
    const path = joinPath(this.#path);
    if (isErrno(err, ...ARCHIVE_FAULTS)) return refused(path, `cannot be made: ${code}`);
    const detail = isErrno(err, 'ENOSPC', 'EDQUOT') ? 'no space left on device' : err.message;
    const kind = err instanceof SyscallError && kindOf(err) === 'Forbidden' ? 'Forbidden' : 'System';
    return new WharfError(kind, `failed to unpack ${showPath(path)}: ${detail}`, {
      cause: err,
      ...(code === undefined ? {} : { code }),
    });
  }
}
