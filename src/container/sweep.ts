/** Finds and takes down what a daemon that died has left of containers. */
import { readdirSync, readFileSync } from 'node:fs';
import { readdir, rm, rmdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { Cgroup, isErrno, readMountInfo, unmountIfMounted } from '../linux/index.ts';
import type { ContainerPaths } from './paths.ts';

/** Unmounts all that is mounted below `directory`, the last mounted first. */
export function unmountBelow(directory: string): void {
  const points = readMountInfo()
    .map((mount) => mount.mountPoint)
    .filter((point) => point.startsWith(`${directory}/`));
  for (const point of points.reverse()) unmountIfMounted(point, { detach: true });
}

/**
 * Removes a bundle. Off the main thread: on a journaling file system each unlink may take a millisecond.
 * @throws SyscallError `EBUSY` or `ENOTEMPTY` while a container's files or a volume's are mounted in it: nothing is removed then
 */
export async function removeBundle({ bundle, rootfs, subpaths }: ContainerPaths): Promise<void> {
  // Of a run that an earlier daemon made; one at a time, as a mounted one must not be emptied.
  for (const entry of await readdir(subpaths, { withFileTypes: true }).catch(none)) {
    const path = join(subpaths, entry.name);
    await (entry.isDirectory() ? rmdir(path) : unlink(path));
  }
  for (const mountPoint of [rootfs, subpaths]) await rmdir(mountPoint).catch(none);
  await rm(bundle, { recursive: true, force: true });
}

/** Nothing there is nothing to remove. */
function none(err: unknown): never[] {
  if (isErrno(err, 'ENOENT')) return [];
  throw err;
}

/** The anonymous volumes of a container whose creation a dying daemon broke off. */
export function unfinishedVolumes({ unfinished }: ContainerPaths): string[] {
  try {
    const names: unknown = JSON.parse(readFileSync(unfinished, 'utf8'));
    return Array.isArray(names) ? names.filter((name) => typeof name === 'string') : [];
  } catch {
    // None, or cut short: then no volume was made yet.
    return [];
  }
}

/** Removes a container's control group. It stays while there are processes in it. */
export function removeCgroup(cgroup: Cgroup): void {
  try {
    cgroup.remove();
  } catch (err) {
    if (!isErrno(err, 'EBUSY', 'ENOTEMPTY')) throw err;
  }
}

/** Removes the groups below `parent` that are named by a container id which `keep` does not hold. */
export function sweepCgroups(parent: string, keep: ReadonlySet<string>): void {
  const ids = new Set(new Cgroup(parent).directories().flatMap(names));
  for (const id of ids) {
    if (/^[0-9a-f]{64}$/.test(id) && !keep.has(id)) removeCgroup(new Cgroup(`${parent}/${id}`));
  }
}

/** Removes `parent` when no group is left below it. */
export function removeEmptyParent(parent: string): void {
  const group = new Cgroup(parent);
  const empty = group.directories().every((directory) => names(directory).length === 0);
  if (empty && group.path !== '/') removeCgroup(group);
}

/** The groups directly below a group; none when it is not there. */
function names(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch (err) {
    if (isErrno(err, 'ENOENT')) return [];
    throw err;
  }
}
