/** What clients learn of a path in a container (Engine API, `X-Docker-Container-Path-Stat`). */
import fs, { type BigIntStats } from 'node:fs';
import { closeFd, isErrno, O, openAt, type RootedDir, readlinkAt } from '../linux/index.ts';

/** As in the API; `mode` has Go's bits. */
export interface PathStat {
  name: string;
  size: number;
  mode: number;
  /** RFC 3339 with nanoseconds. */
  mtime: string;
  /** Of a symlink: where it leads in the end, absolute in the container, as far as it leads anywhere. */
  linkTarget: string;
}

const SLASH = 0x2f;
const DOT = Buffer.from('.');

/**
 * A path as Docker understands it: absolute, `..` and doubled slashes taken out by their letters, and with the `/` or
 * `/.` at its end, which says that a directory is meant.
 */
export function cleanPath(path: Buffer): Buffer {
  const text = path.toString('latin1');
  const out: string[] = [];
  for (const part of text.split('/')) {
    if (part === '..') out.pop();
    else if (part !== '' && part !== '.') out.push(part);
  }
  const clean = `/${out.join('/')}`;
  const ending = /(?:^|\/)\.$/.test(text) ? '/.' : text.endsWith('/') ? '/' : '';
  return Buffer.from(clean === '/' ? `/${ending.slice(1)}` : clean + ending, 'latin1');
}

/** Go's `filepath.Base`: the last part, `.` for `dir/.`, `/` for the root. */
export function baseName(path: Buffer): Buffer {
  let end = path.length;
  while (end > 1 && path[end - 1] === SLASH) end--;
  const slash = path.lastIndexOf(SLASH, end - 1);
  return slash === 0 && end === 1 ? path.subarray(0, 1) : path.subarray(slash + 1, end);
}

/** What is at a {@link cleanPath}, itself. @throws SyscallError */
export function statPath(root: RootedDir, path: Buffer): { stat: PathStat; isDirectory: boolean } {
  const found = root.lstat(path);
  const stat: PathStat = {
    name: baseName(path).toString(),
    size: Number(found.size),
    mode: goMode(found),
    mtime: timeText(found.mtimeNs),
    linkTarget: found.isSymbolicLink() ? finalTarget(root, path).toString() : '',
  };
  return { stat, isDirectory: found.isDirectory() };
}

const { S_IFMT, S_IFDIR, S_IFLNK, S_IFBLK, S_IFCHR, S_IFIFO, S_IFSOCK } = fs.constants;
/** Go's os.FileMode: type bits by the kernel's. */
const TYPE_BITS: Readonly<Record<number, number>> = {
  [S_IFDIR]: 2 ** 31,
  [S_IFLNK]: 2 ** 27,
  [S_IFBLK]: 2 ** 26,
  [S_IFCHR]: 2 ** 26 + 2 ** 21,
  [S_IFIFO]: 2 ** 25,
  [S_IFSOCK]: 2 ** 24,
};

function goMode(stat: BigIntStats): number {
  const mode = Number(stat.mode);
  return (
    (mode & 0o777) +
    (TYPE_BITS[mode & S_IFMT] ?? 0) +
    (mode & 0o4000 ? 2 ** 23 : 0) +
    (mode & 0o2000 ? 2 ** 22 : 0) +
    (mode & 0o1000 ? 2 ** 20 : 0)
  );
}

function timeText(ns: bigint): string {
  const nanos = ((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  const seconds = new Date(Number((ns - nanos) / 1_000_000n)).toISOString().slice(0, 19);
  const fraction = nanos === 0n ? '' : `.${String(nanos).padStart(9, '0').replace(/0+$/, '')}`;
  return `${seconds}${fraction}Z`;
}

/** The path in the view that the descriptor stands for; of a detached mount the kernel tells it from its top. */
export function pathInView(fd: number): Buffer {
  return readlinkAt(-100, `/proc/self/fd/${fd}`);
}

/** Where a symlink leads: told by the kernel, or, when it leads nowhere, followed as far as there is something. */
function finalTarget(root: RootedDir, path: Buffer): Buffer {
  try {
    const fd = root.open(path, O.PATH);
    try {
      return pathInView(fd);
    } finally {
      closeFd(fd);
    }
  } catch (err) {
    if (!isErrno(err, 'ENOENT', 'ENOTDIR')) throw err;
    return brokenTarget(root, path.toString('latin1'));
  }
}

const MAX_LINKS = 255;

/** The letters of a broken link's target. Only told to the client, never opened. */
function brokenTarget(root: RootedDir, path: string): Buffer {
  const waiting = path.split('/');
  let done: string[] = [];
  for (let links = 0; waiting.length > 0; ) {
    const part = waiting.shift() ?? '';
    if (part === '' || part === '.') continue;
    if (part === '..') {
      done.pop();
      continue;
    }
    const target = linkAt(root, Buffer.from(`/${[...done, part].join('/')}`, 'latin1'));
    if (target === undefined) done.push(part);
    else if (++links > MAX_LINKS) break;
    else {
      if (target.startsWith('/')) done = [];
      waiting.unshift(...target.split('/'));
    }
  }
  return Buffer.from(`/${done.join('/')}`, 'latin1');
}

function linkAt(root: RootedDir, path: Buffer): string | undefined {
  try {
    return root.readlink(path).toString('latin1');
  } catch (err) {
    if (isErrno(err, 'EINVAL', 'ENOENT', 'ENOTDIR', 'ELOOP')) return undefined;
    throw err;
  }
}

/** The directory a path's last part is in, and that part; for what {@link statPath} found to be no directory. */
export function openParent(root: RootedDir, path: Buffer): { fd: number; name: Buffer } {
  const { fd, name } = root.openParent(path);
  const dirfd = openAt(fd, DOT, O.RDONLY | O.DIRECTORY);
  closeFd(fd);
  return { fd: dirfd, name: Buffer.from(name) };
}
