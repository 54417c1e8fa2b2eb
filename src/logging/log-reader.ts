/** Reads the log of a container, lines of JSON written by the shim, as the Engine API's `logs` gives it. */
import fs from 'node:fs';
import { basename, dirname } from 'node:path';
import { Readable } from 'node:stream';
import { LogCursor, PIECE } from './log-cursor.ts';
import { LogDecoder } from './log-decoder.ts';

export interface ReadLogsOptions {
  /** The current log file; older ones are `PATH.1` (newest) to `PATH.<maxFiles-1>`. */
  path: string;
  /** How many files there may be, the current one included. */
  maxFiles: number;
  stdout: boolean;
  stderr: boolean;
  /** Only lines at or after this time: nanoseconds since 1970. */
  since?: bigint;
  /** Only lines up to this time: nanoseconds since 1970; in follow mode it ends there, too. */
  until?: bigint;
  /** Only the last so many lines; undefined: all. */
  tail?: number;
  /** Only up to this place: where the log ended when the caller looked. */
  end?: { inode: bigint; size: number };
  /** Go on with what is written until the container has stopped. */
  follow: boolean;
  /** Each line begins with its time. */
  timestamps: boolean;
  /** Each line begins (after the time) with the log's attributes. */
  details?: boolean;
  /** Raw bytes instead of multiplexed frames. */
  tty: boolean;
  /** Ends reading (the client has gone away). */
  signal?: AbortSignal;
  /** Follow mode: whether the container is still writing. */
  isRunning?: () => boolean;
  /** Follow mode: registers a callback for the container's stop, when its log is complete; returns the deregistration. */
  onStopped?: (cb: () => void) => () => void;
}

/** Where inotify gives no news (a network file system, its limits). */
const POLL_MS = 500;

/**
 * Docker's multiplexed frames (raw with `tty`) of a container's log, as it is now. Errors of the files come as the
 * stream's `error`.
 */
export function readLogs(options: ReadLogsOptions): Readable {
  return new LogReader(options);
}

class LogReader extends Readable {
  readonly #o: ReadLogsOptions;
  readonly #decoder: LogDecoder;
  readonly #cursor: LogCursor;
  #opened = false;
  #busy = false;
  /** Nothing will be written any more; what there is is read once more. */
  #stopped = false;
  #wake: (() => void) | undefined;
  /** What is to be done when no read is under way any more. */
  #idle: (() => void) | undefined;
  readonly #cleanup: (() => void)[] = [];

  constructor(options: ReadLogsOptions) {
    super({ highWaterMark: PIECE });
    this.#o = options;
    this.#decoder = new LogDecoder(options);
    const { path, maxFiles, follow, signal } = options;
    this.#cursor = new LogCursor({ path, maxFiles, follow, onNewFile: () => this.#decoder.reset() });
    if (signal === undefined) return;
    const abort = (): void => void this.destroy();
    if (signal.aborted) process.nextTick(abort);
    else signal.addEventListener('abort', abort, { once: true });
    this.#cleanup.push(() => signal.removeEventListener('abort', abort));
  }

  override _read(): void {
    if (this.#busy) return;
    this.#busy = true;
    this.#pump().catch((err: unknown) => this.destroy(err instanceof Error ? err : new Error(String(err))));
  }

  override _destroy(err: Error | null, done: (err: Error | null) => void): void {
    for (const undo of this.#cleanup) undo();
    this.#wake?.();
    this.#idle = () => {
      this.#cursor.close();
      done(err);
    };
    if (!this.#busy) this.#idle();
  }

  async #pump(): Promise<void> {
    try {
      if (!this.#opened) this.#open();
      for (let more = true; more && !this.destroyed; ) {
        const piece = await this.#next();
        if (this.destroyed) break;
        if (piece === undefined) {
          this.push(null);
          break;
        }
        const { output, ended } = this.#decoder.decode(piece);
        if (output.length > 0) more = this.push(output);
        if (ended) {
          this.push(null);
          break;
        }
      }
    } finally {
      this.#busy = false;
      this.#idle?.();
    }
  }

  #open(): void {
    this.#opened = true;
    const { tail, since, end, follow } = this.#o;
    if (follow) this.#watch();
    this.#cursor.open({
      ...(tail === undefined ? {} : { tail }),
      ...(since === undefined ? {} : { sinceMs: Number(since / 1_000_000n) }),
      ...(end === undefined ? {} : { end }),
    });
  }

  /** The next bytes; undefined at the end. */
  async #next(): Promise<Buffer | undefined> {
    for (;;) {
      const piece = await this.#cursor.read();
      if (piece !== undefined || this.destroyed || !this.#o.follow) return piece;
      if (!(await this.#more())) return undefined;
    }
  }

  /** Follow mode, all is read: waits for more. False when there will be none. */
  async #more(): Promise<boolean> {
    if (this.#cursor.refresh()) return true;
    if (this.#stopped) return false;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
    return !this.destroyed;
  }

  #watch(): void {
    const { path, until, isRunning, onStopped } = this.#o;
    const wake = (): void => this.#wake?.();
    const stop = (): void => {
      this.#stopped = true;
      wake();
    };
    if (onStopped !== undefined) this.#cleanup.push(onStopped(stop));
    if (isRunning !== undefined && !isRunning()) this.#stopped = true;
    const poll = setInterval(wake, POLL_MS);
    this.#cleanup.push(() => clearInterval(poll));
    if (until !== undefined) {
      const wait = Math.max(0, Number(until / 1_000_000n) - Date.now() + 1);
      const timer = setTimeout(stop, Math.min(wait, 0x7fffffff));
      this.#cleanup.push(() => clearTimeout(timer));
    }
    try {
      // The directory: the file itself is replaced by rotation, and may not be there yet.
      const name = basename(path);
      const watcher = fs.watch(dirname(path), { persistent: false }, (_event, changed) => {
        if (changed === name) wake();
      });
      watcher.on('error', () => {}); // polled all the same
      this.#cleanup.push(() => watcher.close());
    } catch {
      // no such directory, or inotify's limits: polled
    }
  }
}
