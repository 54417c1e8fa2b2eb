/** User namespaces with a map of their own, and network namespaces that belong to them. */
import fs from 'node:fs';
import { system } from '../errdefs/index.ts';
import { closeFd, O, openAt } from './fd.ts';
import { type IdMap, idMapText } from './id-map.ts';
import { SyscallError } from './libc.ts';
import { posixSpawn, reap } from './spawn.ts';
import { socketPair } from './unix-socket.ts';

/** Open namespaces, by descriptor; they last while one is open or a process is in them. */
export interface UserNamespace {
  user: number;
  /** A network namespace whose owner is `user`: root in there may configure it. */
  network: number;
}

/**
 * Makes a user namespace in which `map` holds, owned by the caller's user, and a network namespace in it. Synchronous, about
 * a millisecond: the kernel refuses unshare(CLONE_NEWUSER) to a process with several threads, so a helper does it.
 * @param helper the program `wharf-shim`
 * @throws SyscallError of unshare(2): `ENOSPC` at the limit of /proc/sys/user/max_user_namespaces, `EPERM` where they
 *   are switched off; of the map
 */
export function makeUserNamespace(helper: string, map: IdMap): UserNamespace {
  return withHelper(helper, undefined, (pid, next) => {
    fs.writeFileSync(`/proc/${pid}/uid_map`, idMapText(map.uids));
    fs.writeFileSync(`/proc/${pid}/gid_map`, idMapText(map.gids));
    next();
    const user = openAt(-100, `/proc/${pid}/ns/user`, O.RDONLY);
    try {
      return { user, network: openAt(-100, `/proc/${pid}/ns/net`, O.RDONLY) };
    } catch (err) {
      closeFd(user);
      throw err;
    }
  });
}

/** A new network namespace that belongs to the user namespace `user`, both by descriptor. */
export function makeNetworkNamespaceIn(helper: string, user: number): number {
  return withHelper(helper, user, (pid, next) => {
    next();
    return openAt(-100, `/proc/${pid}/ns/net`, O.RDONLY);
  });
}

/** Calls `fn` with a process in a user namespace; `next` makes it go into a network namespace, too. It ends afterwards. */
function withHelper<T>(
  helper: string,
  joined: number | undefined,
  fn: (pid: number, next: () => void) => T,
): T {
  const [ours, theirs] = socketPair();
  let pid: number;
  try {
    pid = posixSpawn({
      path: helper,
      argv: ['wharf-shim', '--namespaces', joined === undefined ? 'new' : 'join'],
      fds: [{ from: theirs, to: 3 }, ...(joined === undefined ? [] : [{ from: joined, to: 4 }])],
    });
  } catch (err) {
    closeFd(ours);
    throw err;
  } finally {
    closeFd(theirs);
  }
  reap(pid, () => {});
  try {
    hear(ours, 'CLONE_NEWUSER');
    return fn(pid, () => {
      fs.writeSync(ours, '.');
      hear(ours, 'CLONE_NEWNET');
    });
  } finally {
    closeFd(ours);
  }
}

const answer = Buffer.alloc(1);

function hear(fd: number, step: string): void {
  if (fs.readSync(fd, answer) !== 1) throw system(`the helper that makes namespaces ended before ${step}`);
  const errno = answer[0] ?? 0;
  if (errno !== 0) throw new SyscallError('unshare', errno, step);
}
