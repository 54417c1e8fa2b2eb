/** The kernel, typed: everything this room offers. It knows nothing of containers. */

export * from './fd.ts';
export { isErrno, SyscallError } from './libc.ts';
export * from './mount.ts';
export * from './netns.ts';
export * from './process.ts';
export * from './rooted-dir.ts';
export * from './spawn.ts';
export * from './unix-socket.ts';
export * from './xattr.ts';
