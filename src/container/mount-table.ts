/** A container's mounts as the OCI runtime wants them. */
import type { ContainerPaths } from './paths.ts';
import type { ContainerRecord, MountRecord } from './types.ts';

/** A mount whose data is ready at `source` on the host. */
export type ResolvedMount = MountRecord & { source: string };

/** An entry of the runtime spec's `mounts` (OCI runtime-spec config.md). */
export interface OciMount {
  destination: string;
  type: string;
  source: string;
  options: string[];
}

/**
 * The mounts asked for and the files the engine gives (`/etc/hosts`, …), parents before what is mounted in
 * them. A file of the engine's gives way to a mount of the user's at the same place.
 */
export function mountTable(
  record: ContainerRecord,
  paths: ContainerPaths,
  mounts: ResolvedMount[],
): OciMount[] {
  const taken = new Set(mounts.map((mount) => mount.destination));
  const files: [string, string][] = [
    ['/etc/resolv.conf', paths.resolvConf],
    ['/etc/hostname', paths.hostname],
    ['/etc/hosts', paths.hosts],
  ];
  const writable = record.hostConfig.ReadonlyRootfs ? 'ro' : 'rw';
  const table = files
    .filter(([destination]) => !taken.has(destination))
    .map(([destination, source]) => ({
      destination,
      type: 'bind',
      source,
      options: ['rbind', 'rprivate', writable],
    }));
  if (record.hostConfig.IpcMode === 'shareable' && !taken.has('/dev/shm')) {
    table.push({ destination: '/dev/shm', type: 'bind', source: paths.shm, options: ['rbind', 'rprivate'] });
  }
  return [...table, ...mounts.map(ociMount)].sort((a, b) => depth(a.destination) - depth(b.destination));
}

function ociMount(mount: ResolvedMount): OciMount {
  const { destination } = mount;
  if (mount.type === 'tmpfs') {
    const given = (mount.options ?? '').split(',').filter(Boolean);
    const options = ['noexec', 'nosuid', 'nodev'].filter((flag) => !given.includes(flag.slice(2)));
    return { destination, type: 'tmpfs', source: 'tmpfs', options: [...options, ...given] };
  }
  return {
    destination,
    type: 'bind',
    source: mount.source,
    options: [
      mount.nonRecursive ? 'bind' : 'rbind',
      mount.propagation ?? 'rprivate',
      // `rro` holds for what is mounted below the source as well, as in Docker since 25.
      ...(mount.readOnly ? ['ro', ...(mount.nonRecursive ? [] : ['rro'])] : ['rw']),
    ],
  };
}

const depth = (path: string): number => path.split('/').length;
