/** Names in an archive, made into paths that cannot leave their destination by their letters (symlinks: openat2). */

/**
 * A path below a destination: `dir` has no slash at either end, both are byte strings (latin1: one character a byte, so
 * that names need not be UTF-8). The destination itself has an empty `base`.
 */
export interface MemberPath {
  dir: string;
  base: string;
}

export function joinMember({ dir, base }: MemberPath): string {
  return dir === '' ? base : `${dir}/${base}`;
}

/**
 * Takes a member's name apart. `/`, `./`, doubled slashes and inner `..` are taken out as by Go's `filepath.Clean`.
 * Undefined for a name that climbs above the destination.
 */
export function parseMemberPath(name: Buffer): MemberPath | undefined {
  let path = name.toString('latin1');
  if (path.startsWith('./')) path = path.slice(2);
  if (!isClean(path)) {
    const cleaned = clean(path);
    if (cleaned === undefined) return undefined;
    path = cleaned;
  }
  const slash = path.lastIndexOf('/');
  return slash === -1 ? { dir: '', base: path } : { dir: path.slice(0, slash), base: path.slice(slash + 1) };
}

/** No empty component and none that begins with a dot and might be `.` or `..`: most names, told at a glance. */
function isClean(path: string): boolean {
  return !path.startsWith('/') && !path.endsWith('/') && !/(?:^|\/)(?:\.{0,2})(?:\/|$)/.test(path);
}

function clean(path: string): string | undefined {
  const out: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') out.push(part);
    else if (out.pop() === undefined) return undefined;
  }
  return out.join('/');
}
