/** The directories and files in a container's root that its mounts are mounted on. */
import { closeFd, isErrno, O, type RootedDir, SyscallError, withFsIds } from '../linux/index.ts';
import type { ResolvedMount } from './mount-table.ts';

/** Mounted by the runtime: what is in them is not in the root file system. */
const RUNTIMES_OWN = ['/dev', '/proc', '/sys'];

/**
 * Makes the missing ones as Docker has them, 0755. The runtime would make them, too, but crun's have modes of its own
 * (01755, 0700), which stay in the container and in images made of it.
 * @param owner the container's root
 */
export function makeMountPoints(
  root: RootedDir,
  mounts: readonly ResolvedMount[],
  owner: { uid: number; gid: number },
): void {
  const over = [...RUNTIMES_OWN, ...mounts.map((mount) => mount.destination)];
  const missing = mounts.filter(
    ({ destination }) =>
      !over.some((other) => destination.startsWith(`${other}/`)) && !root.exists(destination),
  );
  if (missing.length === 0) return;
  const make = (): void => {
    for (const mount of missing) makeOne(root, mount);
  };
  if (owner.uid === 0 && owner.gid === 0) make();
  else withFsIds(owner.uid, owner.gid, make);
}

function makeOne(root: RootedDir, { destination, isDirectory }: ResolvedMount): void {
  try {
    if (isDirectory) {
      root.mkdirAll(destination);
      return;
    }
    root.mkdirAll(destination.slice(0, destination.lastIndexOf('/')) || '/');
    closeFd(root.open(destination, O.WRONLY | O.CREAT | O.EXCL | O.NOCTTY, 0o755));
  } catch (err) {
    // Something is in the way: the runtime tries the same, and has the words for it.
    if (!(err instanceof SyscallError) || isErrno(err, 'ENOSPC', 'EDQUOT', 'EIO')) throw err;
  }
}
