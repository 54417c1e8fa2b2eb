/**
 * Network namespaces kept alive by a bind mount of their nsfs file, as `ip netns` does.
 *
 * The calling thread itself steps into the new namespace and back, synchronously: about 0.5 ms, no helper process.
 * Sockets opened meanwhile belong to the namespace for good.
 */
import fs from 'node:fs';
import { system } from '../errdefs/index.ts';
import { closeFd, O, openAt } from './fd.ts';
import { check, isErrno, libcFunction } from './libc.ts';
import { bindMount, unmountIfMounted } from './mount.ts';

const CLONE_NEWNET = 0x40000000;
const OWN = '/proc/thread-self/ns/net';

const c = {
  unshare: libcFunction<[number]>('int unshare(int flags)'),
  setns: libcFunction<[number, number]>('int setns(int fd, int type)'),
};

const openNs = (path: string): number => openAt(-100, path, O.RDONLY);

/** Runs `fn` and puts this thread back into the namespace it had. That can only fail if the kernel is broken. */
function andBack<T>(fn: () => T): T {
  const own = openNs(OWN);
  try {
    try {
      return fn();
    } finally {
      check('setns', c.setns(own, CLONE_NEWNET), OWN);
    }
  } finally {
    closeFd(own);
  }
}

/**
 * Makes a network namespace (with `lo` down) and binds it to the file `path`, which is made.
 * @param made binds this one instead, by descriptor: one that belongs to a user namespace is made there
 */
export function createNetns(path: string, made?: number): void {
  closeFd(openAt(-100, path, O.RDONLY | O.CREAT | O.EXCL, 0o444));
  try {
    if (made !== undefined) {
      bindMount(`/proc/self/fd/${made}`, path);
      return;
    }
    andBack(() => {
      check('unshare', c.unshare(CLONE_NEWNET));
      bindMount(OWN, path);
    });
  } catch (err) {
    deleteNetns(path);
    throw err;
  }
}

/** Lets go of the namespace at `path` and removes the file; not there is fine. It lives on while processes use it. */
export function deleteNetns(path: string): void {
  while (unmountIfMounted(path, { detach: true })); // more than one after a crash in between
  try {
    fs.unlinkSync(path);
  } catch (err) {
    if (!isErrno(err, 'ENOENT')) throw err;
  }
}

/**
 * Runs `fn` with this thread in the network namespace `path` (also `/proc/PID/ns/net`), and always comes back.
 * `fn` must be synchronous: what it awaited would run in the host's namespace.
 */
export function withNetns<T>(path: string, fn: () => T): T {
  const target = openNs(path);
  try {
    return andBack(() => {
      check('setns', c.setns(target, CLONE_NEWNET), path);
      const result = fn();
      if (result instanceof Promise) throw system('withNetns: the function must be synchronous');
      return result;
    });
  } finally {
    closeFd(target);
  }
}
