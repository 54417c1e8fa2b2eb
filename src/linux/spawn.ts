/**
 * Starting processes by posix_spawn(3): 0.8 ms whatever the daemon's size, where Node's fork costs in proportion to
 * its memory. And learning of their end, by SIGCHLD.
 */
import { closeFd } from './fd.ts';
import { check, libcFunction, SyscallError } from './libc.ts';

/** What {@link posixSpawn} starts. */
export interface SpawnOptions {
  /** The program's path; `PATH` is not searched. */
  path: string;
  /** All arguments, `argv[0]` too. */
  argv: readonly string[];
  /** The whole environment, `KEY=value`; without it the daemon's own. */
  env?: readonly string[];
  cwd?: string;
  /** Which of our descriptors (`from`) the process gets as which of its own (`to`). Of 0, 1, 2 those not named are /dev/null, all others are closed. */
  fds?: readonly { from: number; to: number }[];
  /** Make it the leader of a new session (glibc 2.26). */
  setsid?: boolean;
}

const POSIX_SPAWN_SETSIGDEF = 0x04;
const POSIX_SPAWN_SETSIGMASK = 0x08;
const POSIX_SPAWN_SETSID = 0x80;
const F_DUPFD_CLOEXEC = 1030;
const O_RDWR = 2;

type Opaque = Buffer;
const c = {
  spawn: libcFunction<[Buffer, string, Opaque, Opaque, (string | null)[], (string | null)[]]>(
    'int posix_spawn(int *pid, const char *path, const void *actions, const void *attr, const char **argv, const char **envp)',
  ),
  actionsInit: libcFunction<[Opaque]>('int posix_spawn_file_actions_init(void *actions)'),
  actionsDestroy: libcFunction<[Opaque]>('int posix_spawn_file_actions_destroy(void *actions)'),
  addDup2: libcFunction<[Opaque, number, number]>(
    'int posix_spawn_file_actions_adddup2(void *actions, int from, int to)',
  ),
  addOpen: libcFunction<[Opaque, number, string, number, number]>(
    'int posix_spawn_file_actions_addopen(void *actions, int fd, const char *path, int flags, unsigned int mode)',
  ),
  addChdir: libcFunction<[Opaque, string]>(
    'int posix_spawn_file_actions_addchdir_np(void *actions, const char *path)',
  ),
  addClosefrom: optional<[Opaque, number]>(
    'int posix_spawn_file_actions_addclosefrom_np(void *actions, int from)',
  ),
  attrInit: libcFunction<[Opaque]>('int posix_spawnattr_init(void *attr)'),
  attrDestroy: libcFunction<[Opaque]>('int posix_spawnattr_destroy(void *attr)'),
  setFlags: libcFunction<[Opaque, number]>('int posix_spawnattr_setflags(void *attr, short flags)'),
  setSigmask: libcFunction<[Opaque, Buffer]>('int posix_spawnattr_setsigmask(void *attr, const void *set)'),
  setSigdefault: libcFunction<[Opaque, Buffer]>(
    'int posix_spawnattr_setsigdefault(void *attr, const void *set)',
  ),
  fcntl: libcFunction<[number, number, number]>('int fcntl(int fd, int cmd, int arg)'),
  waitpid: libcFunction<[number, Buffer, number]>('int waitpid(int pid, int *status, int options)'),
};

/** A function newer glibc have (here 2.34); without it only descriptors marked close-on-exec are closed: all of ours. */
function optional<Args extends unknown[]>(prototype: string): ((...args: Args) => number) | undefined {
  try {
    return libcFunction<Args>(prototype);
  } catch {
    return undefined;
  }
}

// glibc's posix_spawnattr_t has 336 bytes, its file_actions 80, sigset_t 128; musl's are smaller.
const attr = Buffer.alloc(512);
const allSignals = Buffer.alloc(128, 0xff);
const noSignals = Buffer.alloc(128);
const pidOut = Buffer.alloc(4);

function setUp(syscall: string, errno: number): void {
  if (errno !== 0) throw new SyscallError(syscall, errno);
}

/**
 * Starts a process and returns its pid once its program runs; with all signals at their defaults and none blocked.
 * Register {@link reap} in the same turn, or it stays a zombie.
 * @throws SyscallError of exec, when the program cannot be run (`ENOENT`, `EACCES`, `ENOEXEC`, …) or `cwd` entered
 */
