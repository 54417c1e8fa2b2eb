/**
 * A directory that nothing gets out of: every path is resolved by openat2(2) with `RESOLVE_IN_ROOT`, so that
 * absolute symlinks and `..` stay inside as they would after chroot(2), also while another process (a hostile
 * container) renames and relinks under our feet.
 *
 * Paths are relative to the root; a leading `/` means the root. Parents are resolved inside the root, symlinks
 * included; the last component is the thing itself, unless a method says that it follows. Nothing is cached: each
 * call resolves anew.
 */
import fs from 'node:fs';
import { constants } from 'node:os';
import {
  chmodFd,
  chownAt,
  closeFd,
  cName,
  linkAt,
  makeDev,
  mkdirAt,
  mknodAt,
  type Name,
  O,
  openAt,
  readlinkAt,
  renameAt,
  showName,
  symlinkAt,
  unlinkAt,
  utimensAt,
} from './fd.ts';
import { isErrno, lastErrno, libcFunction, SyscallError } from './libc.ts';
import { removeTreeAt } from './remove-tree.ts';
import { fgetxattr, flistxattr, setXattr } from './xattr.ts';

/** openat2 has the same number on every architecture. */
const SYS_OPENAT2 = 437;
const RESOLVE_IN_ROOT = 0x10;
const S_IFMT = 0o170000;
const { EAGAIN, EFBIG, EINTR, EINVAL, EISDIR, ELOOP, ENOENT, ENOTDIR, EOPNOTSUPP } = constants.errno;

const syscall = libcFunction<[number, number, Name, Buffer, number]>(
  'long syscall(long nr, int dirfd, const char *path, const void *how, size_t size)',
);

const how = Buffer.alloc(24); // struct open_how: u64 flags, mode, resolve
const howWords = new BigUint64Array(how.buffer, how.byteOffset, 3);
howWords[2] = BigInt(RESOLVE_IN_ROOT);

/**
 * openat2(2) with `RESOLVE_IN_ROOT` under `rootFd`, always `O_CLOEXEC`. Follows a symlink at the end unless `flags`
 * has `O.NOFOLLOW`. Retries where the kernel could not tell whether a concurrent rename let `..` escape (`EAGAIN`).
 */
export function openInRoot(rootFd: number, path: Name, flags: number, mode = 0): number {
  const fd = tryOpenInRoot(rootFd, path, flags, mode);
  if (fd < 0) throw new SyscallError('openat2', -fd, showName(path));
  return fd;
}

/** Like {@link openInRoot}, but returns a failure as the negative errno: for where it is expected and frequent. */
export function tryOpenInRoot(rootFd: number, path: Name, flags: number, mode = 0): number {
  const name = cName(path.length === 0 ? '.' : path);
  howWords[0] = BigInt((flags | O.CLOEXEC) >>> 0);
  howWords[1] = BigInt(mode);
  for (let tries = 0; ; tries++) {
    const fd = syscall(SYS_OPENAT2, rootFd, name, how, 24);
    if (fd !== -1) return fd;
    const errno = lastErrno();
    if (tries >= 100 || (errno !== EAGAIN && errno !== EINTR)) return -errno;
  }
}

const RESOLVE_NO_XDEV = 1;
const RESOLVE_NO_MAGICLINKS = 2;

/**
 * Opens one entry of the directory `dirfd`; `EXDEV` when something is mounted on it. Throws SyscallError.
 */
export function openWithoutCrossing(dirfd: number, name: Name, flags: number): number {
  howWords[2] = BigInt(RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS);
  try {
    return openInRoot(dirfd, name, flags);
  } finally {
    howWords[2] = BigInt(RESOLVE_IN_ROOT);
  }
}

/** The parent directory of a path, opened with `O_PATH`, and the last component, both for the `*At` functions. */
export interface Parent {
  /** Yours: close it with `closeFd`. */
  fd: number;
  name: Name;
}

const SLASH = 0x2f;
const DOT = 0x2e;

