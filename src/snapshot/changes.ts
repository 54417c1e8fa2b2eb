/**
 * `docker diff`: what a snapshot changed, told as Docker tells it. A directory is listed when something in it
 * changed; what a deleted or replaced directory held is not listed one by one.
 */
import fs, { type BigIntStats } from 'node:fs';
import { joinBytes } from '../archive/index.ts';
import { closeFd, O, RootedDir } from '../linux/index.ts';
import { isOpaque, isWhiteoutStat } from './overlay-format.ts';
import type { Change, ChangeKind } from './types.ts';
import { Pace, type UpperEntry, upperEntries } from './upper-walk.ts';

const MODIFIED: ChangeKind = 0;
const ADDED: ChangeKind = 1;
const DELETED: ChangeKind = 2;
const SLASH = Buffer.from('/');

/** The changes in `upper` against the directories `lower` (the top one first), in the order of the paths. */
export async function changesOf(upper: string, lower: readonly string[]): Promise<Change[]> {
  const root = RootedDir.open(upper);
  try {
    const walk = new ChangeWalk(root);
    await walk.directory(
      Buffer.alloc(0),
      lower.map((dir) => Buffer.from(dir)),
      false,
    );
    return walk.changes.sort((a, b) => (a.Path < b.Path ? -1 : a.Path > b.Path ? 1 : 0));
  } finally {
    root.close();
  }
}

/** What the lower directories have under a name, merged as overlayfs merges. */
interface Lower {
  stat: BigIntStats;
  /** The directories that merge, the top one first; none when it is not a directory. */
  dirs: Buffer[];
}

class ChangeWalk {
  readonly changes: Change[] = [];
  readonly #root: RootedDir;
  readonly #pace = new Pace();

  constructor(root: RootedDir) {
    this.#root = root;
  }

  #add(path: Buffer, kind: ChangeKind): void {
    this.changes.push({ Path: `/${path.toString()}`, Kind: kind });
  }

  /** Compares the upper directory `dir` with what lies below it, which is `hidden` in an opaque directory. */
  async directory(dir: Buffer, lower: readonly Buffer[], hidden: boolean): Promise<void> {
    if (hidden) this.#vanished(dir, lower);
    for (const entry of upperEntries(this.#root, dir)) {
      await this.#pace.step();
      await this.#entry(entry, lookup(lower, entry.name), hidden);
    }
  }

  async #entry({ path, stat }: UpperEntry, below: Lower | undefined, hidden: boolean): Promise<void> {
    if (isWhiteoutStat(stat)) {
      if (below) this.#add(path, DELETED);
      return;
    }
    const at = this.changes.length;
    if (stat.isDirectory()) {
      const dirs = below?.dirs ?? [];
      await this.directory(path, dirs, dirs.length > 0 && (hidden || this.#isOpaque(path)));
    }
    if (!below) this.#add(path, ADDED);
    else if (this.changes.length > at || isDifferent(stat, below.stat)) this.#add(path, MODIFIED);
  }

  /** What lower directories have and an opaque one has not. */
  #vanished(dir: Buffer, lower: readonly Buffer[]): void {
    const kept = new Set(upperEntries(this.#root, dir).map((entry) => entry.name.toString('latin1')));
    for (const name of mergedNames(lower)) {
      if (!kept.has(name)) this.#add(joinBytes(dir, Buffer.from(name, 'latin1')), DELETED);
    }
  }

  #isOpaque(path: Buffer): boolean {
    const fd = this.#root.open(path, O.RDONLY | O.DIRECTORY | O.NOFOLLOW);
    try {
      return isOpaque(fd);
    } finally {
      closeFd(fd);
    }
  }
}

function child(dir: Buffer, name: Buffer): Buffer {
  return Buffer.concat([dir, SLASH, name]);
}

/** Layers never change and hold no symlink where a directory was found: plain paths will do. */
function lookup(lower: readonly Buffer[], name: Buffer): Lower | undefined {
  let found: Lower | undefined;
  for (const dir of lower) {
    const path = child(dir, name);
    const stat = fs.lstatSync(path, { bigint: true, throwIfNoEntry: false });
    if (!stat) continue;
    if (isWhiteoutStat(stat)) break;
    if (!stat.isDirectory()) return found ?? { stat, dirs: [] };
    found ??= { stat, dirs: [] };
    found.dirs.push(path);
    if (isOpaqueLayerDir(path)) break;
  }
  return found;
}

function isOpaqueLayerDir(path: Buffer): boolean {
  const fd = fs.openSync(path, O.RDONLY | O.DIRECTORY | O.NOFOLLOW);
  try {
    return isOpaque(fd);
  } finally {
    fs.closeSync(fd);
  }
}

/** All names in merged directories (as latin1), deleted ones left out. */
function mergedNames(dirs: readonly Buffer[]): string[] {
  const names = new Set<string>();
  for (const dir of dirs) {
    for (const name of fs.readdirSync(dir, { encoding: 'buffer' })) names.add(name.toString('latin1'));
  }
  return [...names].filter((name) => lookup(dirs, Buffer.from(name, 'latin1')) !== undefined);
}

/** Docker's test: owner, mode, device, and for what is no directory size and time. */
function isDifferent(a: BigIntStats, b: BigIntStats): boolean {
  if (a.mode !== b.mode || a.uid !== b.uid || a.gid !== b.gid || a.rdev !== b.rdev) return true;
  return !a.isDirectory() && (a.size !== b.size || a.mtimeNs !== b.mtimeNs);
}