export function posixSpawn(options: SpawnOptions): number {
  const actions = Buffer.alloc(512);
  const temporary: number[] = [];
  setUp('posix_spawn_file_actions_init', c.actionsInit(actions));
  setUp('posix_spawnattr_init', c.attrInit(attr));
  try {
    setUp('posix_spawnattr_setsigmask', c.setSigmask(attr, noSignals));
    setUp('posix_spawnattr_setsigdefault', c.setSigdefault(attr, allSignals)); // Node ignores SIGPIPE
    const setsid = options.setsid === true ? POSIX_SPAWN_SETSID : 0;
    c.setFlags(attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | setsid);
    addDescriptors(actions, options.fds ?? [], temporary);
    if (options.cwd !== undefined) setUp('chdir', c.addChdir(actions, options.cwd));
    const argv = [...options.argv, null];
    const envp = [...(options.env ?? Object.entries(process.env).map(([k, v]) => `${k}=${v}`)), null];
    const errno = c.spawn(pidOut, options.path, actions, attr, argv, envp);
    if (errno !== 0) throw new SyscallError('posix_spawn', errno, options.path);
    return pidOut.readInt32LE();
  } finally {
    for (const fd of temporary) closeFd(fd);
    c.actionsDestroy(actions);
    c.attrDestroy(attr);
  }
}

function addDescriptors(
  actions: Opaque,
  fds: readonly { from: number; to: number }[],
  temporary: number[],
): void {
  const top = Math.max(2, ...fds.map(({ to }) => to)) + 1;
  const targets = new Set(fds.map(({ to }) => to));
  // A source that a target would overwrite before it is used is duplicated out of the way first.
  const plan = fds.map(({ from, to }) => {
    if (from === to || from >= top) return { from, to };
    const copy = check('fcntl', c.fcntl(from, F_DUPFD_CLOEXEC, top), `fd ${from}`);
    temporary.push(copy);
    return { from: copy, to };
  });
  for (const fd of [0, 1, 2]) {
    if (!targets.has(fd)) setUp('open', c.addOpen(actions, fd, '/dev/null', O_RDWR, 0));
  }
  // From and to the same: posix_spawn then clears close-on-exec (glibc 2.29).
  for (const { from, to } of plan) setUp('dup2', c.addDup2(actions, from, to));
  if (c.addClosefrom !== undefined) setUp('closefrom', c.addClosefrom(actions, top));
}

/** How a process ended: one of the two is not null. */
export interface ExitStatus {
  code: number | null;
  signal: number | null;
}

const WNOHANG = 1;
const waiting = new Map<number, (status: ExitStatus) => void>();
const statusOut = Buffer.alloc(4);
let listening = false;

/**
 * Calls `onExit` once, never before this returns, when the child `pid` (from {@link posixSpawn}) has ended, and takes
 * the zombie away. Only on the main thread: Node has signals there only. Does not keep Node from exiting.
 */
export function reap(pid: number, onExit: (status: ExitStatus) => void): void {
  waiting.set(pid, onExit);
  if (!listening) {
    listening = true;
    process.on('SIGCHLD', sweep);
  }
  setImmediate(tryReap, pid); // it may have ended before we listened
}

/** {@link reap} as a promise, which keeps Node alive until the process has ended. */
export function waitForExit(pid: number): Promise<ExitStatus> {
  return new Promise((resolve) => {
    const alive = setInterval(() => {}, 0x7fffffff);
    reap(pid, (status) => {
      clearInterval(alive);
      resolve(status);
    });
  });
}

// Signals coalesce: one SIGCHLD may stand for several children. Asking for each (0.3 µs) leaves alone
// the children that others (Node's child_process) wait for.
function sweep(): void {
  for (const pid of [...waiting.keys()]) tryReap(pid);
}

function tryReap(pid: number): void {
  const onExit = waiting.get(pid);
  if (onExit === undefined) return;
  const result = c.waitpid(pid, statusOut, WNOHANG);
  if (result === 0) return;
  waiting.delete(pid);
  // -1 is ECHILD: somebody else has reaped it, its status is unknown.
  onExit(result === -1 ? { code: null, signal: null } : decodeStatus(statusOut.readInt32LE()));
}

function decodeStatus(status: number): ExitStatus {
  const signal = status & 0x7f;
  return signal === 0 ? { code: (status >> 8) & 0xff, signal: null } : { code: null, signal };
}
