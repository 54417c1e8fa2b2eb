/** The files every container's root has, made as Docker makes them (its init layer). */
import type { InitFile } from './types.ts';

/** What Docker's init layer holds (moby, daemon/initlayer): mount points and the files that are mounted over. */
export const dockerInitFiles: readonly InitFile[] = [
  { path: '/dev/pts', type: 'directory' },
  { path: '/dev/shm', type: 'directory' },
  { path: '/proc', type: 'directory' },
  { path: '/sys', type: 'directory' },
  { path: '/.dockerenv', type: 'file' },
  { path: '/etc/resolv.conf', type: 'file' },
  { path: '/etc/hosts', type: 'file' },
  { path: '/etc/hostname', type: 'file' },
  { path: '/dev/console', type: 'file' },
  { path: '/etc/mtab', type: 'symlink', target: '/proc/mounts' },
];