/** Splits off the last component. Trailing slashes and `/.` do not count; `''`, `/` and `.` give the name `.`. */
function splitPath(path: Name): { dir: Name; name: Name } {
  return typeof path === 'string' ? splitString(path) : splitBytes(path);
}

function splitString(path: string): { dir: string; name: string } {
  let end = path.length;
  for (;;) {
    if (end > 0 && path.charCodeAt(end - 1) === SLASH) end--;
    else if (end > 0 && path.charCodeAt(end - 1) === DOT && (end === 1 || path.charCodeAt(end - 2) === SLASH))
      end--;
    else break;
  }
  if (end === 0) return { dir: '', name: '.' };
  const slash = path.lastIndexOf('/', end - 1);
  const name = path.slice(slash + 1, end);
  if (name === '..') throw new SyscallError('openat2', EINVAL, path);
  return { dir: path.slice(0, slash + 1), name };
}

function splitBytes(path: Buffer): { dir: Buffer | string; name: Buffer | string } {
  let end = path.at(-1) === 0 ? path.length - 1 : path.length;
  for (;;) {
    if (end > 0 && path[end - 1] === SLASH) end--;
    else if (end > 0 && path[end - 1] === DOT && (end === 1 || path[end - 2] === SLASH)) end--;
    else break;
  }
  if (end === 0) return { dir: '', name: '.' };
  const slash = path.lastIndexOf(SLASH, end - 1);
  const name = path.subarray(slash + 1, end);
  if (name.length === 2 && name[0] === DOT && name[1] === DOT) {
    throw new SyscallError('openat2', EINVAL, showName(path));
  }
  return { dir: path.subarray(0, slash + 1), name };
}

/** An open root directory. See the head of this file. All methods throw {@link SyscallError}. */
export class RootedDir {
  /** The root's descriptor (`O_PATH`); -1 after {@link close}. For the `*At` functions on top-level names. */
  fd: number;

  private constructor(fd: number) {
    this.fd = fd;
  }

  /** Opens the host directory `path` as a root. Symlinks in `path` itself are followed: it must be trusted. */
  static open(path: Name): RootedDir {
    return new RootedDir(openAt(-100, path, O.PATH | O.DIRECTORY));
  }

  /** A root from a descriptor of a directory; it is taken over and closed by {@link close}. */
  static fromFd(fd: number): RootedDir {
    return new RootedDir(fd);
  }

  /** Another root deeper inside, resolved within this one. */
  sub(path: Name): RootedDir {
    return new RootedDir(openInRoot(this.fd, path, O.PATH | O.DIRECTORY));
  }

