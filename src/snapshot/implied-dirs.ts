/**
 * Directories that a layer archive has no entry for, only something in them: umoci, bazel and others leave out
 * parents that did not change. Unpacked without its parents, such a layer gets a plain directory there, which in the
 * overlay would hide what the directory really looks like: an implied `/tmp` would no longer be world-writable. What
 * they should look like is found here, once for each chain, and put on top of it.
 */
import fs, { type BigIntStats } from 'node:fs';
import path from 'node:path';
import { isOpaque, isWhiteoutStat } from './overlay-format.ts';

/** A layer of a chain. */
export interface LayerView {
  /** Its directory. */
  dir: string;
  /** Paths (byte strings, no slash in front) of its implied directories; the root's is empty. */
  implied: ReadonlySet<string>;
}

/** A directory of the chain that must look like `stat`. */
export interface DirLook {
  path: string;
  stat: BigIntStats;
}

/** What of `layers` (the top one first) must be put right. */
export function misleadingDirs(layers: readonly LayerView[]): DirLook[] {
  const out: DirLook[] = [];
  const seen = new Set<string>(['']);
  for (const layer of layers) {
    for (const dir of layer.implied) {
      if (seen.has(dir)) continue;
      seen.add(dir);
      const stat = trueLook(dir, layers);
      if (stat) out.push({ path: dir, stat });
    }
  }
  return out.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** The layer whose root the archive describes; undefined when none does, or the topmost looks the same. */
export function rootLook(layers: readonly LayerView[]): string | undefined {
  const like = layers.find((layer) => !layer.implied.has(''))?.dir;
  if (like === undefined) return undefined;
  const [a, b] = [fs.statSync(like), fs.statSync(layers[0]!.dir)];
  return a.mode === b.mode && a.uid === b.uid && a.gid === b.gid ? undefined : like;
}

/** How `dir` looks in the first layer that has it in its archive; undefined when that is the first that has it at all. */
function trueLook(dir: string, layers: readonly LayerView[]): BigIntStats | undefined {
  let implied = false;
  for (const layer of layers) {
    const { stat, hides } = look(layer.dir, dir);
    if (stat) {
      if (!layer.implied.has(dir)) return implied ? stat : undefined;
      implied = true;
    }
    if (hides) return undefined;
  }
  return undefined;
}

/** `dir` in one layer: what it is when it is a directory there, and whether lower layers no longer count. */
function look(layer: string, dir: string): { stat: BigIntStats | undefined; hides: boolean } {
  let hides = false;
  let at = Buffer.from(layer);
  let stat: BigIntStats | undefined;
  for (const name of dir.split('/')) {
    at = Buffer.concat([at, Buffer.from(path.sep), Buffer.from(name, 'latin1')]);
    stat = fs.lstatSync(at, { bigint: true, throwIfNoEntry: false });
    if (!stat) return { stat: undefined, hides };
    // Step by step: a symlink of the layer is not followed, least of all to the host's directories.
    if (!stat.isDirectory() || isWhiteoutStat(stat)) return { stat: undefined, hides: true };
    hides ||= isOpaqueDir(at);
  }
  return { stat, hides };
}

function isOpaqueDir(dir: Buffer): boolean {
  const fd = fs.openSync(dir, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY | fs.constants.O_NOFOLLOW);
  try {
    return isOpaque(fd);
  } finally {
    fs.closeSync(fd);
  }
}
