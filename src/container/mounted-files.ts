import { readFileSync } from 'node:fs';
import { RootedDir } from '../linux/index.ts';
import type { ProgramFiles } from '../runtime/index.ts';

interface Mount {
  destination: string;
  type?: string;
  source?: string;
}

/**
 * A container's files as its processes see them, without its mount namespace: the root file system, and at the destinations
 * of directories that are bound into it, those directories. Symlinks are followed within the one they stand in.
 */
export class MountedFiles implements ProgramFiles {
  readonly #root: RootedDir;
  /** Longest destination first. */
  readonly #mounts: { destination: string; directory: RootedDir }[] = [];

  /** @param config the bundle's config.json. @throws SyscallError when there is no `rootfs` */
  constructor(rootfs: string, config: string) {
    this.#root = RootedDir.open(rootfs);
    for (const { destination, type, source } of readMounts(config)) {
      const directory = type === 'bind' && source !== undefined ? openDirectory(source) : undefined;
      if (directory !== undefined) this.#mounts.push({ destination, directory });
    }
    this.#mounts.sort((a, b) => b.destination.length - a.destination.length);
  }

  exists(path: string): boolean {
    const [directory, rest] = this.#at(path);
    return directory.exists(rest);
  }

  stat(path: string): ReturnType<RootedDir['stat']> {
    const [directory, rest] = this.#at(path);
    return directory.stat(rest);
  }

  lstatIfExists(path: string): ReturnType<RootedDir['lstatIfExists']> {
    const [directory, rest] = this.#at(path);
    return directory.lstatIfExists(rest);
  }

  readlink(path: string): Buffer {
    const [directory, rest] = this.#at(path);
    return directory.readlink(rest);
  }

  open(path: string, flags?: number): number {
    const [directory, rest] = this.#at(path);
    return directory.open(rest, flags);
  }

  close(): void {
    for (const { directory } of this.#mounts) directory.close();
    this.#root.close();
  }

  #at(path: string): [RootedDir, string] {
    for (const { destination, directory } of this.#mounts) {
      if (path === destination || path.startsWith(`${destination}/`)) {
        return [directory, `/${path.slice(destination.length + 1)}`];
      }
    }
    return [this.#root, path];
  }
}

function readMounts(config: string): Mount[] {
  try {
    return (JSON.parse(readFileSync(config, 'utf8')) as { mounts?: Mount[] }).mounts ?? [];
  } catch {
    // The start failed before there was a config.
    return [];
  }
}

/** Undefined when `source` is a single file, or gone. */
function openDirectory(source: string): RootedDir | undefined {
  try {
    return RootedDir.open(source);
  } catch {
    return undefined;
  }
}
