/**
 * Builds images of the library: `node library/build.ts busybox [-o file] [--no-cache]`. Prints, per image, the path
 * of its archive, its ID and its names, tab-separated; what goes on goes to standard error.
 */
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readArchive, writeArchive } from './archive.ts';
import type { Recipe } from './recipe.ts';
import { busybox } from './recipes/busybox.ts';
import { debian } from './recipes/debian.ts';
import { helloWorld } from './recipes/hello-world.ts';

export const RECIPES: readonly Recipe[] = [helloWorld, busybox, debian('bookworm')];

/** Where archives are kept between builds; outside the repository, so that clones share them. */
export const CACHE_DIRECTORY = '/var/cache/wharf/library';

export interface BuildOptions {
  cacheDirectory?: string;
  /** Builds even when the cache has the archive, and replaces it. */
  noCache?: boolean;
  say?(line: string): void;
}

export interface BuiltImage {
  /** The archive, ready for `POST /images/load`. */
  path: string;
  /** The image ID. */
  id: string;
  tags: string[];
}

/** Gives the archive of the image called `name`, from the cache or built now. */
export async function buildImage(name: string, options: BuildOptions = {}): Promise<BuiltImage> {
  const recipe = RECIPES.find((candidate) => candidate.name === name);
  if (recipe === undefined) {
    throw new Error(`no recipe for ${name}; there are ${RECIPES.map((each) => each.name).join(', ')}`);
  }
  const directory = options.cacheDirectory ?? CACHE_DIRECTORY;
  mkdirSync(directory, { recursive: true });
  const path = join(directory, `${recipe.name.replace(':', '-')}-${cacheKey(recipe)}.tar`);
  if (options.noCache || !existsSync(path)) await build(recipe, directory, path, options.say ?? (() => {}));
  return { path, ...(await readArchive(path)) };
}

async function build(
  recipe: Recipe,
  directory: string,
  path: string,
  say: (line: string) => void,
): Promise<void> {
  // Modes must not depend on who builds.
  process.umask(0o022);
  const work = mkdtempSync(join(directory, '.build-'));
  try {
    const rootfs = join(work, 'rootfs');
    mkdirSync(rootfs);
    chmodSync(rootfs, 0o755);
    const spec = await recipe.build({ rootfs, downloads: join(directory, 'downloads'), say });
    await writeArchive(rootfs, spec, join(work, 'layout'), path);
    // What an older recipe or package left in the cache is of no more use.
    const family = `${recipe.name.replace(':', '-')}-`;
    for (const file of readdirSync(directory)) {
      if (file.startsWith(family) && file.endsWith('.tar') && join(directory, file) !== path)
        rmSync(join(directory, file));
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** A name for all that decides the outcome: the recipes' own text, the inputs' versions, the architecture. */
function cacheKey(recipe: Recipe): string {
  const hash = createHash('sha256').update(
    `${process.arch} ${process.env.SOURCE_DATE_EPOCH ?? ''} ${recipe.inputs()}`,
  );
  for (const directory of [import.meta.dirname, join(import.meta.dirname, 'recipes')]) {
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      if (!/(?<!\.test)\.(ts|c)$/.test(entry.name)) continue;
      // The other recipes' changes are no reason to build this one again.
      if (directory.endsWith('recipes') && !entry.name.startsWith(recipe.name.replace(/:.*/, ''))) continue;
      hash.update(entry.name).update(readFileSync(join(directory, entry.name)));
    }
  }
  return hash.digest('hex').slice(0, 16);
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { output: { type: 'string', short: 'o' }, 'no-cache': { type: 'boolean' } },
  });
  const names = positionals.length > 0 ? positionals : RECIPES.map((recipe) => recipe.name);
  if (values.output !== undefined && names.length !== 1) throw new Error('-o goes with one image');
  for (const name of names) {
    const say = (line: string) => process.stderr.write(`${name}: ${line}\n`);
    const image = await buildImage(name, { noCache: values['no-cache'] ?? false, say });
    if (values.output !== undefined) copyFileSync(image.path, values.output);
    process.stdout.write(`${values.output ?? image.path}\t${image.id}\t${image.tags.join(' ')}\n`);
  }
}

if (import.meta.main) {
  main().catch((err: unknown) => {
    process.stderr.write(`library: ${err instanceof Error ? err.message : String(err)}\n`);
    process.exitCode = 1;
  });
}
