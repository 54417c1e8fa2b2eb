/** The mounts every container has. */
import { existsSync } from 'node:fs';
import type { SpecMount } from './spec-types.ts';

/** What they depend on. */
export interface MountInput {
  readOnlyRoot: boolean;
  writableSys: boolean;
  writableCgroups: boolean;
  /** Size of /dev/shm in bytes; default 64 MiB. */
  shm: number | undefined;
  noShm: boolean;
  /** The host's IPC namespace: its own /dev/shm and message queues. */
  hostIpc: boolean;
  /** The container has a user namespace of its own. */
  userNamespace?: boolean;
}

const SHM_SIZE = 64 << 20;

/** These stay writable under a read-only root. */
const ALWAYS_WRITABLE = new Set(['/proc', '/dev', '/dev/pts', '/dev/shm', '/dev/mqueue']);

/**
 * The default mounts and `mounts`, in the order to be made. A mount of the user's takes a default's place; one at /dev
 * takes all below it.
 */
export function defaultMounts(input: MountInput, mounts: readonly SpecMount[]): SpecMount[] {
  const taken = new Set(mounts.map(({ destination }) => destination));
  const free = ({ destination }: SpecMount): boolean =>
    !taken.has(destination) && !(taken.has('/dev') && destination.startsWith('/dev/'));
  const defaults = makeDefaults(input).filter(free);
  if (input.readOnlyRoot) {
    for (const { destination, options } of defaults) {
      if (!ALWAYS_WRITABLE.has(destination) && !options?.includes('ro')) options?.push('ro');
    }
  }
  return [...defaults, ...mounts];
}

function makeDefaults(input: MountInput): SpecMount[] {
  const sysRo = input.writableSys ? [] : ['ro'];
  const cgroupRo = input.writableCgroups ? [] : ['ro'];
  const mounts: SpecMount[] = [
    { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
    {
      destination: '/dev',
      type: 'tmpfs',
      source: 'tmpfs',
      options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
    },
    {
      destination: '/dev/pts',
      type: 'devpts',
      source: 'devpts',
      options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
    },
    {
      destination: '/sys',
      type: 'sysfs',
      source: 'sysfs',
      options: ['nosuid', 'noexec', 'nodev', ...sysRo],
    },
    {
      destination: '/sys/fs/cgroup',
      type: 'cgroup',
      source: 'cgroup',
      options: [...cgroupRo, 'nosuid', 'noexec', 'nodev'],
    },
  ];
  // Only who is root of the IPC namespace's owner may mount its message queues: of the host's there is what the host shows.
  if (!input.hostIpc || input.userNamespace !== true) {
    mounts.push({
      destination: '/dev/mqueue',
      type: 'mqueue',
      source: 'mqueue',
      options: ['nosuid', 'noexec', 'nodev'],
    });
  } else if (existsSync('/dev/mqueue')) {
    mounts.push({
      destination: '/dev/mqueue',
      type: 'bind',
      source: '/dev/mqueue',
      options: ['rbind', 'rprivate'],
    });
  }
  if (input.noShm) return mounts;
  const shm: SpecMount = input.hostIpc
    ? { destination: '/dev/shm', type: 'bind', source: '/dev/shm', options: ['rbind', 'rprivate'] }
    : {
        destination: '/dev/shm',
        type: 'tmpfs',
        source: 'shm',
        options: ['nosuid', 'noexec', 'nodev', 'mode=1777', `size=${input.shm || SHM_SIZE}`],
      };
  return [...mounts, shm];
}
