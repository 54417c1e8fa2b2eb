/**
 * What a recipe is. A recipe fills an empty directory with a root file system made from Debian's packages and says
 * how the image is called and started; {@link ./archive.ts} makes the image of it. The same inputs give the
 * same bytes: nothing in a layer may depend on when, where or how often it was built.
 */

/** The part of the OCI image configuration that a recipe decides (OCI image-spec, config.md, `config`). */
export interface ProcessDefaults {
  Cmd: string[];
  Env: string[];
  WorkingDir?: string;
  Labels?: Record<string, string>;
}

/** What a recipe made. */
export interface Rootfs {
  /** Names as a user types them, the first one the main name: `busybox:latest`. */
  tags: string[];
  config: ProcessDefaults;
  /** Seconds since 1970: the image's creation time, and the upper bound of every time stamp in its layer. */
  epoch: number;
  /** One line per layer for `history`: what was done. */
  createdBy: string;
}

export interface RecipeContext {
  /** An empty directory, owned by root, mode 0755, to become `/`. */
  rootfs: string;
  /** A directory for downloads that is kept from one build to the next. */
  downloads: string;
  /** Tells the user what is going on, one line. */
  say(line: string): void;
}

export interface Recipe {
  /** What `build.ts` is asked for: `busybox`, `debian:bookworm`. */
  name: string;
  /** A short text that changes when the outcome would: the versions of what goes in. Cheap to compute. */
  inputs(): string;
  build(context: RecipeContext): Promise<Rootfs>;
}

/** The creation time to use: `SOURCE_DATE_EPOCH` (reproducible-builds.org) when it is set, else the recipe's own. */
export function sourceDateEpoch(fallback: number): number {
  const given = process.env.SOURCE_DATE_EPOCH;
  return given !== undefined && /^\d+$/.test(given) ? Number(given) : fallback;
}

export const DEFAULT_PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
