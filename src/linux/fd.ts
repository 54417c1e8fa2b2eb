/**
 * File descriptors and the `*at` calls as the kernel has them: one FFI call each, nothing cached, nothing
 * resolved on the way. Names are relative to a directory's descriptor. They may be Buffers, because a file
 * name is bytes and need not be UTF-8.
 *
 * None of these protects against a symlink in the middle of a path; {@link RootedDir} does.
 */
import { constants } from 'node:fs';
import { invalidParameter } from '../errdefs/index.ts';
import { check, libcFunction } from './libc.ts';

/** A file name or path: a string is passed as UTF-8, a Buffer as it is (a final NUL byte is allowed). */
export type Name = string | Buffer;

/** Flags of open(2) that Node's `fs.constants` lacks, with those it has; values of x86-64 and arm64 Linux. */
export const O = {
  RDONLY: constants.O_RDONLY,
  WRONLY: constants.O_WRONLY,
  RDWR: constants.O_RDWR,
  CREAT: constants.O_CREAT,
  EXCL: constants.O_EXCL,
  TRUNC: constants.O_TRUNC,
  APPEND: constants.O_APPEND,
  NOCTTY: constants.O_NOCTTY,
  NONBLOCK: constants.O_NONBLOCK,
  DIRECTORY: constants.O_DIRECTORY,
  NOFOLLOW: constants.O_NOFOLLOW,
  CLOEXEC: 0o2000000,
  PATH: 0o10000000,
} as const;

/** "The current directory" where a directory's descriptor is asked for. */
export const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_REMOVEDIR = 0x200;
const AT_SYMLINK_FOLLOW = 0x400;
const AT_EMPTY_PATH = 0x1000;

const NUL = Buffer.alloc(1);

/**
 * `name` as C wants it. A NUL inside is refused: C would cut the name there and open another file than the one
 * that was checked.
 */
export function cName(name: Name): Name {
  if (typeof name === 'string') {
    if (name.includes('\0')) throw invalidParameter('invalid path: it contains a NUL byte');
    return name;
  }
  const nul = name.indexOf(0);
  if (nul === -1) return Buffer.concat([name, NUL]);
  if (nul !== name.length - 1) throw invalidParameter('invalid path: it contains a NUL byte');
  return name;
}

/** `name` for an error message. */
export function showName(name: Name): string {
  if (typeof name === 'string') return name;
  return name.toString('utf8', 0, name.at(-1) === 0 ? name.length - 1 : name.length);
}

function checkAt(syscall: string, result: number, name: Name): number {
  return result === -1 ? check(syscall, result, showName(name)) : result;
}

const c = {
  openat: libcFunction<[number, Name, number, number]>(
    'int openat(int dirfd, const char *path, int flags, unsigned int mode)',
  ),
  close: libcFunction<[number]>('int close(int fd)'),
  mkdirat: libcFunction<[number, Name, number]>(
    'int mkdirat(int dirfd, const char *path, unsigned int mode)',
  ),
  symlinkat: libcFunction<[Name, number, Name]>(
    'int symlinkat(const char *target, int dirfd, const char *path)',
  ),
  linkat: libcFunction<[number, Name, number, Name, number]>(
    'int linkat(int oldfd, const char *old, int newfd, const char *path, int flags)',
  ),
  renameat2: libcFunction<[number, Name, number, Name, number]>(
    'int renameat2(int oldfd, const char *old, int newfd, const char *path, unsigned int flags)',
  ),
  mknodat: libcFunction<[number, Name, number, bigint]>(
    'int mknodat(int dirfd, const char *path, unsigned int mode, uint64_t dev)',
  ),
  fchownat: libcFunction<[number, Name, number, number, number]>(
    'int fchownat(int dirfd, const char *path, unsigned int uid, unsigned int gid, int flags)',
  ),
  fchmodat: libcFunction<[number, Name, number, number]>(
    'int fchmodat(int dirfd, const char *path, unsigned int mode, int flags)',
  ),
  chmod: libcFunction<[Name, number]>('int chmod(const char *path, unsigned int mode)'),
  utimensat: libcFunction<[number, Name, Buffer, number]>(
    'int utimensat(int dirfd, const char *path, const void *times, int flags)',
  ),
  unlinkat: libcFunction<[number, Name, number]>('int unlinkat(int dirfd, const char *path, int flags)'),
  readlinkat: libcFunction<[number, Name, Buffer, number]>(
    'long readlinkat(int dirfd, const char *path, void *buf, size_t size)',
  ),
};

/** openat(2), always with `O_CLOEXEC`. Returns the new descriptor. */
export function openAt(dirfd: number, name: Name, flags: number, mode = 0): number {
  return checkAt('openat', c.openat(dirfd, cName(name), flags | O.CLOEXEC, mode), name);
}

/** close(2); a failure is not reported, for the descriptor is gone all the same (man 2 close). */
export function closeFd(fd: number): void {
  c.close(fd);
}

/** mkdirat(2). The umask applies to `mode`; chmod afterwards where the exact mode counts. */
export function mkdirAt(dirfd: number, name: Name, mode: number): void {
  checkAt('mkdirat', c.mkdirat(dirfd, cName(name), mode), name);
}

