/**
 * The layer archive of what a snapshot changed: its upper directory, with overlayfs' deletions in the form of layer
 * archives. The order is that of the names' bytes, so that the same content gives the same archive.
 */
import fs, { type BigIntStats } from 'node:fs';
import type { Readable } from 'node:stream';
import { closeFd, fgetxattr, flistxattr, isErrno, O, RootedDir, splitDev } from '../linux/index.ts';
import { type TarEntryInput, type TarInput, type TarType, tarStream } from '../oci/index.ts';
import {
  isOpaque,
  isOverlayXattr,
  isWhiteoutStat,
  OPAQUE_MARKER,
  WHITEOUT_PREFIX,
} from './overlay-format.ts';
import { joinBytes, Pace, upperEntries } from './upper-walk.ts';

const CHUNK = 1 << 18;

/** The archive as a stream. `lowerRoot` is the root directory below `upper`: a root unlike it is archived, too. */
export function diffStream(upper: string, lowerRoot: string): Readable {
  return tarStream(diffEntries(upper, lowerRoot));
}

async function* diffEntries(upper: string, lowerRoot: string): AsyncGenerator<TarInput, void, void> {
  const root = RootedDir.open(upper);
  try {
    const before = fs.statSync(lowerRoot, { bigint: true });
    const stat = root.stat('.');
    if (stat.mode !== before.mode || stat.uid !== before.uid || stat.gid !== before.gid) {
      yield {
        entry: {
          type: 'directory',
          name: './',
          ...attributes(stat),
          xattrs: xattrsOf(root, Buffer.from('.')),
        },
      };
    }
    yield* directory(root, Buffer.alloc(0), new Map(), new Pace());
  } finally {
    root.close();
  }
}

async function* directory(
  root: RootedDir,
  dir: Buffer,
  linked: Map<bigint, Buffer>,
  pace: Pace,
): AsyncGenerator<TarInput, void, void> {
  for (const { path, name, stat } of upperEntries(root, dir)) {
    await pace.step();
    if (isWhiteoutStat(stat)) {
      const marker = joinBytes(dir, Buffer.concat([Buffer.from(WHITEOUT_PREFIX), name]));
      yield { entry: { type: 'file', name: marker, mode: 0o600, mtime: stat.mtimeNs, size: 0 } };
      continue;
    }
    const first = stat.isDirectory() ? undefined : linked.get(stat.ino);
    if (first !== undefined) {
      yield { entry: { type: 'link', name: path, linkName: first, ...attributes(stat) } };
      continue;
    }
    try {
      const input = member(root, path, stat);
      if (input === undefined) continue; // a socket
      yield input;
    } catch (err) {
      if (isErrno(err, 'ENOENT', 'ENOTDIR', 'ELOOP')) continue; // gone meanwhile
      throw err;
    }
    if (stat.isDirectory()) {
      if (isOpaqueDir(root, path)) {
        const marker = joinBytes(path, Buffer.from(OPAQUE_MARKER));
        yield { entry: { type: 'file', name: marker, mode: 0o600, mtime: 0n, size: 0 } };
      }
      yield* directory(root, path, linked, pace);
    } else if (stat.nlink > 1n) linked.set(stat.ino, path);
  }
}

function typeOf(stat: BigIntStats): TarType | undefined {
  if (stat.isFile()) return 'file';
  if (stat.isDirectory()) return 'directory';
  if (stat.isSymbolicLink()) return 'symlink';
  if (stat.isCharacterDevice()) return 'char';
  if (stat.isBlockDevice()) return 'block';
  return stat.isFIFO() ? 'fifo' : undefined;
}

function attributes(stat: BigIntStats): Pick<TarEntryInput, 'mode' | 'uid' | 'gid' | 'mtime'> {
  return {
    mode: Number(stat.mode) & 0o7777,
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    mtime: stat.mtimeNs,
  };
}

function member(root: RootedDir, path: Buffer, stat: BigIntStats): TarInput | undefined {
  const type = typeOf(stat);
  if (type === undefined) return undefined;
  const entry: TarEntryInput = { type, name: path, ...attributes(stat), xattrs: xattrsOf(root, path) };
  if (type === 'symlink') return { entry: { ...entry, linkName: root.readlink(path) } };
  if (type === 'char' || type === 'block') {
    const [devMajor, devMinor] = splitDev(stat.rdev);
    return { entry: { ...entry, devMajor, devMinor } };
  }
  if (type !== 'file') return { entry };
  const size = Number(stat.size);
  if (size > CHUNK) return { entry: { ...entry, size }, body: readBig(root, path, size) };
  const fd = openFile(root, path);
  try {
    return { entry, body: readSmall(fd, size) };
  } finally {
    closeFd(fd);
  }
}

/** NONBLOCK, should it have become a fifo by now. */
function openFile(root: RootedDir, path: Buffer): number {
  return root.open(path, O.RDONLY | O.NOFOLLOW | O.NONBLOCK | O.NOCTTY);
}

/** Exactly `size` bytes; zeros where the file has become shorter meanwhile. */
function readSmall(fd: number, size: number): Buffer {
  const out = Buffer.alloc(size);
  for (let at = 0; at < size; ) {
    const n = fs.readSync(fd, out, at, size - at, at);
    if (n === 0) break;
    at += n;
  }
  return out;
}

/** Opens the file only when its bytes are asked for: an archive that nobody reads on must not leave it open. */
async function* readBig(root: RootedDir, path: Buffer, size: number): AsyncGenerator<Buffer, void, void> {
  const fd = openFile(root, path);
  try {
    for (let at = 0; at < size; ) {
      const chunk = Buffer.allocUnsafeSlow(Math.min(CHUNK, size - at));
      const n = await new Promise<number>((resolve, reject) => {
        fs.read(fd, chunk, 0, chunk.length, at, (err, bytes) => (err ? reject(err) : resolve(bytes)));
      });
      if (n === 0) chunk.fill(0);
      const got = n === 0 ? chunk : chunk.subarray(0, n);
      at += got.length;
      yield got;
    }
  } finally {
    closeFd(fd);
  }
}

function isOpaqueDir(root: RootedDir, path: Buffer): boolean {
  try {
    const fd = root.open(path, O.PATH | O.DIRECTORY | O.NOFOLLOW);
    try {
      return isOpaque(fd);
    } finally {
      closeFd(fd);
    }
  } catch (err) {
    if (isErrno(err, 'ENOENT', 'ENOTDIR', 'ELOOP')) return false;
    throw err;
  }
}

/** File capabilities, the user's attributes and trusted ones; not labels of this host's security module. */
function xattrsOf(root: RootedDir, path: Buffer): Map<string, Buffer> {
  const fd = root.open(path, O.PATH | O.NOFOLLOW);
  try {
    const out = new Map<string, Buffer>();
    for (const key of flistxattr(fd).sort()) {
      const wanted = key === 'security.capability' || key.startsWith('user.') || key.startsWith('trusted.');
      if (!wanted || isOverlayXattr(key)) continue;
      const value = fgetxattr(fd, key);
      if (value !== undefined) out.set(key, value);
    }
    return out;
  } finally {
    closeFd(fd);
  }
}
