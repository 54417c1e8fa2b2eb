import { mkdirSync } from 'node:fs';
import { system } from '../errdefs/index.ts';
import { closeFd, isErrno, O, posixSpawn, RootedDir, waitForExit } from '../linux/index.ts';
import type { ContainerDeps } from './deps.ts';
import type { ContainerPaths } from './paths.ts';
import type { ContainerRecord, MountRecord } from './types.ts';

/**
 * Fills the container's empty volumes with what the image has at their place, owners and modes included, as
 * Docker does when a container is created.
 */
export async function copyUpVolumes(
  deps: ContainerDeps,
  record: ContainerRecord,
  paths: ContainerPaths,
): Promise<void> {
  const fresh = record.mounts.filter((mount) => mount.type === 'volume' && mount.copyUp && !mount.subpath);
  for (const mount of record.mounts) {
    if (mount.type !== 'volume' || mount.name === undefined) continue;
    const labels = mount.anonymous ? { Labels: { 'com.docker.volume.anonymous': '' } } : {};
    deps.volumes.create({ Name: mount.name, ...labels });
  }
  const empty = fresh.filter((mount) => deps.volumes.isEmpty(mount.name!));
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
  }
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
