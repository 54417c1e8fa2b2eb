/** The user a process runs as, by the image's own passwd and group files. */
import { invalidParameter } from '../errdefs/index.ts';
import type { RootedDir } from '../linux/index.ts';

/** A resolved user. */
export interface ResolvedUser {
  uid: number;
  gid: number;
  /** Supplementary groups, the primary one among them, as in Docker. */
  additionalGids: number[];
  home: string;
}

/** Bound on passwd and group, in bytes. */
const MAX_SIZE = 16 << 20;
/** Docker's bound, below the kernel's. */
const MAX_ID = 2 ** 31 - 1;

interface PasswdEntry {
  name: string;
  uid: number;
  gid: number;
  home: string;
}

interface GroupEntry {
  name: string;
  gid: number;
  members: string[];
}

/** The lines of a file in the image; none when it is missing, no regular file, or too large. */
function readLines(root: RootedDir, path: string): string[] {
  try {
    return root
      .readFile(path, MAX_SIZE)
      .toString('utf8')
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '' && !line.startsWith('#'));
  } catch {
    return [];
  }
}

// What is no number counts as 0, as in Docker (and as C's atoi has it).
const toId = (text: string | undefined): number => Number(/^\d+$/.exec(text ?? '')?.[0] ?? 0);

function readPasswd(root: RootedDir): PasswdEntry[] {
  return readLines(root, 'etc/passwd').map((line) => {
    const [name = '', , uid, gid, , home = ''] = line.split(':');
    return { name, uid: toId(uid), gid: toId(gid), home };
  });
}

function readGroups(root: RootedDir): GroupEntry[] {
  return readLines(root, 'etc/group').map((line) => {
    const [name = '', , gid, members = ''] = line.split(':');
    return { name, gid: toId(gid), members: members.split(',').filter((member) => member !== '') };
  });
}

/** An id given as a number; undefined for a name. */
function parseId(text: string): number | undefined {
  if (!/^[+-]?\d+$/.test(text)) return undefined;
  const id = Number(text);
  if (id < 0 || id > MAX_ID) throw invalidParameter(`uids and gids must be in range 0-${MAX_ID}`);
  return id;
}

/**
 * Resolves `user` (`""`, `name`, `uid`, `name:group`, `uid:gid`, …) and the groups of `--group-add` in the root file
 * system `root`. A number need not be in the files; a number is never looked up as a name.
 * @throws invalidParameter `unable to find user X: no matching entries in passwd file`, and the same for groups
 */
export function resolveUser(root: RootedDir, user: string, groupAdd: readonly string[] = []): ResolvedUser {
  const colon = user.indexOf(':');
  const userPart = colon === -1 ? user : user.slice(0, colon);
  const groupPart = colon === -1 ? '' : (user.slice(colon + 1).split(':')[0] ?? '');
  const uidGiven = userPart === '' ? 0 : parseId(userPart);
  const gidGiven = parseId(groupPart);

  const entry = readPasswd(root).find(({ uid, name }) =>
    uidGiven === undefined ? name === userPart : uid === uidGiven,
  );
  if (entry === undefined && uidGiven === undefined) {
    throw invalidParameter(`unable to find user ${userPart}: no matching entries in passwd file`);
  }
  const uid = entry?.uid ?? uidGiven ?? 0;
  const groups = groupPart !== '' || entry !== undefined || groupAdd.length > 0 ? readGroups(root) : [];

  let gid = entry?.gid ?? 0;
  let supplementary: number[] = [];
  if (groupPart !== '') gid = findGroup(groups, groupPart, gidGiven);
  else if (entry !== undefined) {
    supplementary = groups.filter(({ members }) => members.includes(entry.name)).map((group) => group.gid);
  }
  const added = groupAdd.map((name) => findGroup(groups, name, parseId(name), 'Unable'));
  return {
    uid,
    gid,
    additionalGids: [...new Set([gid, ...supplementary, ...added])],
    home: entry?.home || '/',
  };
}

/** @param unable Docker's message begins with a capital letter for `--group-add` and with a small one for `--user` */
function findGroup(
  groups: GroupEntry[],
  name: string,
  gidGiven: number | undefined,
  unable: 'unable' | 'Unable' = 'unable',
): number {
  if (gidGiven !== undefined) return gidGiven;
  const group = groups.find((entry) => entry.name === name);
  if (group === undefined) {
    throw invalidParameter(`${unable} to find group ${name}: no matching entries in group file`);
  }
  return group.gid;
}
