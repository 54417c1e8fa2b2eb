/**
 * Puts the members of an archive into a directory of a view, in which a container may be at work at the same time.
 *
 * Directories on the way are resolved by the kernel inside the view, symlinks included, as they would be in the
 * container; what is made is made by its name in the open directory, exclusively, and looked after by its descriptor.
 * Whatever the container swaps meanwhile, nothing outside the view is reached.
 */
import fs, { type Stats } from 'node:fs';
import { invalidParameter } from '../errdefs/index.ts';
import {
  chmodFd,
  chownAt,
  closeFd,
  type IdMap,
  isErrno,
  linkAt,
  makeDev,
  mkdirAt,
  mknodAt,
  O,
  openAt,
  openInRoot,
  type RootedDir,
  setXattr,
  setXattrAt,
  symlinkAt,
  toOutside,
  utimensAt,
} from '../linux/index.ts';
import type { TarEntry, TarHandler } from '../oci/index.ts';
import { joinMember, type MemberPath, parseMemberPath } from './member-path.ts';
import { removeUnmounted } from './remove.ts';
import { explainSystemError } from './system-error.ts';
import { isOverlayXattr } from './xattrs.ts';

const { S_IFBLK, S_IFCHR, S_IFIFO } = fs.constants;
const CREATE = O.WRONLY | O.CREAT | O.EXCL | O.NOFOLLOW | O.NOCTTY;
const MAX_OPEN = 256;

export interface ExtractOptions {
  /** The view. */
  root: RootedDir;
  /** The directory's path in the view, resolved. */
  path: Buffer;
  /** A directory is not replaced by something else, nor something else by a directory. */
  noOverwriteDirNonDir: boolean;
  /** Whom everything shall belong to; else whom the archive says. */
  owner: { uid: number; gid: number } | undefined;
  /** Those ids are inside of a user namespace, the view has those outside. */
  ids?: IdMap | undefined;
}

/** See the head of this file. The thread's umask must be 0 (`ownFilesystemContext`). */
export class TreeExtractor implements TarHandler {
  readonly #o: ExtractOptions;
  readonly #target: number;
  /** Open directories by their path below the target. */
  readonly #open = new Map<string, number>();
  /** Directories of the archive and their times, which are set when nothing is put into them any more. */
  readonly #times = new Map<string, { atime: bigint; mtime: bigint }>();

  // The file being written.
  #entry: TarEntry | undefined;
  #path: MemberPath = { dir: '', base: '' };
  #dirfd = -1;
  #fd = -1;
  #end = 0;

  /** @param target the directory's descriptor, which stays yours */
  constructor(target: number, options: ExtractOptions) {
    this.#target = target;
    this.#o = options;
  }

