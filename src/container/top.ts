import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { ContainerTopResponse } from '@docker/node-sdk';
import { conflict, system } from '../errdefs/index.ts';
import { containerCgroup } from './cgroup.ts';
import type { Container } from './container.ts';
import type { ContainerDeps } from './deps.ts';

const run = promisify(execFile);

/** Milliseconds after which ps is ended, and bytes of its output that are taken. */
const PS_LIMITS = { timeout: 10_000, maxBuffer: 16 << 20, killSignal: 'SIGKILL' } as const;

/**
 * The container's processes as the host's ps(1) shows them with `psArgs`, with the pids of the host.
 * @param find the container, asked for when the arguments are found good
 * @throws Conflict when it does not run; System with what ps says, in Docker's words
 */
export async function top(
  deps: ContainerDeps,
  find: () => Container,
  psArgs: string,
): Promise<ContainerTopResponse> {
  const args = psArgs || '-ef';
  checkTitles(args);
  const container = find();
  const { record } = container;
  if (container.restartTimer) {
    throw conflict(`Container ${record.id} is restarting, wait until the container is running`);
  }
  if (!container.running) throw conflict(`container ${record.id} is not running`);
  const pids = new Set(containerCgroup(deps, record).procs());
  const processes = parsePs(await ps(args.split(' '), pids), pids);
  deps.onEvent('top', record);
  return processes;
}

/** A column that calls itself PID would choose whose processes are shown. */
function checkTitles(args: string): void {
  for (const [, column, title] of args.matchAll(/\s+(\S*)=\s*(PID\S*)/g)) {
    if (column !== 'pid') throw system(`specifying "${column}=${title}" is not allowed`);
  }
}

/** Asks for the container's processes only; some options (`f`, `aux`) cannot be used with that: then for all. */
async function ps(args: string[], pids: ReadonlySet<number>): Promise<string> {
  try {
    return (await run('ps', [...args, `-q${[...pids].join(',')}`], PS_LIMITS)).stdout;
  } catch {
    return (await run('ps', args, PS_LIMITS).catch(psFailure)).stdout;
  }
}

function psFailure(err: unknown): never {
  const { code, stderr, killed } = err as { code?: unknown; stderr?: string; killed?: boolean };
  if (code === 'ENOENT') {
    throw system('ps: exec: "ps": executable file not found in $PATH', {
      hint: 'Debian has ps in the package procps',
      cause: err,
    });
  }
  const said = stderr?.split('\n')[0];
  throw system(`ps: ${said || (killed ? 'it took too long' : `exit status ${String(code)}`)}`, {
    cause: err,
  });
}

/** Only the blanks of ASCII separate, as in Docker: a name may hold others. */
const words = (line: string): string[] => line.split(/[\t\n\f\r ]+/).filter((word) => word !== '');

/** Keeps the lines of the container's processes, and of their threads (`m`: with `-` as pid, behind their process). */
export function parsePs(output: string, pids: ReadonlySet<number>): ContainerTopResponse {
  const [head = '', ...lines] = output.split('\n');
  const titles = words(head);
  const column = titles.indexOf('PID');
  if (column < 0) throw system("Couldn't find PID field in ps output");
  const processes: string[][] = [];
  let ours = false;
  for (const line of lines) {
    if (line === '') continue;
    const fields = words(line);
    const pid = fields[column] ?? '';
    if (pid !== '-') {
      if (!/^\d+$/.test(pid))
        throw system(`Unexpected pid '${pid}': strconv.Atoi: parsing "${pid}": invalid syntax`);
      ours = pids.has(Number(pid));
    }
    if (!ours) continue;
    // The last column (the command) may hold blanks.
    const rest = fields.slice(titles.length - 1).join(' ');
    processes.push([...fields.slice(0, titles.length - 1), rest]);
  }
  return { Titles: titles, Processes: processes };
}