  close(): void {
    if (this.fd !== -1) closeFd(this.fd);
    this.fd = -1;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Opens `path`'s parent; `name` is its last component, or `.` when `path` is the root. `..` at the end is `EINVAL`. */
  openParent(path: Name): Parent {
    const { dir, name } = splitPath(path);
    return { fd: openInRoot(this.fd, dir, O.PATH | O.DIRECTORY), name };
  }

  /** Calls `fn` with `path`'s parent, which is open only that long; a top-level name costs no extra call. */
  withParent<T>(path: Name, fn: (dirfd: number, name: Name) => T): T {
    const { dir, name } = splitPath(path);
    if (dir.length === 0) return fn(this.fd, name);
    const fd = openInRoot(this.fd, dir, O.PATH | O.DIRECTORY);
    try {
      return fn(fd, name);
    } finally {
      closeFd(fd);
    }
  }

  /**
   * Opens `path`, following a symlink at the end unless `flags` has `O.NOFOLLOW` (a new file: add `O.CREAT`,
   * usually with `O.EXCL`, and `mode`). Returns a descriptor that is yours to close.
   */
  open(path: Name, flags: number = O.RDONLY, mode = 0): number {
    return openInRoot(this.fd, path, flags, flags & O.CREAT ? mode : 0);
  }

  private with<T>(path: Name, flags: number, fn: (fd: number) => T): T {
    const fd = openInRoot(this.fd, path, flags);
    try {
      return fn(fd);
    } finally {
      closeFd(fd);
    }
  }

  /** The whole file, symlinks followed inside the root; at most `max` bytes, else `EFBIG`. Only regular files. */
  readFile(path: Name, max: number): Buffer {
    // O_NONBLOCK: a fifo planted there must not hang the daemon.
    return this.with(path, O.RDONLY | O.NONBLOCK | O.NOCTTY, (fd) => {
      const stat = fs.fstatSync(fd);
      if (!stat.isFile())
        throw new SyscallError('read', stat.isDirectory() ? EISDIR : EINVAL, showName(path));
      const out = Buffer.allocUnsafe(Math.min(stat.size, max) + 1);
      let length = 0;
      for (;;) {
        const n = fs.readSync(fd, out, length, out.length - length, null);
        length += n;
        if (n === 0) return out.subarray(0, length);
        if (length === out.length) throw new SyscallError('read', EFBIG, showName(path));
      }
    });
  }

  /** stat(2): follows a symlink inside the root. */
  stat(path: Name): fs.BigIntStats {
    return this.with(path, O.PATH, (fd) => fs.fstatSync(fd, { bigint: true }));
  }

  /** lstat(2). */
  lstat(path: Name): fs.BigIntStats {
    return this.with(path, O.PATH | O.NOFOLLOW, (fd) => fs.fstatSync(fd, { bigint: true }));
  }

  /** Like {@link lstat}, and undefined where there is nothing (or a parent is no directory). */
  lstatIfExists(path: Name): fs.BigIntStats | undefined {
    const fd = tryOpenInRoot(this.fd, path, O.PATH | O.NOFOLLOW);
    if (fd === -ENOENT || fd === -ENOTDIR) return undefined;
    if (fd < 0) throw new SyscallError('openat2', -fd, showName(path));
    try {
      return fs.fstatSync(fd, { bigint: true });
    } finally {
      closeFd(fd);
    }
  }

  /** True when `path`, symlinks followed, leads to something. */
  exists(path: Name): boolean {
    const fd = tryOpenInRoot(this.fd, path, O.PATH);
    if (fd >= 0) closeFd(fd);
    else if (fd !== -ENOENT && fd !== -ENOTDIR && fd !== -ELOOP) {
      throw new SyscallError('openat2', -fd, showName(path));
    }
    return fd >= 0;
  }

  /** mkdir(2) with exactly `mode`, whatever the umask. */
  mkdir(path: Name, mode = 0o755): void {
    this.withParent(path, (dirfd, name) => {
      mkdirAt(dirfd, name, mode & 0o7777);
      const fd = openAt(dirfd, name, O.PATH | O.NOFOLLOW | O.DIRECTORY);
      try {
        chmodFd(fd, mode & 0o7777);
      } finally {
        closeFd(fd);
      }
    });
  }

  /** Makes `path` and its missing parents; existing ones (also symlinks to directories in the root) are kept. */
  mkdirAll(path: Name, mode = 0o755): void {
    const fd = tryOpenInRoot(this.fd, path, O.PATH | O.DIRECTORY);
    if (fd >= 0) {
      closeFd(fd);
      return;
    }
    if (fd !== -ENOENT) throw new SyscallError('openat2', -fd, showName(path));
    const { dir, name } = splitPath(path);
    if (name === '.') return;
    this.mkdirAll(dir, mode);
    try {
      this.mkdir(path, mode);
    } catch (err) {
      if (!isErrno(err, 'EEXIST')) throw err;
      closeFd(openInRoot(this.fd, path, O.PATH | O.DIRECTORY)); // made meanwhile, or a dangling symlink: ENOENT
    }
  }

  symlink(target: Name, path: Name): void {
    this.withParent(path, (dirfd, name) => symlinkAt(target, dirfd, name));
  }

  /** A hard link `path` to `target`, both resolved in the root; a symlink as target is linked itself. */
  link(target: Name, path: Name): void {
    this.withParent(target, (oldFd, old) =>
      this.withParent(path, (dirfd, name) => linkAt(oldFd, old, dirfd, name)),
    );
  }

  rename(from: Name, to: Name, noReplace = false): void {
    this.withParent(from, (oldFd, old) =>
      this.withParent(to, (dirfd, name) => renameAt(oldFd, old, dirfd, name, noReplace)),
    );
  }

  /** mknod(2); `mode` holds the type. The umask applies to the permission bits. */
  mknod(path: Name, mode: number, major = 0, minor = 0): void {
    this.withParent(path, (dirfd, name) => mknodAt(dirfd, name, mode, makeDev(major, minor)));
  }

  /** lchown(2). */
  chown(path: Name, uid: number, gid: number): void {
    this.withParent(path, (dirfd, name) => chownAt(dirfd, name, uid, gid));
  }

  /** chmod(2) of the thing itself; `EOPNOTSUPP` for a symlink, which has no mode. */
  chmod(path: Name, mode: number): void {
    this.with(path, O.PATH | O.NOFOLLOW, (fd) => {
      // Old file systems (ext4 before 6.6) would really change a symlink's mode, and report an error all the same.
      if ((fs.fstatSync(fd).mode & S_IFMT) === fs.constants.S_IFLNK) {
        throw new SyscallError('chmod', EOPNOTSUPP, showName(path));
      }
      chmodFd(fd, mode);
    });
  }

  /** Sets access and modification time in nanoseconds since 1970, of the thing itself. */
  utimens(path: Name, atimeNs: bigint, mtimeNs: bigint): void {
    this.withParent(path, (dirfd, name) => utimensAt(dirfd, name, atimeNs, mtimeNs));
  }

  /** lsetxattr(2). */
  setxattr(path: Name, key: string, value: Buffer): void {
    this.with(path, O.PATH | O.NOFOLLOW, (fd) => setXattr(fd, key, value));
  }

  /** lgetxattr(2); undefined when there is none (or the file system has none). */
  getxattr(path: Name, key: string): Buffer | undefined {
    return this.with(path, O.PATH | O.NOFOLLOW, (fd) => fgetxattr(fd, key));
  }

  /** llistxattr(2). */
  listxattr(path: Name): string[] {
    return this.with(path, O.PATH | O.NOFOLLOW, flistxattr);
  }

  /** The bytes of the symlink `path`; `EINVAL` when it is none. */
  readlink(path: Name): Buffer {
    return this.withParent(path, readlinkAt);
  }

  /** Removes what is not a directory. */
  unlink(path: Name): void {
    this.withParent(path, unlinkAt);
  }

  /** Removes `path` with everything below; nothing there is fine. The root itself (`/`) is emptied, not removed. */
  removeAll(path: Name): void {
    try {
      this.withParent(path, removeTreeAt);
    } catch (err) {
      if (!isErrno(err, 'ENOENT')) throw err;
    }
  }

  /** The entries of a directory, names as bytes, symlinks to it followed inside the root; order is the kernel's. */
  readdir(path: Name): fs.Dirent<NonSharedBuffer>[] {
    return this.with(path, O.RDONLY | O.DIRECTORY, (fd) =>
      fs.readdirSync(`/proc/self/fd/${fd}`, { withFileTypes: true, encoding: 'buffer' }),
    );
  }

  /** The path inside the root (absolute, as bytes) that `path` leads to when all symlinks are followed. */
  realpath(path: Name): Buffer {
    return this.with(path, O.PATH, (fd) => {
      const [root, full] = [this.fd, fd].map((f) => readlinkAt(-100, `/proc/self/fd/${f}`)) as [
        Buffer,
        Buffer,
      ];
      if (root.length === 1) return full;
      // A concurrent rename may have moved it out; then there is no path inside.
      if (!full.subarray(0, root.length).equals(root))
        throw new SyscallError('readlink', ENOENT, showName(path));
      return full.length === root.length ? Buffer.from('/') : full.subarray(root.length);
    });
  }
}
