/**
 * Where directories go that are no longer wanted: renaming is all their removal costs its caller. What is there is
 * deleted later: a few entries at once, more by a worker.
 */
import fs from 'node:fs';
import path from 'node:path';
import { messageOf } from '../errdefs/index.ts';
import type { SnapshotPool } from './jobs.ts';

/** Entries removed on the main thread: the upper and work directories of a container that wrote little. */
const SMALL = 32;
/** Deletions wait that long, so that they are not in the way of whatever the user waits for. */
const DELAY_MS = 300;

export class Trash {
  readonly #dir: string;
  readonly #pool: SnapshotPool;
  readonly #log: (message: string) => void;
  readonly #names = new Set<string>();
  #next = 0;
  #timer: NodeJS.Timeout | undefined;
  #working: Promise<void> | undefined;

  constructor(dir: string, pool: SnapshotPool, log: (message: string) => void) {
    this.#dir = dir;
    this.#pool = pool;
    this.#log = log;
    fs.mkdirSync(dir, { recursive: true, mode: 0o700 });
  }

  /** Throws away `target` (on the same file system): gone from its place when this returns. */
  discard(target: string): void {
    const name = `${process.pid}-${Date.now()}-${this.#next++}`;
    try {
      fs.renameSync(target, path.join(this.#dir, name));
    } catch (err) {
      if (err instanceof Error && 'code' in err && err.code === 'ENOENT') return;
      throw err;
    }
    this.#later(name);
  }

  /** Takes up what an earlier process has left. */
  adopt(): void {
    for (const name of fs.readdirSync(this.#dir)) this.#later(name);
  }

  #later(name: string): void {
    this.#names.add(name);
    this.#timer ??= setTimeout(() => void this.empty(), DELAY_MS).unref();
  }

  /** Deletes all that is there now. */
  async empty(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#working;
    const big: string[] = [];
    for (const name of this.#names) {
      const budget = { left: SMALL };
      if (!removeSmall(path.join(this.#dir, name), budget)) big.push(name);
    }
    this.#names.clear();
    if (big.length === 0) return;
    this.#working = this.#pool.run({ type: 'remove', dir: this.#dir, names: big }).then(
      () => undefined,
      (err) => this.#log(`removing discarded snapshots: ${messageOf(err)}`),
    );
    await this.#working;
  }

  close(): void {
    clearTimeout(this.#timer);
  }
}

/** Removes a tree as long as the budget of entries lasts; false when something is left. Nobody else is in there. */
function removeSmall(dir: string, budget: { left: number }): boolean {
  try {
    for (const entry of fs.readdirSync(dir, { withFileTypes: true })) {
      if (--budget.left < 0) return false;
      const child = path.join(dir, entry.name);
      if (!entry.isDirectory()) fs.unlinkSync(child);
      else if (!removeSmall(child, budget)) return false;
    }
    fs.rmdirSync(dir);
    return true;
  } catch {
    return false; // an odd name or an immutable file: the worker tries, and tells
  }
}
