/** `--userns-remap`: from a user's name to the ids that containers get, as Docker reads it (user namespaces, subuid(5)). */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { dirname } from 'node:path';
import { invalidParameter, messageOf, system } from '../errdefs/index.ts';
import { closeFd, type IdMap, type IdRange, isErrno, makeUserNamespace, toOutside } from '../linux/index.ts';
import type { Snapshotter } from '../snapshot/index.ts';
import type { EngineConfig } from './config.ts';

/** The user of `--userns-remap=default`; made when missing. Docker's name, so that both engines share the ids. */
const DEFAULT_USER = 'dockremap';
const RANGE = 65536;
const FIRST_SUBID = 100_000;

interface Account {
  name: string;
  id: number;
}

/** A user's or a group's entry by name or id: in the file, else where the name service finds it (LDAP, …). */
function lookUp(database: 'passwd' | 'group', key: string): Account | undefined {
  const byId = /^\d+$/.test(key);
  const find = (text: string): Account | undefined => {
    for (const line of text.split('\n')) {
      const [name = '', , id = ''] = line.split(':');
      if (name !== '' && (byId ? id === key : name === key)) return { name, id: Number(id) };
    }
    return undefined;
  };
  const found = find(readIfThere(`/etc/${database}`));
  if (found) return found;
  try {
    return find(
      execFileSync('getent', [database, key], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
    );
  } catch {
    return undefined; // not there, or no getent
  }
}

function readIfThere(path: string): string {
  try {
    return fs.readFileSync(path, 'utf8');
  } catch (err) {
    if (err instanceof Error && 'code' in err && err.code === 'ENOENT') return '';
    throw err;
  }
}

/** Whose subordinate ids are taken. */
export interface RemapOwner {
  user: string;
  uid: number;
  group: string;
}

/**
 * Reads `user`, `user:group`, `uid`, `uid:gid` or `default`.
 * @throws InvalidParameter in Docker's words
 */
export function parseRemap(spec: string): RemapOwner {
  const [who = '', groupSpec, ...more] = spec.split(':');
  if (more.length > 0)
    throw invalidParameter(`Invalid user/group specification in --userns-remap: "${spec}"`);
  const isId = /^\d+$/.test(who);
  const name = who === 'default' ? DEFAULT_USER : who;
  let user = lookUp('passwd', name);
  if (!user && who === 'default') {
    addUser(DEFAULT_USER);
    user = lookUp('passwd', DEFAULT_USER);
  }
  if (!user) {
    throw invalidParameter(
      isId ? `Uid ${who} has no entry in /etc/passwd` : `Error during uid lookup for "${name}": no such user`,
    );
  }
  const groupName = groupSpec ?? name;
  const group = lookUp('group', groupName);
  if (!group) {
    throw invalidParameter(
      /^\d+$/.test(groupName)
        ? `Gid ${groupName} has no entry in /etc/group`
        : `Error during ${groupSpec === undefined ? 'gid' : 'groupname'} lookup for "${groupName}": no such group`,
    );
  }
  return { user: user.name, uid: user.id, group: group.name };
}

/** A system user without a login, as Docker makes it. */
function addUser(name: string): void {
  const ways: [string, string[]][] = [
    ['useradd', ['--system', '--user-group', '--no-create-home', '--shell', '/bin/false', name]],
    ['adduser', ['-S', '-D', '-H', '-s', '/bin/false', name]], // busybox
  ];
  const problems: string[] = [];
  for (const [program, args] of ways) {
    try {
      execFileSync(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
      break;
    } catch (err) {
      problems.push(messageOf(err).trim());
      if (problems.length === ways.length) {
        throw system(`Error during "${name}" user creation: ${problems.join('; ')}`, {
          hint: `Make the user ${name} and its ranges in /etc/subuid and /etc/subgid, or name another user`,
        });
      }
    }
  }
  for (const file of ['/etc/subuid', '/etc/subgid']) addRange(file, name);
}

/** Gives `name` the first free run of ids, unless useradd did. */
function addRange(file: string, name: string): void {
  const text = readIfThere(file);
  const taken = parseSubIds(text);
  if (taken.some((range) => range.name === name)) return;
  const start = Math.max(FIRST_SUBID, ...taken.map((range) => range.start + range.count));
  const glue = text === '' || text.endsWith('\n') ? '' : '\n';
  fs.appendFileSync(file, `${glue}${name}:${start}:${RANGE}\n`);
}

interface SubIds {
  name: string;
  start: number;
  count: number;
}

/** subuid(5): `name-or-uid:first:count` a line. */
export function parseSubIds(text: string): SubIds[] {
  return text.split('\n').flatMap((line) => {
    const match = /^([^:#]+):(\d+):(\d+)\s*$/.exec(line);
    return match ? [{ name: match[1]!, start: Number(match[2]), count: Number(match[3]) }] : [];
  });
}

/** The ranges one after the other from 0 on, as Docker lays them. */
export function subIdRanges(text: string, { user, uid }: Pick<RemapOwner, 'user' | 'uid'>): IdRange[] {
  let inside = 0;
  return parseSubIds(text)
    .filter(({ name, count }) => (name === user || name === String(uid)) && count > 0)
    .map(({ start, count }) => {
      const range = { inside, outside: start, size: count };
      inside += count;
      return range;
    });
}

/**
 * The ids of all containers of this daemon; undefined for root, whose ids cannot be mapped to themselves.
 * @throws InvalidParameter when user, group or their ranges are not there
 */
export function remapIds(spec: string): IdMap | undefined {
  const owner = parseRemap(spec);
  if (owner.user === 'root') return undefined;
  const uids = subIdRanges(readIfThere('/etc/subuid'), owner);
  // The group's ranges stand in /etc/subgid by the user's name.
  const gids = subIdRanges(readIfThere('/etc/subgid'), owner);
  for (const [kind, ranges] of [
    ['subuid', uids],
    ['subgid', gids],
  ] as const) {
    if (ranges.length > 0) continue;
    throw invalidParameter(`error creating ID mappings: no ${kind} ranges found for user "${owner.user}"`, {
      hint: `Add a line to /etc/${kind}, e.g. ${owner.user}:100000:65536`,
    });
  }
  return { uids, gids };
}

/** The runtime reaches a container's root file system as the container's root. */
function checkPath(execRoot: string): void {
  for (let dir = execRoot; dir !== '/'; dir = dirname(dir)) {
    if ((fs.statSync(dir).mode & 0o001) !== 0) continue;
    throw invalidParameter(
      `a subdirectory in your exec root path (${dir}) restricts access to the remapped root uid/gid; please fix by allowing 'o+x' permissions on existing directories`,
    );
  }
}

/**
 * Tries once what every container will need, so that a machine that cannot do it is told of at the daemon's start.
 * @throws System
 */
export function checkRemap(
  { dataRoot, execRoot, shimPath }: EngineConfig,
  snapshots: Pick<Snapshotter, 'tryIdmapped'>,
  map: IdMap,
): void {
  checkPath(execRoot);
  let user: number;
  try {
    const made = makeUserNamespace(shimPath, map);
    closeFd(made.network);
    user = made.user;
  } catch (err) {
    throw system(`--userns-remap: this machine makes no user namespaces: ${messageOf(err)}`, {
      cause: err,
      hint: 'See /proc/sys/user/max_user_namespaces and, on Debian, /proc/sys/kernel/unprivileged_userns_clone',
    });
  }
  try {
    const [rootUid, rootGid] = [toOutside(map.uids, 0) ?? 0, toOutside(map.gids, 0) ?? 0];
    snapshots.tryIdmapped({ userNamespace: user, rootUid, rootGid, scratch: `${execRoot}/layers` });
  } catch (err) {
    if (!isErrno(err, 'EINVAL', 'EPERM', 'ENOSYS', 'EROFS', 'EOVERFLOW')) throw err;
    throw system(`--userns-remap: no idmapped overlay on the file system of ${dataRoot}: ${messageOf(err)}`, {
      cause: err,
      hint: 'It takes Linux 5.19 and a file system with idmapped mounts: ext4, xfs, btrfs, f2fs, and with 6.3 tmpfs',
    });
  } finally {
    closeFd(user);
  }
}
