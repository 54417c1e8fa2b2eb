/**
 * Unpacks an archive that came from a container. What is in it was chosen by whoever controls the container: no
 * member may lie outside the destination, and none is written through a symbolic link below it.
 */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  createWriteStream,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
} from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { readTar, type TarEntry, type TarMember } from '../../../oci/index.ts';
import { CliError } from '../../errors.ts';
import { fileError } from '../files.ts';
import { type Placement, renameRoot } from './cp-paths.ts';

/** How to unpack. */
export interface UnpackOptions {
  placement: Placement;
  /** Keep the owners of the archive (`-a`); else files belong to whoever copies. */
  owners: boolean;
}

/** A safe path for a member's name below `root`. @throws CliError */
function memberPath(root: string, name: string): string {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..'))
    throw new CliError(`the archive holds a path that leads out of it: ${JSON.stringify(name)}`);
  let path = root;
  for (const part of parts.slice(0, -1)) {
    path = join(path, part);
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (!stat) mkdirSync(path);
    else if (!stat.isDirectory())
      throw new CliError(`refusing to copy through ${JSON.stringify(path)}: it is not a directory`);
  }
  return parts.length ? join(path, parts.at(-1) ?? '') : root;
}

/** Makes way for a member: what is there goes, unless both are directories. */
function makeWay(path: string, directory: boolean, root: string): boolean {
  const old = lstatSync(path, { throwIfNoEntry: false });
  if (!old) return false;
  if (old.isDirectory() && directory) return true;
  if (old.isDirectory() || directory) {
    throw new CliError(
      `cannot overwrite ${directory ? 'non-directory' : 'directory'} ${JSON.stringify(path)} with ${directory ? 'directory' : 'non-directory'} ${JSON.stringify(root)}`,
    );
  }
  rmSync(path);
  return false;
}

/** Writes the members. */
export async function unpack(
  source: AsyncIterable<Uint8Array>,
  { placement, owners }: UnpackOptions,
): Promise<void> {
  const root = placement.directory;
  const directories: Array<{ path: string; time: Date; mode: number }> = [];
  for await (const member of readTar(source)) {
    const { entry } = member;
    const path = memberPath(root, renameRoot(entry.name.toString(), placement.name));
    const time = new Date(Number(entry.mtime / 1_000_000n));
    try {
      if (!(await writeMember(member, path, root, placement.name))) continue;
      if (owners) lchownSync(path, entry.uid, entry.gid);
      if (entry.type === 'symlink') lutimesSync(path, time, time);
      else if (entry.type === 'directory') directories.push({ path, time, mode: entry.mode });
      else if (entry.type !== 'link') {
        chmodSync(path, entry.mode);
        utimesSync(path, time, time);
      }
    } catch (err) {
      throw err instanceof CliError ? err : fileError('write', path, err);
    }
  }
  // Directories last: one without write permission could not be filled, and filling it changes its time.
  for (const { path, time, mode } of directories.toReversed()) {
    if (path === root && placement.name === undefined) continue; // the user's own directory stays as it is
    chmodSync(path, mode);
    utimesSync(path, time, time);
  }
}

/** A fifo or device. Node has no call for it; who may not make devices is told so by the kernel. */
function makeNode(path: string, { type, devMajor, devMinor }: TarEntry): void {
  const kind = type === 'fifo' ? ['p'] : [type === 'char' ? 'c' : 'b', String(devMajor), String(devMinor)];
  const { status, stderr } = spawnSync('mknod', ['-m', '0600', '--', path, ...kind], { encoding: 'utf8' });
  if (status !== 0) throw new CliError(stderr?.trim() || `cannot make ${path}: mknod is not on this machine`);
}

async function writeMember(
  member: TarMember,
  path: string,
  root: string,
  name: string | undefined,
): Promise<boolean> {
  const { entry } = member;
  const existed = makeWay(path, entry.type === 'directory', root);
  switch (entry.type) {
    case 'directory':
      if (!existed) mkdirSync(path, { mode: 0o700 });
      return true;
    case 'file':
      await pipeline(Readable.from(member.body()), createWriteStream(path, { flags: 'wx', mode: 0o600 }));
      return true;
    case 'symlink':
      symlinkSync(entry.linkName, path);
      return true;
    case 'link': {
      const target = memberPath(root, renameRoot(entry.linkName.toString(), name));
      if (!lstatSync(target).isFile())
        throw new CliError(`the archive links to what is no file: ${JSON.stringify(target)}`);
      linkSync(target, path);
      return false;
    }
    default:
      makeNode(path, entry);
      return true;
  }
}
