/**
 * The container's monitor (`wharf-shim`), as the daemon sees it.
 *
 * One shim per container. It is started by {@link startShim} with nothing running yet, so that clients
 * can attach before the first byte; {@link ShimHandle.start} makes it run the OCI runtime. From then on it
 * owns the container's standard streams, its log file and its exit status, whether a daemon is there or
 * not: a new daemon finds it again with {@link connectShim} and goes on where the old one ended.
 *
 * Life: `idle` → start → `running` → the container's init ends → exit record on disk → `onExit` →
 * runtime state and cgroup deleted → `onGone` → the process ends, its socket file is unlinked.
 */
import type { Duplex } from 'node:stream';

/**
 * The streams of a process. `handOver` gives a client's connection (a plain socket, all written to it flushed) to the
 * shim, which serves it from then on without the daemon; possible only before this stream is used. True: the stream
 * closes when nothing of the connection is left here. False: nothing has changed.
 */
export interface ProcessStream extends Duplex {
  handOver(connection: Duplex): boolean;
}

/** What a shim is started with. Paths are absolute. */
export interface ShimOptions {
  /** The `wharf-shim` binary. */
  shimPath: string;
  /** Container id, given to the runtime. */
  id: string;
  /** Directory with `config.json`; the shim's working directory. */
  bundle: string;
  /** OCI runtime with runc's command line, e.g. `/usr/bin/crun`. */
  runtimePath: string;
  /** The runtime's state directory (`--root`). */
  runtimeRoot: string;
  /** Further arguments before the runtime's command (e.g. `--systemd-cgroup`). */
  runtimeArgs?: readonly string[];
  /** Where the shim serves; its directory exists. May be longer than 107 bytes. */
  socketPath: string;
  /** json-file log, or null for the `none` driver. Rotated to `PATH.1`, `PATH.2`, … */
  logPath: string | null;
  /** Bytes at which the log is rotated; 0 or less: never. */
  logMaxSize: number;
  /** How many log files there are at most, the current one included; at least 1. */
  logMaxFiles: number;
  /** JSON object put as `attrs` on every line (labels and env chosen by log-opts). */
  logAttrs?: Readonly<Record<string, string>>;
  /** Keep bytes that are no UTF-8, as lone surrogates U+DC80 to U+DCFF; else they become U+FFFD, as in Docker's json-file. */
  logExact?: boolean;
  /**
   * The log is delivered to a server, see {@link ShimHandle.logDelivered}: a file that was not is kept, and the container
   * waits (`block`), or is dropped and its lines counted (`drop`).
   */
  logHold?: 'block' | 'drop';
  /** The durable exit record, see {@link readExit}. A stale one is removed when the container starts. */
  exitPath: string;
  /** The process has a terminal (`process.terminal` in config.json). */
  tty: boolean;
  /** Keep the container's stdin open (else it is /dev/null). */
  openStdin: boolean;
  /** The first client's end of input closes the container's stdin. */
  stdinOnce: boolean;
  /** Who owns the pipes: root of the container's user namespace, by its ids outside. */
  stdioOwner?: { uid: number; gid: number };
  /** The container's cgroup directories (memory and, with v1, the others), for the OOM fact. */
  cgroupPaths?: readonly string[];
  /** The cgroup the shim is to be in (absolute in the hierarchy); without it it stays in the daemon's. */
  shimCgroup?: string;
}

/** Of a container whose processes the kernel has killed for lack of memory. Bytes; absent where there is no limit or count. */
export interface OomFacts {
  /** How many were killed so far; 0 when the group is out of memory and nobody may be killed (`--oom-kill-disable`). */
  kills: number;
  limit?: number;
  /** The highest usage. */
  peak?: number;
}

/** How a container ended. Stored as JSON in the exit record. */
export interface ExitRecord {
  id: string;
  /** Exit code; 128 + n when ended by signal n; 255 when not known. */
  exitCode: number;
  /** Number of the signal that ended it. */
  signal?: number;
  /** The kernel killed a process of the container's cgroup for lack of memory. */
  oomKilled: boolean;
  /** With {@link oomKilled}, unless the cgroup was gone. */
  oom?: OomFacts;
  /** RFC 3339 with nanoseconds. */
  startedAt: string;
  exitedAt: string;
  pid: number;
  /** True when the shim died and the status could not be learned; the container was ended. */
  unknown?: boolean;
}

export interface AttachOptions {
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
}

