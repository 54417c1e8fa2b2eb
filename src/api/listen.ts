/** Listening: unix sockets with mode and group, TCP, descriptors handed over by a supervisor. */
import { chmodSync, chownSync, lstatSync, mkdirSync, readFileSync, unlinkSync } from 'node:fs';
import { connect, type Server } from 'node:net';
import { dirname } from 'node:path';
import { conflict, invalidParameter, messageOf, system } from '../errdefs/index.ts';
import type { ApiLog } from './dispatch.ts';

export interface UnixOptions {
  /** Permission bits; default 0660. */
  mode?: number;
  /** Group name or id that owns the socket; one that does not exist is warned of and left out. */
  group?: string | number;
}

/** Listens on a unix socket. A dead socket at `path` is replaced, a live one refused with Conflict. */
export async function listenUnix(
  server: Server,
  path: string,
  options: UnixOptions,
  log: ApiLog,
): Promise<void> {
  await clearStaleSocket(path);
  mkdirSync(dirname(path), { recursive: true });
  // Nobody may connect between bind and chmod. bind() happens inside listen().
  const umask = process.umask(0o777);
  let listening: Promise<void>;
  try {
    listening = listen(server, { path });
  } finally {
    process.umask(umask);
  }
  await listening;
  const gid = groupId(options.group, log);
  if (gid !== undefined) chownSync(path, 0, gid);
  chmodSync(path, options.mode ?? 0o660);
}

/** Calls `listen` and waits until it does, or fails with the address in the message. */
export function listen(
  server: Server,
  where: { path: string } | { host: string; port: number } | { fd: number },
): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (err: Error): void => {
      const at =
        'path' in where ? where.path : 'fd' in where ? `fd ${where.fd}` : `${where.host}:${where.port}`;
      reject(system(`failed to listen on ${at}: ${messageOf(err)}`, { cause: err }));
    };
    server.once('error', failed);
    server.listen(where, () => {
      server.off('error', failed);
      resolve();
    });
  });
}

async function clearStaleSocket(path: string): Promise<void> {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (!stat) return;
  if (!stat.isSocket()) throw invalidParameter(`${path} exists and is not a socket`);
  if (await isAlive(path)) throw conflict(`another daemon is listening on ${path}`);
  unlinkSync(path);
}

/** Only a refused connection proves that nobody listens. */
function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', (err: NodeJS.ErrnoException) => resolve(err.code !== 'ECONNREFUSED'));
  });
}

function groupId(group: string | number | undefined, log: ApiLog): number | undefined {
  if (group === undefined || group === '') return undefined;
  if (typeof group === 'number' || /^[0-9]+$/.test(group)) return Number(group);
  const line = readFileSync('/etc/group', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${group}:`));
  const id = line?.split(':')[2];
  if (id === undefined) {
    log.warn({ group }, `could not change group of the API socket to ${group}: group not found`);
    return undefined;
  }
  return Number(id);
}
