/** Makes an archive of local files for `cp` into a container. */
import {
  type BigIntStats,
  createReadStream,
  lstatSync,
  readdirSync,
  readlinkSync,
  realpathSync,
} from 'node:fs';
import { join } from 'node:path';
import type { TarInput, TarType } from '../../../oci/index.ts';
import { fileError } from '../files.ts';

function typeOf(stat: BigIntStats): TarType | undefined {
  if (stat.isFile()) return 'file';
  if (stat.isDirectory()) return 'directory';
  if (stat.isSymbolicLink()) return 'symlink';
  if (stat.isFIFO()) return 'fifo';
  if (stat.isCharacterDevice()) return 'char';
  return stat.isBlockDevice() ? 'block' : undefined; // a socket cannot be copied
}

/** Facts of a local path. @throws CliError when it is not there */
export function localStat(path: string, follow: boolean): BigIntStats {
  try {
    return lstatSync(follow ? realpathSync(path) : path, { bigint: true });
  } catch (err) {
    throw fileError('lstat', path, err);
  }
}

/** Exactly `size` bytes of a file: one that grows meanwhile is cut, one that shrinks is filled up with zeros. */
async function* fileBody(path: string, size: number): AsyncGenerator<Uint8Array> {
  let left = size;
  if (size > 0) {
    for await (const chunk of createReadStream(path, { end: size - 1, highWaterMark: 256 << 10 })) {
      left -= (chunk as Buffer).length;
      yield chunk as Buffer;
    }
  }
  for (; left > 0; left -= 65536) yield Buffer.alloc(Math.min(left, 65536));
}

/** The members of the tree at `path`, its root called `name`; hard links among them stay links. */
export function* packTree(path: string, name: string, stat: BigIntStats): Generator<TarInput> {
  yield* packEntry(path, name, stat, new Map());
}

function* packEntry(
  path: string,
  name: string,
  stat: BigIntStats,
  seen: Map<string, string>,
): Generator<TarInput> {
  const type = typeOf(stat);
  if (!type) return;
  const common = {
    name,
    mode: Number(stat.mode & 0o7777n),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    mtime: stat.mtimeNs - (stat.mtimeNs % 1_000_000_000n), // whole seconds, as docker: a header less for each file
  };
  if (type === 'file') {
    const inode = `${stat.dev}:${stat.ino}`;
    const first = stat.nlink > 1n ? seen.get(inode) : undefined;
    if (first !== undefined) {
      yield { entry: { ...common, type: 'link', linkName: first } };
      return;
    }
    seen.set(inode, name);
    const size = Number(stat.size);
    yield { entry: { ...common, type, size }, body: fileBody(path, size) };
    return;
  }
  const device = {
    devMajor: Number((stat.rdev >> 8n) & 0xfffn),
    devMinor: Number((stat.rdev & 0xffn) | ((stat.rdev >> 12n) & 0xfff00n)),
  };
  yield {
    entry: {
      ...common,
      type,
      ...(type === 'symlink' && { linkName: readlinkSync(path) }),
      ...((type === 'char' || type === 'block') && device),
    },
  };
  if (type !== 'directory') return;
  for (const child of readdirSync(path).toSorted()) {
    const childPath = join(path, child);
    yield* packEntry(childPath, `${name}/${child}`, lstatSync(childPath, { bigint: true }), seen);
  }
}