/** A process to run in the container. */
export interface ExecOptions {
  /** Unique in the container; letters, digits, `-`, `_`, `.`. */
  execId: string;
  /** OCI `process` object. `terminal` is set from {@link tty}. */
  process: object;
  /** The same as a plan ({@link execPlan}), if there is one: the shim runs it without the runtime. Not with a terminal. */
  plan?: Buffer | undefined;
  tty: boolean;
  /** Attach stdin (else /dev/null). End of the writable half closes it. */
  stdin: boolean;
  /** Nothing is attached: no stream, output discarded. */
  detach?: boolean;
  stdout?: boolean;
  stderr?: boolean;
  /** Initial size of the terminal. */
  consoleSize?: readonly [rows: number, cols: number];
}

export interface ExecResult {
  /** Host pid of the process. */
  pid: number;
  /** Docker's multiplexed frames, raw with a TTY; null when detached. It ends after `onExecExit` was called. */
  stream: ProcessStream | null;
}

/** How a probe ended: it could not be run so (the runtime's exec may still), or what it said, 4097 bytes at most. */
export type ProbeEnd = { error: string } | { code: number; timedOut: boolean; output: Buffer };
/** A place in a container's log: a file, and how many bytes of it. */
export interface LogPosition {
  inode: bigint;
  size: number;
}

export type ShimState = 'idle' | 'running' | 'exited' | 'gone';

/** The daemon's end of a shim. Listeners may be added at any time; what already happened is told at once. */
export interface ShimHandle {
  readonly id: string;
  /** What is needed to do without its runtime, see {@link execPlan}. */
  readonly runtime: { path: string; stateDirectory: string; bundle: string };
  /** Pid of the shim itself. */
  readonly pid: number;
  readonly state: ShimState;
  /** Host pid of the container's init while it runs. */
  readonly initPid: number | undefined;
  /** Execs that run: id → host pid. After {@link connectShim} those of the earlier daemon are here, too. */
  readonly execs: ReadonlyMap<string, number>;
  /**
   * Runs the container. Settles when its program was executed.
   * @throws RuntimeError with the runtime's message, also when only the program could not be executed. Nothing
   *   is left then, the shim is gone, and another one may be started for the container.
   */
  start(): Promise<{ pid: number; startedAt: string }>;
  /**
   * Attaches to the standard streams, before or after the start. Docker's multiplexed frames, raw with a TTY.
   * `end()` of the writable half is the client's end of input. The stream ends when the container has ended and
   * everything was delivered.
   */
  attach(o: AttachOptions): Promise<ProcessStream>;
  /**
   * As {@link attach}, and tells where the log ends at this moment: the stream begins with what comes after (first a line that
   * is unfinished). Undefined: nothing was written in this run.
   */
  attachToLog(o: AttachOptions): Promise<{ stream: ProcessStream; position: LogPosition | undefined }>;
  /** @throws RuntimeError when the runtime cannot run it. */
  exec(o: ExecOptions): Promise<ExecResult>;
  /** Sets the terminal size of the container (null) or of an exec. @throws notFound, conflict (no terminal) */
  resize(execId: string | null, rows: number, cols: number): Promise<void>;
  /**
   * Runs a plan (exec-plan.ts) without the runtime, and kills it, with its process group, after `timeoutMs`. It never
   * writes to the log. @throws when the container ends meanwhile
   */
  probe(plan: string, timeoutMs: number): Promise<ProbeEnd>;
  /** Sends a signal to the init (null) or an exec; race-free, the shim being their parent. @throws notFound when it is not running */
  signal(execId: string | null, signal: number): Promise<void>;
  /** Called once, after the exit record is durable. `unknown` with code 255 when the shim died. */
  onExit(cb: (e: ExitRecord) => void): void;
  /**
   * Called each time the kernel has killed for lack of memory, with the count so far; before `onExit`. What happened before
   * {@link connectShim} is told once, with `earlier`.
   */
  onOom(cb: (facts: OomFacts, earlier: boolean) => void): void;
  onExecExit(cb: (execId: string, exitCode: number) => void): void;
  /** Called once, when runtime state and cgroup are deleted (also when the shim died). */
  onGone(cb: () => void): void;
  /** Resolves when the log has more than `at`, or is another file. One waits at a time: the one before is answered. @throws shim_gone */
  logGrown(at: LogPosition): Promise<void>;
  /** The log was delivered up to the file `inode`: older ones may go. */
  logDelivered(inode: bigint): void;
  /** `PATH.<inode>.gz.tmp` is that rotated file, compressed: puts it in its place. @throws notFound, shim_gone */
  logCompressed(inode: bigint): Promise<void>;
  /** Called at each rotation of the log. */
  onLogRotated(cb: () => void): void;
  /** Called with what the shim has to say to the operator. */
  onWarning(cb: (message: string) => void): void;
  /** Lets go of the shim; it stays, and so does the container. A shim that never was started ends. */
  close(): void;
}
