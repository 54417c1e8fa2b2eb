/**
 * Mounts by descriptor: clones of mounts that hang nowhere and vanish with their descriptor (man 2 open_tree,
 * move_mount, mount_setattr), and views put together of them in a mount namespace that exists only meanwhile.
 *
 * Stepping between mount namespaces needs a thread whose root and working directory are its own
 * ({@link ownFilesystemContext}): a worker, never the main thread.
 */
import { constants } from 'node:os';
import { system } from '../errdefs/index.ts';
import { AT_FDCWD, closeFd, O, openAt } from './fd.ts';
import { MOUNT_ATTR } from './fs-context.ts';
import { check, lastErrno, libcFunction, SyscallError } from './libc.ts';
import { setPropagation } from './mount.ts';

// The same numbers on every architecture.
const SYS_OPEN_TREE = 428;
const SYS_MOVE_MOUNT = 429;
const SYS_MOUNT_SETATTR = 442;

const OPEN_TREE_CLONE = 1;
const OPEN_TREE_CLOEXEC = 0o2000000;
const AT_EMPTY_PATH = 0x1000;
const AT_RECURSIVE = 0x8000;
const MOVE_MOUNT_F_EMPTY_PATH = 4;
const MOVE_MOUNT_T_EMPTY_PATH = 0x40;
const CLONE_FS = 0x200;
const CLONE_NEWNS = 0x20000;
const OWN = '/proc/thread-self/ns/mnt';

const c = {
  openTree: libcFunction<[number, number, string, number]>(
    'long syscall(long nr, int dirfd, const char *path, unsigned int flags)',
  ),
  moveMount: libcFunction<[number, number, string, number, string, number]>(
    'long syscall(long nr, int fromfd, const char *from, int tofd, const char *to, int flags)',
  ),
  mountSetattr: libcFunction<[number, number, string, number, Buffer, number]>(
    'long syscall(long nr, int fd, const char *path, int flags, const void *attr, size_t size)',
  ),
  unshare: libcFunction<[number]>('int unshare(int flags)'),
  setns: libcFunction<[number, number]>('int setns(int fd, int type)'),
  umask: libcFunction<[number]>('unsigned int umask(unsigned int mask)'),
};

/**
 * A detached clone of the mount that `fd` lies in, with `fd` as its root; with `recursive` of the mounts below, too.
 * It is mounted nowhere and gone with the descriptor, which is yours to close. The mount must be one of this
 * thread's namespace.
 */
export function cloneMount(fd: number, recursive: boolean): number {
  const flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
  return check('open_tree', c.openTree(SYS_OPEN_TREE, fd, '', flags));
}

/** {@link cloneMount} of what lies at a trusted host path. */
export function cloneMountAt(path: string, recursive: boolean): number {
  const fd = openAt(AT_FDCWD, path, O.PATH);
  try {
    return cloneMount(fd, recursive);
  } finally {
    closeFd(fd);
  }
}

/** Mounts the detached `mount` on what `target` (an `O_PATH` descriptor or a trusted path) stands for. */
export function attachMount(mount: number, target: number | string): void {
  const [fd, path] = typeof target === 'number' ? [target, ''] : [AT_FDCWD, target];
  const flags = MOVE_MOUNT_F_EMPTY_PATH | (path === '' ? MOVE_MOUNT_T_EMPTY_PATH : 0);
  check('move_mount', c.moveMount(SYS_MOVE_MOUNT, mount, '', fd, path, flags), path || undefined);
}

/** Makes the mount `fd` read-only, with `recursive` all below it, too (Linux 5.12). */
export function setMountReadOnly(fd: number, recursive: boolean): void {
  const attr = Buffer.alloc(32); // struct mount_attr: u64 attr_set, attr_clr, propagation, userns_fd
  attr.writeBigUInt64LE(BigInt(MOUNT_ATTR.rdonly));
  const flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
  for (;;) {
    if (c.mountSetattr(SYS_MOUNT_SETATTR, fd, '', flags, attr, 32) !== -1) return;
    const errno = lastErrno();
    if (errno !== constants.errno.EINTR) throw new SyscallError('mount_setattr', errno);
  }
}

let own = false;

/**
 * Gives this thread a root, working directory and umask of its own (umask 0: new files get the modes they are asked
 * for), so that it may step into other mount namespaces. For worker threads; the main one would lose the others.
 */
export function ownFilesystemContext(): void {
  if (own) return;
  check('unshare', c.unshare(CLONE_FS));
  c.umask(0);
  own = true;
}

/** Runs `fn`, which changes the mount namespace, and puts this thread back into the one it had. */
function andBack<T>(fn: () => T): T {
  ownFilesystemContext();
  const home = openAt(AT_FDCWD, OWN, O.RDONLY);
  try {
    const result = fn();
    if (result instanceof Promise) throw system('a function in another mount namespace must be synchronous');
    return result;
  } finally {
    const back = c.setns(home, CLONE_NEWNS);
    closeFd(home);
    check('setns', back, OWN);
  }
}

/** Runs the synchronous `fn` in the mount namespace `ns` (a descriptor); `/` is then that namespace's root. */
export function inMountNamespace<T>(ns: number, fn: () => T): T {
  return andBack(() => {
    check('setns', c.setns(ns, CLONE_NEWNS));
    return fn();
  });
}

/**
 * Runs the synchronous `fn` in a new mount namespace, a copy of this one that nothing travels out of. It and all
 * that was mounted in it are gone afterwards, also when the process is killed; clones made of it stay.
 */
export function inPrivateMountNamespace<T>(fn: () => T): T {
  return andBack(() => {
    check('unshare', c.unshare(CLONE_NEWNS));
    setPropagation('/', 'rslave');
    return fn();
  });
}
