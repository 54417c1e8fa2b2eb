/** Processes by pid: signals, pidfds, and what tells a pid from a later one with the same number. */
import fs from 'node:fs';
import { check, isErrno, libcFunction } from './libc.ts';

// The same numbers on every architecture.
const SYS_PIDFD_SEND_SIGNAL = 424;
const SYS_PIDFD_OPEN = 434;

const c = {
  kill: libcFunction<[number, number]>('int kill(int pid, int sig)'),
  pidfdOpen: libcFunction<[number, number, number]>('long syscall(long nr, int pid, unsigned int flags)'),
  pidfdSendSignal: libcFunction<[number, number, number, null, number]>(
    'long syscall(long nr, int fd, int sig, void *info, unsigned int flags)',
  ),
};

/** kill(2). Negative pids are process groups. @throws SyscallError `ESRCH` when there is none */
export function kill(pid: number, signal: number): void {
  check('kill', c.kill(pid, signal), `${pid}`);
}

/** pidfd_open(2) (Linux 5.3): a close-on-exec descriptor that stands for this very process. Yours to close. */
export function pidfdOpen(pid: number): number {
  return check('pidfd_open', c.pidfdOpen(SYS_PIDFD_OPEN, pid, 0), `${pid}`);
}

/** Sends a signal to exactly the process that `pidfd` stands for. */
export function pidfdSendSignal(pidfd: number, signal: number): void {
  check('pidfd_send_signal', c.pidfdSendSignal(SYS_PIDFD_SEND_SIGNAL, pidfd, signal, null, 0));
}

/** Fields of /proc/PID/stat after the command's name: [0] is the state (field 3), [1] the parent's pid, … */
function statFields(pid: number): string[] | undefined {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' '); // the name may hold blanks and brackets
  } catch (err) {
    if (isErrno(err, 'ENOENT', 'ESRCH')) return undefined;
    throw err;
  }
}

/**
 * When the process started, in clock ticks since boot (field 22 of /proc/PID/stat), which with the pid identifies it
 * until the next boot; undefined when there is none. Zombies still have it.
 */
export function processStartTime(pid: number): number | undefined {
  const field = statFields(pid)?.[19];
  return field === undefined ? undefined : Number(field);
}

/** True while `pid` is the process that started at `startTime` and has not ended (a zombie has). */
export function isProcessAlive(pid: number, startTime?: number): boolean {
  const fields = statFields(pid);
  if (fields === undefined || fields[0] === 'Z' || fields[0] === 'X') return false;
  return startTime === undefined || Number(fields[19]) === startTime;
}

/** Flag of a task that is in do_exit (include/linux/sched.h). */
const PF_EXITING = 0x4;

/**
 * True when a process is gone, a zombie, or ending: the first of a pid namespace stays for a while to see off the others,
 * in which nothing new can be started (proc(5), /proc/pid/stat).
 */
export function hasEnded(pid: number): boolean {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in parentheses may contain anything, parentheses included.
    const [state = '', , , , , , flags] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' || state === 'X' || (Number(flags) & PF_EXITING) !== 0;
  } catch {
    return true;
  }
}
