import { conflict } from '../errdefs/index.ts';
import { isErrno, lockInNetns } from '../linux/index.ts';

/** How long a daemon that is on its way out may take. */
const LOCK_WAIT_MS = 3000;
const LOCK_POLL_MS = 50;

/** Two daemons on one bridge would each remove the other's links as strays. Held until close() or death. */
export function lockBridge(link: string): number {
  for (const deadline = Date.now() + LOCK_WAIT_MS; ; ) {
    try {
      return lockInNetns(`wharf/bridge/${link}`);
    } catch (err) {
      if (!isErrno(err, 'EADDRINUSE')) throw err;
      if (Date.now() > deadline) {
        throw conflict(`another daemon uses the bridge ${link} in this network namespace`, {
          hint: 'give this one another --bridge',
        });
      }
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOCK_POLL_MS);
    }
  }
}