  entry(entry: TarEntry): void {
    const path = parseMemberPath(entry.name);
    if (path === undefined) {
      throw invalidParameter(`"${entry.name}" is outside of "${this.#o.path}"`, { code: 'bad_archive' });
    }
    this.#path = path;
    this.#entry = entry;
    if (path.base === '') {
      if (entry.type === 'directory') return; // the directory itself stays as it is, as in Docker
      throw invalidParameter(`cannot overwrite directory "${this.#o.path}" with non-directory "."`);
    }
    try {
      this.#dirfd = this.#directory(path.dir);
      this.#place(entry, Buffer.from(path.base, 'latin1'));
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
      const { uid, gid } = this.#ownerOf(entry);
      if (uid !== 0 || gid !== 0) fs.fchownSync(this.#fd, uid, gid);
      // After chown, which takes the set-id bits away.
      if ((entry.mode & 0o7000) !== 0) fs.fchmodSync(this.#fd, entry.mode);
      for (const [key, value] of entry.xattrs) this.#xattr(key, () => setXattr(this.#fd, key, value));
      utimensAt(this.#dirfd, Buffer.from(this.#path.base, 'latin1'), ...timesOf(entry));
    } catch (err) {
      throw this.#explain(err);
    } finally {
      closeFd(this.#fd);
      this.#fd = -1;
    }
  }

  /** All members have been given: directories get their times. */
  finish(): void {
    for (const [dir, { atime, mtime }] of [...this.#times].reverse()) {
      try {
        const fd = this.#directory(dir, false);
        utimensAt(fd, '.', atime, mtime);
      } catch (err) {
        if (!isErrno(err, 'ENOENT', 'ENOTDIR', 'ELOOP')) throw this.#explain(err);
      }
    }
  }

  close(): void {
    if (this.#fd !== -1) closeFd(this.#fd);
    this.#fd = -1;
    for (const fd of this.#open.values()) closeFd(fd);
    this.#open.clear();
  }

  // ---- directories

  /** The descriptor of a directory below the target. Missing ones are made (root's, 0755) when `make` says so. */
  #directory(dir: string, make = true): number {
    if (dir === '') return this.#target;
    const open = this.#open.get(dir);
    if (open !== undefined) return open;
    const full = Buffer.concat([this.#o.path, Buffer.from(`/${dir}`, 'latin1')]);
    try {
      return this.#keep(dir, openInRoot(this.#o.root.fd, full, O.PATH | O.DIRECTORY));
    } catch (err) {
      if (!make || !isErrno(err, 'ENOENT')) throw err;
    }
    const slash = dir.lastIndexOf('/');
    const parent = this.#directory(slash === -1 ? '' : dir.slice(0, slash));
    const name = Buffer.from(dir.slice(slash + 1), 'latin1');
    mkdirAt(parent, name, 0o755);
    return this.#keep(dir, openAt(parent, name, O.PATH | O.DIRECTORY | O.NOFOLLOW));
  }

  #keep(dir: string, fd: number): number {
    if (this.#open.size >= MAX_OPEN) {
      for (const [oldest, oldFd] of this.#open) {
        if (oldFd === this.#dirfd) continue;
        this.#open.delete(oldest);
        closeFd(oldFd);
        break;
      }
    }
    this.#open.set(dir, fd);
    return fd;
  }

  // ---- placing

  #place(entry: TarEntry, name: Buffer): void {
    try {
      this.#make(entry, name);
    } catch (err) {
      if (!isErrno(err, 'EEXIST')) throw err;
      if (this.#giveWay(entry, name)) this.#make(entry, name);
      else this.#dress(entry, name); // a directory that is there already
    }
  }

  /** Makes a member; `EEXIST` when something is in the way. */
  #make(entry: TarEntry, name: Buffer): void {
    switch (entry.type) {
      case 'file':
        this.#fd = openAt(this.#dirfd, name, CREATE, entry.mode & 0o777);
        this.#end = 0;
        return;
      case 'directory':
        mkdirAt(this.#dirfd, name, entry.mode & 0o777);
        break;
      case 'link':
        this.#link(entry, name);
        return;
      case 'symlink':
        symlinkAt(entry.linkName, this.#dirfd, name);
        break;
      case 'fifo':
        mknodAt(this.#dirfd, name, S_IFIFO | (entry.mode & 0o777));
        break;
      default: {
        const type = entry.type === 'char' ? S_IFCHR : S_IFBLK;
        mknodAt(this.#dirfd, name, type | (entry.mode & 0o777), makeDev(entry.devMajor, entry.devMinor));
      }
    }
    this.#dress(entry, name);
  }

  #link(entry: TarEntry, name: Buffer): void {
    const target = parseMemberPath(entry.linkName);
    if (target === undefined || target.base === '') {
      throw invalidParameter(`invalid hardlink "${entry.linkName}" -> "${joinMember(this.#path)}"`, {
        code: 'bad_archive',
      });
    }
    const dirfd = this.#directory(this.#path.dir);
    const from = this.#directory(target.dir, false);
    linkAt(from, Buffer.from(target.base, 'latin1'), dirfd, name);
  }

  /** Takes away what is in a member's place; false for a directory that a directory is to be put onto. */
  #giveWay(entry: TarEntry, name: Buffer): boolean {
    const there = statAt(this.#dirfd, name);
    const isDirectory = entry.type === 'directory';
    if (there?.isDirectory() && isDirectory) return false;
    if (this.#o.noOverwriteDirNonDir && there && there.isDirectory() !== isDirectory) {
      const [old, fresh] = isDirectory ? ['non-directory', 'directory'] : ['directory', 'non-directory'];
      throw invalidParameter(`cannot overwrite ${old} "${this.#full()}" with ${fresh} "${this.#o.path}"`);
    }
    if (entry.type === 'link' && this.#isItself(entry)) return true;
    removeUnmounted(this.#dirfd, name);
    this.#forget(joinMember(this.#path));
    return true;
  }

  #isItself(entry: TarEntry): boolean {
    const target = parseMemberPath(entry.linkName);
    return target !== undefined && joinMember(target) === joinMember(this.#path);
  }

  /** What was removed may have been on the way to open directories. */
  #forget(removed: string): void {
    for (const [dir, fd] of this.#open) {
      if (dir !== removed && !dir.startsWith(`${removed}/`)) continue;
      this.#open.delete(dir);
      closeFd(fd);
    }
    this.#times.delete(removed);
  }

  /** @throws InvalidParameter in Docker's words for an id that the user namespace has not */
  #ownerOf(entry: TarEntry): { uid: number; gid: number } {
    const { owner = entry, ids } = this.#o;
    if (ids === undefined) return owner;
    const [uid, gid] = [toOutside(ids.uids, owner.uid), toOutside(ids.gids, owner.gid)];
    if (uid !== undefined && gid !== undefined) return { uid, gid };
    const id = uid === undefined ? owner.uid : owner.gid;
    throw invalidParameter(`Container ID ${id} cannot be mapped to a host ID`);
  }

  /** Owner, mode, attributes and times of what is no regular file, by its descriptor. */
  #dress(entry: TarEntry, name: Buffer): void {
    const { uid, gid } = this.#ownerOf(entry);
    const fd = openAt(this.#dirfd, name, O.PATH | O.NOFOLLOW);
    try {
      chownAt(fd, '', uid, gid);
      const isLink = fs.fstatSync(fd).isSymbolicLink();
      if (!isLink) chmodFd(fd, entry.mode);
      for (const [key, value] of entry.xattrs) {
        this.#xattr(key, () =>
          isLink ? setXattrAt(this.#dirfd, name, key, value) : setXattr(fd, key, value),
        );
      }
    } finally {
      closeFd(fd);
    }
    const [atime, mtime] = timesOf(entry);
    if (entry.type === 'directory') this.#times.set(joinMember(this.#path), { atime, mtime });
    else utimensAt(this.#dirfd, name, atime, mtime);
  }

  /** As Docker: attributes that the file system or the kernel does not allow here are left out. */
  #xattr(key: string, set: () => void): void {
    if (isOverlayXattr(key)) return;
    try {
      set();
    } catch (err) {
      if (!isErrno(err, 'EOPNOTSUPP', 'ENOTSUP', 'EPERM')) throw err;
    }
  }

  #full(): string {
    const base = this.#o.path.toString();
    const member = Buffer.from(joinMember(this.#path), 'latin1').toString();
    return base === '/' ? `/${member}` : `${base}/${member}`;
  }

  #explain(err: unknown): unknown {
    return explainSystemError(err, this.#full(), 'open');
  }
}

/** Docker's look at times: an access time only counts when it is later. */
function timesOf({ atime, mtime }: TarEntry): [atime: bigint, mtime: bigint] {
  return [atime !== undefined && atime > mtime ? atime : mtime, mtime];
}

function statAt(dirfd: number, name: Buffer): Stats | undefined {
  try {
    const fd = openAt(dirfd, name, O.PATH | O.NOFOLLOW);
    try {
      return fs.fstatSync(fd);
    } finally {
      closeFd(fd);
    }
  } catch (err) {
    if (isErrno(err, 'ENOENT')) return undefined;
    throw err;
  }
}
