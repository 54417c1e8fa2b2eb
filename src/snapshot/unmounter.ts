/**
 * Unmounting overlays without waiting for the disk. The last reference to an overlay flushes the whole file system
 * below it (overlayfs' sync_fs): 130 ms with 300 MB dirty, on the daemon's only thread. So the mount is taken out of
 * sight at once while a descriptor keeps it alive, and that is closed in a thread of libuv's pool, one at a time.
 */
import fs from 'node:fs';
import { closeFd, isErrno, O, openAt, unmount } from '../linux/index.ts';

export class Unmounter {
  readonly #waiting: number[] = [];
  #closing: Promise<void> | undefined;

  /** Unmounts the top mount at `target`. Nothing mounted, or no such directory: nothing done, false. */
  unmount(target: string): boolean {
    let fd: number;
    try {
      fd = openAt(-100, target, O.PATH | O.DIRECTORY);
    } catch (err) {
      if (isErrno(err, 'ENOENT', 'ENOTDIR')) return false;
      throw err;
    }
    try {
      unmount(target, { detach: true });
    } catch (err) {
      closeFd(fd);
      if (isErrno(err, 'EINVAL', 'ENOENT')) return false;
      throw err;
    }
    this.#waiting.push(fd);
    this.#closing ??= this.#closeAll();
    return true;
  }

  async #closeAll(): Promise<void> {
    for (let fd = this.#waiting.shift(); fd !== undefined; fd = this.#waiting.shift()) {
      const open = fd;
      await new Promise<void>((resolve) => fs.close(open, () => resolve()));
    }
    this.#closing = undefined;
  }

  /** Resolves when everything unmounted so far is really gone. */
  async settled(): Promise<void> {
    while (this.#closing) await this.#closing;
  }
}
