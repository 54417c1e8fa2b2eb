/** Which paths a copy goes from and to: the rules of cp(1) and docker, the same in both directions. */
import { posix } from 'node:path';
import { CliError } from '../../errors.ts';

/** An argument of `cp`: a path here, or one in a container. */
export interface CopyArg {
  container: string | undefined;
  path: string;
}

/** Splits `container:path`. Paths that start with `/` or `.` are local; `-` is standard input or output. */
export function splitCopyArg(arg: string): CopyArg {
  const colon = arg.indexOf(':');
  if (colon < 0 || arg.startsWith('/') || arg.startsWith('.')) return { container: undefined, path: arg };
  return { container: arg.slice(0, colon), path: arg.slice(colon + 1) };
}

/** What stands at a path. */
export interface PathFacts {
  exists: boolean;
  directory: boolean;
}

/** Where an archive is unpacked, and the name its root gets there; undefined: the name it has. */
export interface Placement {
  directory: string;
  name: string | undefined;
}

const saysDirectory = (path: string): boolean => path.endsWith('/') || path.endsWith('/.') || path === '.';

/**
 * Places a source at a destination: into a directory that exists, or under the destination's own name.
 * @throws CliError when the two do not fit
 */
export function place(sourceIsDirectory: boolean, target: string, facts: PathFacts): Placement {
  if (facts.exists && facts.directory) return { directory: target, name: undefined };
  if (facts.exists && (sourceIsDirectory || saysDirectory(target))) {
    throw new CliError(sourceIsDirectory ? 'cannot copy directory' : 'not a directory');
  }
  if (!facts.exists && !sourceIsDirectory && saysDirectory(target)) throw new CliError('no such directory');
  const bare = target.replace(/(\/\.?)+$/, '') || '/';
  return { directory: posix.dirname(bare), name: posix.basename(bare) };
}

/** The name of an archive's root for a path: its last part, or `.` for `dir/.` and `/`. */
export function archiveName(path: string): string {
  if (path === '.' || path.endsWith('/.')) return '.';
  return posix.basename(path.replace(/\/+$/, '')) || '.';
}

/** Puts another root name in a member's name. @returns the name relative to where it is unpacked */
export function renameRoot(member: string, name: string | undefined): string {
  // The container's root: `/`, `/bin`, …
  if (name !== undefined && member.startsWith('/')) return member === '/' ? name : name + member;
  const clean = member.replace(/^(\.?\/)+/, '');
  if (name === undefined) return clean === '' ? '.' : clean;
  if (member === '.' || member === './' || member.startsWith('./'))
    return clean === '' ? name : `${name}/${clean}`;
  const slash = clean.indexOf('/');
  return slash < 0 ? name : name + clean.slice(slash);
}
