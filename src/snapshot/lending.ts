/**
 * Lends the mounts of snapshots: a clone of a snapshot's overlay that is mounted nowhere, for whoever reads or writes
 * its files beside its container.
 *
 * Two overlays over one upper directory do not know of each other's changes (the kernel calls that undefined), so while
 * a snapshot is lent there is one overlay of it, whatever its container does meanwhile: a spare clone is kept, which
 * is what `mount` mounts then; and `unmount` keeps one before the mount goes. A descriptor holds each: when the
 * daemon is killed, nothing of it is left.
 */
import fs from 'node:fs';
import { attachMount, cloneMountAt } from '../linux/index.ts';
import type { MountOwner } from './idmapped-overlay.ts';

/** A lent mount. */
export interface LentMount {
  /** A detached clone, for {@link attachMount} or as a root directory. Closed by {@link release}. */
  readonly fd: number;
  /** Takes it back. Nothing may use it any more. Idempotent. */
  release(): void;
}

interface Loan {
  users: number;
  /** While the snapshot is not mounted. */
  spare: number | undefined;
}

export interface LendingOptions {
  /** Mounts a snapshot's overlay on a directory. */
  mount(key: string, target: string, owner?: MountOwner): void;
  unmount(target: string): void;
  /** A new empty directory, and its removal. */
  makeDirectory(): string;
  removeDirectory(path: string): void;
}

export class Lending {
  readonly #o: LendingOptions;
  readonly #loans = new Map<string, Loan>();
  /** Where snapshots are mounted, as far as this process mounted them. */
  readonly #mounted = new Map<string, string>();

  constructor(options: LendingOptions) {
    this.#o = options;
  }

  /** Mounts a snapshot on `target`. */
  mount(key: string, target: string, owner?: MountOwner): void {
    const loan = this.#loans.get(key);
    if (loan?.spare === undefined) this.#o.mount(key, target, owner);
    else {
      attachMount(loan.spare, target);
      closeLater(loan.spare);
      loan.spare = undefined;
    }
    this.#mounted.set(key, target);
  }

  /** To be called before `target` is unmounted. */
  beforeUnmount(target: string): void {
    for (const [key, at] of this.#mounted) {
      if (at !== target) continue;
      this.#mounted.delete(key);
      const loan = this.#loans.get(key);
      if (loan) loan.spare ??= cloneMountAt(target, false);
      return;
    }
  }

  /**
   * @param at where an earlier process of the daemon mounted it, and it still is
   * @param owner as whose it will be mounted meanwhile
   */
  lend(key: string, at?: string, owner?: MountOwner): LentMount {
    if (at !== undefined && !this.#mounted.has(key)) this.#mounted.set(key, at);
    const loan = this.#loans.get(key) ?? { users: 0, spare: undefined };
    const fd = this.#clone(key, loan, owner);
    loan.users++;
    this.#loans.set(key, loan);
    let lent = true;
    return {
      fd,
      release: () => {
        if (!lent) return;
        lent = false;
        closeLater(fd);
        if (--loan.users > 0) return;
        this.#loans.delete(key);
        if (loan.spare !== undefined) closeLater(loan.spare);
      },
    };
  }

  #clone(key: string, loan: Loan, owner: MountOwner | undefined): number {
    const mounted = this.#mounted.get(key);
    if (mounted !== undefined) return cloneMountAt(mounted, false);
    // Kernels before 6.15 clone no detached mounts: it is mounted for a moment, in which nothing else happens.
    const target = this.#o.makeDirectory();
    try {
      if (loan.spare === undefined) this.#o.mount(key, target, owner);
      else {
        attachMount(loan.spare, target);
        closeLater(loan.spare);
        loan.spare = undefined;
      }
      try {
        const fd = cloneMountAt(target, false);
        loan.spare = cloneMountAt(target, false);
        return fd;
      } finally {
        this.#o.unmount(target);
      }
    } finally {
      this.#o.removeDirectory(target);
    }
  }
}

/** The last reference to an overlay flushes the file system below it: not on the main thread. */
function closeLater(fd: number): void {
  fs.close(fd, () => {});
}
