/**
 * Walking the writable directory of a snapshot. A container may be at work in it, so every step is resolved inside
 * of it and may find that something is gone.
 */
import type { BigIntStats } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { joinBytes } from '../archive/index.ts';
import { isErrno, type RootedDir } from '../linux/index.ts';

export interface UpperEntry {
  /** Relative to the upper directory, without a slash in front; empty for the directory itself. */
  path: Buffer;
  name: Buffer;
  stat: BigIntStats;
}

/** Entries between two turns of the event loop. */
const TURN = 200;

/** Lets the event loop turn once in a while. */
export class Pace {
  #count = 0;

  async step(): Promise<void> {
    if (++this.#count % TURN === 0) await setImmediate();
  }
}

/** The entries of directory `dir` in the order of their names' bytes; none where it has gone. */
export function upperEntries(root: RootedDir, dir: Buffer): UpperEntry[] {
  const out: UpperEntry[] = [];
  for (const name of readNames(root, dir).sort(Buffer.compare)) {
    const path = joinBytes(dir, name);
    const stat = root.lstatIfExists(path);
    if (stat) out.push({ path, name, stat });
  }
  return out;
}

function readNames(root: RootedDir, dir: Buffer): Buffer[] {
  try {
    return root.readdir(dir.length === 0 ? '.' : dir).map((entry) => entry.name);
  } catch (err) {
    if (isErrno(err, 'ENOENT', 'ENOTDIR', 'ELOOP')) return [];
    throw err;
  }
}
