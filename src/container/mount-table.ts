/** A container's mounts as the OCI runtime wants them. */
import type { ContainerPaths } from './paths.ts';
import type { ContainerRecord, MountRecord } from './types.ts';

/** A mount whose data is ready at `source` on the host. */
export type ResolvedMount = MountRecord & { source: string; isDirectory: boolean };

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
 * @param shm the host's side of /dev/shm, when it is shared with other containers
 */
export function mountTable(
  record: ContainerRecord,
  paths: Pick<ContainerPaths, 'hosts' | 'hostname' | 'resolvConf'>,
  mounts: ResolvedMount[],
  shm?: string,
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
  if (shm !== undefined && !taken.has('/dev/shm')) {
    table.push({ destination: '/dev/shm', type: 'bind', source: shm, options: ['rbind', 'rprivate'] });
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
      ...(mount.readOnly ? readOnly(mount) : ['rw']),
    ],
  };
}

/** `rro` holds for what is mounted below the source as well, as in Docker since 25. crun refuses it for a file. */
function readOnly(mount: ResolvedMount): string[] {
  const top = mount.nonRecursive || mount.readOnlyTop || !mount.isDirectory;
  return top ? ['ro'] : ['ro', 'rro'];
}

const depth = (path: string): number => path.split('/').length;
