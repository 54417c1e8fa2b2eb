import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { conflict } from '../errdefs/index.ts';

/**
 * Claims `path` for this process. @returns how to give it back
 * @throws Conflict when the process it names lives and is a wharfd
 */
export function claimPidfile(path: string): () => void {
  const other = readPid(path);
  if (other !== undefined && other !== process.pid && isDaemon(other)) {
    throw conflict(
      `failed to start daemon, ensure wharfd is not running or delete ${path}: process with PID ${other} is still running`,
    );
  }
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${process.pid}\n`);
  return () => {
    if (readPid(path) === process.pid) rmSync(path, { force: true });
  };
}

function readPid(path: string): number | undefined {
  try {
    const pid = Number(readFileSync(path, 'utf8').trim());
    return Number.isInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** A pid may have been given to another program since. */
function isDaemon(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('src/daemon/main.');
  } catch {
    return false;
  }
}
