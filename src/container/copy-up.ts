import { mkdirSync } from 'node:fs';
import { system } from '../errdefs/index.ts';
import { closeFd, isErrno, O, posixSpawn, RootedDir, waitForExit } from '../linux/index.ts';
import { ANONYMOUS_LABEL } from '../volume/index.ts';
import type { ContainerDeps } from './deps.ts';
import type { ContainerPaths } from './paths.ts';
import { removeBundle } from './sweep.ts';
import type { ContainerRecord, MountRecord } from './types.ts';

/**
 * Makes the container's volumes and fills the empty ones with what the image has at their place, owners and modes
 * included, as Docker does when a container is created.
 * @param made gets the names of the anonymous volumes, as they are made
 */
export async function makeVolumes(
  deps: ContainerDeps,
  record: ContainerRecord,
  paths: ContainerPaths,
  made: string[],
): Promise<void> {
  for (const mount of record.mounts) {
    if (mount.type === 'volume') makeVolume(deps, record, mount, made);
  }
  const empty = record.mounts.filter(
    (mount) => mount.type === 'volume' && mount.copyUp && !mount.subpath && deps.volumes.isEmpty(mount.name!),
  );
  if (empty.length === 0) return;
  mkdirSync(paths.rootfs, { recursive: true, mode: 0o711 });
  deps.snapshots.mount(record.id, paths.rootfs);
  try {
    const root = RootedDir.open(paths.rootfs);
    try {
      for (const mount of empty) await copyUp(deps, record, root, mount);
    } finally {
      root.close();
    }
  } finally {
    deps.snapshots.unmount(paths.rootfs);
    await removeBundle(paths);
  }
}

function makeVolume(
  deps: ContainerDeps,
  record: ContainerRecord,
  { name, anonymous, creation }: MountRecord,
  made: string[],
): void {
  if (name === undefined) return;
  const driver = creation ? creation.driver : record.hostConfig.VolumeDriver;
  const existed = deps.volumes.exists(name);
  deps.volumes.create({
    Name: name,
    ...(driver ? { Driver: driver } : {}),
    ...(creation?.driverOpts ? { DriverOpts: creation.driverOpts } : {}),
    Labels: { ...creation?.labels, ...(anonymous ? { [ANONYMOUS_LABEL]: '' } : {}) },
  });
  if (anonymous && !existed) made.push(name);
}

async function copyUp(
  deps: ContainerDeps,
  record: ContainerRecord,
  root: RootedDir,
  mount: MountRecord,
): Promise<void> {
  let source: number;
  try {
    source = root.open(mount.destination, O.RDONLY | O.DIRECTORY);
  } catch (err) {
    if (isErrno(err, 'ENOENT', 'ENOTDIR')) return;
    throw err;
  }
  const target = deps.volumes.mount(mount.name!, record.id);
  try {
    // Once more: a volume with a file system of its own shows what is in it only now.
    if (!deps.volumes.isEmpty(mount.name!)) return;
    // cp knows every kind of file, hard links, xattrs and sparse files; it gets the directory as a
    // descriptor that the kernel resolved inside the root.
    const pid = posixSpawn({
      path: '/bin/cp',
      argv: ['cp', '-a', '--', '/proc/self/fd/3/.', target],
      fds: [{ from: source, to: 3 }],
    });
    const { code } = await waitForExit(pid);
    if (code !== 0) throw system(`failed to copy the image's ${mount.destination} into volume ${mount.name}`);
  } finally {
    closeFd(source);
    deps.volumes.unmount(mount.name!, record.id);
  }
}
