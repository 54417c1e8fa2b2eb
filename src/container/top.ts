import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { ContainerTopResponse } from '@docker/node-sdk';
import { invalidParameter, system } from '../errdefs/index.ts';
import { containerCgroup } from './cgroup.ts';
import type { ContainerDeps } from './deps.ts';
import type { ContainerRecord } from './types.ts';

const run = promisify(execFile);

/** The container's processes as the host's ps(1) shows them with `psArgs`. */
export async function top(
  deps: ContainerDeps,
  record: ContainerRecord,
  psArgs: string,
): Promise<ContainerTopResponse> {
  const args = psArgs.trim() || '-ef';
  if (/(^|\s)-?-?(o|O)\s*\w*=|[;&|`$]/.test(args)) throw invalidParameter(`invalid ps arguments: ${args}`);
  const pids = new Set(containerCgroup(deps, record).procs());
  const { stdout } = await run('ps', args.split(/\s+/)).catch((err: unknown) => {
    throw system(`Error running ps: ${err instanceof Error ? err.message : String(err)}`, {
      hint: 'Debian has ps in the package procps',
    });
  });
  const lines = stdout.trimEnd().split('\n');
  const titles = lines.shift()?.trim().split(/\s+/) ?? [];
  const pidColumn = titles.indexOf('PID');
  if (pidColumn < 0) throw invalidParameter("Couldn't find PID field in ps output");
  const processes = lines
    .map((line) => {
      const words = line.trim().split(/\s+/);
      // The last column (the command) may hold spaces.
      return [...words.slice(0, titles.length - 1), words.slice(titles.length - 1).join(' ')];
    })
    .filter((words) => pids.has(Number(words[pidColumn])));
  return { Titles: titles, Processes: processes };
}