/** symlinkat(2): makes `name`, whose content is `target` as it is. */
export function symlinkAt(target: Name, dirfd: number, name: Name): void {
  checkAt('symlinkat', c.symlinkat(cName(target), dirfd, cName(name)), name);
}

/** linkat(2): a hard link to the thing itself; a symlink as the old name is linked, not followed. */
export function linkAt(oldDirfd: number, oldName: Name, newDirfd: number, newName: Name): void {
  checkAt('linkat', c.linkat(oldDirfd, cName(oldName), newDirfd, cName(newName), 0), newName);
}

/** Gives an open file without a name (`O_TMPFILE`) or known only by descriptor the name `name`. */
export function linkFd(fd: number, newDirfd: number, newName: Name): void {
  const old = `/proc/self/fd/${fd}`;
  checkAt('linkat', c.linkat(AT_FDCWD, old, newDirfd, cName(newName), AT_SYMLINK_FOLLOW), newName);
}

/** renameat2(2); `noReplace` fails with `EEXIST` instead of replacing. */
export function renameAt(
  oldDirfd: number,
  oldName: Name,
  newDirfd: number,
  newName: Name,
  noReplace = false,
): void {
  const result = c.renameat2(oldDirfd, cName(oldName), newDirfd, cName(newName), noReplace ? 1 : 0);
  checkAt('renameat2', result, newName);
}

/** A device number as Linux encodes it: 12 bits of major, 20 of minor (man 3 makedev). */
export function makeDev(major: number, minor: number): bigint {
  const [ma, mi] = [BigInt(major), BigInt(minor)];
  return ((ma & 0xfffff000n) << 32n) | ((ma & 0xfffn) << 8n) | ((mi & 0xffffff00n) << 12n) | (mi & 0xffn);
}

/** The [major, minor] of a device number such as `stat().rdev`. */
export function splitDev(dev: bigint): [major: number, minor: number] {
  const major = ((dev >> 32n) & 0xfffff000n) | ((dev >> 8n) & 0xfffn);
  const minor = ((dev >> 12n) & 0xffffff00n) | (dev & 0xffn);
  return [Number(major), Number(minor)];
}

/** mknodat(2); `mode` holds the type (`S_IFCHR`, `S_IFBLK`, `S_IFIFO`, …), `dev` comes from {@link makeDev}. */
export function mknodAt(dirfd: number, name: Name, mode: number, dev = 0n): void {
  checkAt('mknodat', c.mknodat(dirfd, cName(name), mode, dev), name);
}

/** fchownat(2) of the thing itself (a symlink is not followed). An empty name means `dirfd` itself. */
export function chownAt(dirfd: number, name: Name, uid: number, gid: number): void {
  checkAt('fchownat', c.fchownat(dirfd, cName(name), uid, gid, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH), name);
}

/**
 * fchmodat(2). It FOLLOWS a symlink at `name` (the kernel had no other way before 6.6): use it on what cannot be
 * one, such as a directory just made in a private tree; else {@link RootedDir.chmod} or {@link chmodFd}.
 */
export function chmodAtFollow(dirfd: number, name: Name, mode: number): void {
  checkAt('fchmodat', c.fchmodat(dirfd, cName(name), mode, 0), name);
}

/** chmod(2) of an open descriptor, also one opened with `O_PATH`. A symlink's gives `EOPNOTSUPP`. */
export function chmodFd(fd: number, mode: number): void {
  const path = `/proc/self/fd/${fd}`;
  checkAt('chmod', c.chmod(path, mode), path);
}

const times = Buffer.alloc(32);

/** utimensat(2) of the thing itself; times in nanoseconds since 1970, negative before. */
export function utimensAt(dirfd: number, name: Name, atimeNs: bigint, mtimeNs: bigint): void {
  putTimespec(0, atimeNs);
  putTimespec(16, mtimeNs);
  checkAt('utimensat', c.utimensat(dirfd, cName(name), times, AT_SYMLINK_NOFOLLOW), name);
}

function putTimespec(offset: number, ns: bigint): void {
  let seconds = ns / 1_000_000_000n;
  let rest = ns % 1_000_000_000n;
  if (rest < 0n) {
    rest += 1_000_000_000n;
    seconds -= 1n;
  }
  times.writeBigInt64LE(seconds, offset);
  times.writeBigInt64LE(rest, offset + 8);
}

/** unlinkat(2) of something that is not a directory. */
export function unlinkAt(dirfd: number, name: Name): void {
  checkAt('unlinkat', c.unlinkat(dirfd, cName(name), 0), name);
}

/** unlinkat(2) of an empty directory. */
export function rmdirAt(dirfd: number, name: Name): void {
  checkAt('unlinkat', c.unlinkat(dirfd, cName(name), AT_REMOVEDIR), name);
}

const PATH_MAX = 4096;

/** readlinkat(2): the target's bytes. An empty name reads the symlink that `dirfd` (an `O_PATH`) is. */
export function readlinkAt(dirfd: number, name: Name): Buffer {
  const buf = Buffer.allocUnsafe(PATH_MAX);
  const length = checkAt('readlinkat', c.readlinkat(dirfd, cName(name), buf, PATH_MAX), name);
  return Buffer.from(buf.subarray(0, length));
}
