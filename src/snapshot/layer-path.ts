/** Names in a layer archive, made into paths that cannot leave the layer by their letters (symlinks: openat2). */
import { invalidParameter, type WharfError } from '../errdefs/index.ts';

/**
 * A path below a layer's root: `dir` has no slash at either end, both are byte strings (latin1: one character a
 * byte, so that names need not be UTF-8). The root itself has an empty `base`.
 */
export interface LayerPath {
  dir: string;
  base: string;
}

/** How a name is shown in an error. */
export function showPath(bytes: string): string {
  const text = Buffer.from(bytes, 'latin1').toString();
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text);
}

/** The error for an archive that asks for something a layer cannot have. */
export function refused(path: string, reason: string): WharfError {
  return invalidParameter(`invalid layer: ${showPath(path)} ${reason}`, { code: 'bad_layer' });
}

/** The path as the bytes that system calls take. */
export function pathBytes(path: string): Buffer {
  return Buffer.from(path, 'latin1');
}

export function joinPath({ dir, base }: LayerPath): string {
  return dir === '' ? base : `${dir}/${base}`;
}

/**
 * Takes a member's name apart. `/`, `./`, doubled slashes and inner `..` are taken out as by Go's `filepath.Clean`;
 * a name that climbs above the root is refused, with Docker's words.
 */
export function parseLayerPath(name: Buffer): LayerPath {
  let path = name.toString('latin1');
  if (path.startsWith('./')) path = path.slice(2);
  if (!isClean(path)) path = clean(path);
  const slash = path.lastIndexOf('/');
  return slash === -1 ? { dir: '', base: path } : { dir: path.slice(0, slash), base: path.slice(slash + 1) };
}

/** No empty component and none that begins with a dot and might be `.` or `..`: most names, told at a glance. */
function isClean(path: string): boolean {
  return !path.startsWith('/') && !path.endsWith('/') && !/(?:^|\/)(?:\.{0,2})(?:\/|$)/.test(path);
}

function clean(path: string): string {
  const out: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') out.push(part);
    else if (out.pop() === undefined) throw refused(path, 'is outside of the layer');
  }
  return out.join('/');
}
