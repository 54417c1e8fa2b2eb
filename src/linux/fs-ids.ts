/**
 * The ids under which this thread makes files (man 2 setfsuid), with all its capabilities: how the daemon's root writes
 * through an idmapped mount, where 0 is nobody.
 */
import { system } from '../errdefs/index.ts';
import { check, libcFunction } from './libc.ts';

const PR_GET_SECUREBITS = 27;
const PR_SET_SECUREBITS = 28;
/** Capabilities stay as they are when ids change (man 7 capabilities). */
const SECBIT_NO_SETUID_FIXUP = 4;
const NO_ID = 0xffffffff;

const c = {
  prctl: libcFunction<[number, number, number, number, number]>(
    'int prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)',
  ),
  setfsuid: libcFunction<[number]>('int setfsuid(unsigned int uid)'),
  setfsgid: libcFunction<[number]>('int setfsgid(unsigned int gid)'),
};

/** Sets both and says whether they took: the calls themselves do not tell. */
function set(uid: number, gid: number): boolean {
  c.setfsgid(gid);
  c.setfsuid(uid);
  return c.setfsgid(NO_ID) === gid && c.setfsuid(NO_ID) === uid;
}

/**
 * From now on this thread makes files as `uid`:`gid`; the result takes that back. For a thread of one's own: others (Node's asynchronous
 * `fs`) are not touched.
 */
export function takeFsIds(uid: number, gid: number): () => void {
  const [ownUid, ownGid] = [c.setfsuid(NO_ID), c.setfsgid(NO_ID)];
  const bits = check('prctl', c.prctl(PR_GET_SECUREBITS, 0, 0, 0, 0));
  check('prctl', c.prctl(PR_SET_SECUREBITS, bits | SECBIT_NO_SETUID_FIXUP, 0, 0, 0), 'PR_SET_SECUREBITS');
  const undo = (): void => {
    set(ownUid, ownGid);
    c.prctl(PR_SET_SECUREBITS, bits, 0, 0, 0);
  };
  if (set(uid, gid)) return undo;
  undo();
  throw system(`cannot make files as ${uid}:${gid}`);
}

/** Runs `fn`, which must be synchronous, with this thread making files as `uid`:`gid`, and always comes back. */
export function withFsIds<T>(uid: number, gid: number, fn: () => T): T {
  const undo = takeFsIds(uid, gid);
  try {
    const result = fn();
    if (result instanceof Promise) throw system('withFsIds: the function must be synchronous');
    return result;
  } finally {
    undo();
  }
}
