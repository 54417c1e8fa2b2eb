import fs from 'node:fs';

/** A record of the kernel's log is at most this long (CONSOLE_EXT_LOG_MAX). */
const RECORD = Buffer.allocUnsafe(8192);
/** The log is a ring of some thousand records; this is a bound, not an expectation. */
const MAX_RECORDS = 100_000;

/**
 * The name of the last process that the kernel killed for lack of memory in a cgroup whose path holds `id`, from its
 * log (/dev/kmsg): `oom-kill:constraint=CONSTRAINT_MEMCG,…,task_memcg=/wharf/<id>,task=sh,pid=123,uid=0`. Undefined when
 * the log cannot be read or says nothing of it. Some milliseconds.
 */
export function lastOomVictim(id: string, path = '/dev/kmsg'): string | undefined {
  let fd: number;
  try {
    fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
  let victim: string | undefined;
  try {
    for (let i = 0; i < MAX_RECORDS; i++) {
      const record = nextRecord(fd);
      if (record === undefined) break;
      if (record.includes('oom-kill:') && record.includes(id)) victim = victimOf(record, id) ?? victim;
    }
  } finally {
    fs.closeSync(fd);
  }
  return victim;
}

function nextRecord(fd: number): string | undefined {
  for (let tries = 0; tries < 3; tries++) {
    try {
      const length = fs.readSync(fd, RECORD, 0, RECORD.length, null);
      return length === 0 ? undefined : RECORD.toString('latin1', 0, length);
    } catch (err) {
      // EPIPE: the record was overwritten meanwhile, the next read goes on behind it.
      if ((err as NodeJS.ErrnoException).code !== 'EPIPE') return undefined;
    }
  }
  return undefined;
}

/** The task of a record about a group of `id`, not one that only lent its name. */
export function victimOf(record: string, id: string): string | undefined {
  const match = /task_memcg=([^,]*),task=(.*),pid=\d+,uid=\d+/.exec(record);
  return match?.[1]?.includes(id) ? match[2] : undefined;
}
