/** The kernel, typed: everything this room offers. It knows nothing of containers. */

export * from './cgroup.ts';
export * from './cgroup-stats.ts';
export * from './conntrack.ts';
export * from './fd.ts';
export { type MountFlags, type MountOptions, reconfigureFilesystem } from './fs-context.ts';
export { isHungUp } from './hang-up.ts';
export * from './host-info.ts';
export * from './inet-socket.ts';
export { isErrno, SyscallError } from './libc.ts';
export * from './memfd.ts';
export * from './mount.ts';
export * from './mount-info.ts';
export * from './mount-overlay.ts';
export * from './netns.ts';
export * from './nftables.ts';
export * from './process.ts';
export * from './rooted-dir.ts';
export * from './rtnetlink.ts';
export * from './rtnetlink-link.ts';
export * from './rtnetlink-route.ts';
export { NetlinkError, type NetlinkRequest } from './rtnetlink-socket.ts';
export * from './seccomp-filter.ts';
export * from './signal.ts';
export * from './spawn.ts';
export * from './sync-fs.ts';
export * from './unix-socket.ts';
export * from './xattr.ts';
