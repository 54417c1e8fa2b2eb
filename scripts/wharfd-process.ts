/** The machine's own wharfd, with the default places: found by its pid file, started detached, stopped. */
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EngineClient, waitFor } from './engine-client.ts';

export const REPOSITORY = join(import.meta.dirname, '..');
export const RUN_DIRECTORY = '/run/wharf';
export const SOCKET = `${RUN_DIRECTORY}/wharf.sock`;
export const PID_FILE = `${RUN_DIRECTORY}/wharfd.pid`;
export const LOG_FILE = `${RUN_DIRECTORY}/wharfd.log`;

export const engine = new EngineClient(SOCKET);

/** The pid of the running daemon; a pid file that some other program's pid has come to stand in counts for nothing. */
export function daemonPid(): number | undefined {
  try {
    const pid = Number(readFileSync(PID_FILE, 'utf8'));
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('src/daemon/main.') ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** Starts wharfd in a session of its own and waits until it answers. */
export async function startDaemon(): Promise<void> {
  mkdirSync(RUN_DIRECTORY, { recursive: true, mode: 0o711 });
  const log = openSync(LOG_FILE, 'a', 0o640);
  const child = spawn(join(REPOSITORY, 'bin/wharfd'), ['-H', `unix://${SOCKET}`, '--pidfile', PID_FILE], {
    detached: true,
    stdio: ['ignore', log, log],
    cwd: '/',
  });
  closeSync(log);
  let ended: string | undefined;
  child.once('error', (err) => {
    ended = err.message;
  });
  child.once('exit', (code, signal) => {
    ended = `it ended with ${signal ?? `status ${code}`}`;
  });
  await waitFor(`wharfd to answer on ${SOCKET}`, async () => ended !== undefined || (await engine.ping()), {
    timeout: 30_000,
  });
  if (ended !== undefined) throw new Error(`wharfd did not start: ${ended}\n${lastLines(LOG_FILE, 10)}`);
  child.unref();
}

/** Ends the daemon and with it its containers. False when none was running. */
export async function stopDaemon(): Promise<boolean> {
  const pid = daemonPid();
  if (pid === undefined) return false;
  process.kill(pid, 'SIGTERM');
  await waitFor(`wharfd (pid ${pid}) to end`, () => hasEnded(pid), { timeout: 60_000 });
  return true;
}

export function lastLines(path: string, count: number): string {
  try {
    return readFileSync(path, 'utf8')
      .trim()
      .split('\n')
      .slice(-count)
      .map((line) => `  ${line}`)
      .join('\n');
  } catch {
    return '';
  }
}

/** A process that is on its way out has no command line any more, but still its namespaces and sockets. */
function hasEnded(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z');
  } catch {
    return true;
  }
}
