/** Reads the log of a container, a json-file log written by the shim, as the Engine API's `logs` gives it. */
import fs from 'node:fs';
import { basename, dirname } from 'node:path';
import { Readable } from 'node:stream';
import { LogDecoder } from './log-decoder.ts';
import {
  closeLogFiles,
  findTail,
  inodeOf,
  type LogFile,
  openLogFiles,
  openNextLogFile,
} from './log-files.ts';

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

/** Read at once. */
const PIECE = 256 * 1024;
/** Less than this is read synchronously: it takes less time than going to another thread. */
const SMALL = 64 * 1024;
/** Where inotify gives no news (a network file system, its limits). */
const POLL_MS = 500;

/** Docker's multiplexed frames (raw with `tty`) of a container's log. Errors of the files come as the stream's `error`. */
export function readLogs(options: ReadLogsOptions): Readable {
  return new LogReader(options);
}

class LogReader extends Readable {
  readonly #o: ReadLogsOptions;
  readonly #decoder: LogDecoder;
  /** Files still to be read, the one at hand first. */
  #files: LogFile[] = [];
  #offset = 0;
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
    const { signal } = options;
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
    // A read under way has its file's descriptor: the files are closed after it.
    this.#idle = () => {
      closeLogFiles(this.#files);
      this.#files = [];
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
    const { path, maxFiles, tail, since, follow } = this.#o;
    if (follow) this.#watch();
    const files = openLogFiles(path, maxFiles);
    let { index, offset } = tail === undefined ? { index: 0, offset: 0 } : findTail(files, tail);
    // A file last written before `since` holds nothing of interest.
    const sinceMs = since === undefined ? 0 : Number(since / 1_000_000n);
    while (index < files.length - 1 && files[index]!.mtimeMs < sinceMs) {
      index++;
      offset = 0;
    }
    closeLogFiles(files.splice(0, index));
    this.#files = files;
    this.#offset = offset;
  }

  /** The next bytes; undefined at the end. */
  async #next(): Promise<Buffer | undefined> {
    for (;;) {
      const file = this.#files[0];
      if (file === undefined) {
        if (!this.#o.follow || !(await this.#more())) return undefined;
        continue;
      }
      // Without follow the log is what it was when reading began.
      const limit = this.#o.follow && this.#files.length === 1 ? Number.POSITIVE_INFINITY : file.size;
      const piece = await this.#readPiece(file, limit);
      if (piece.length > 0) return piece;
      if (this.destroyed) return undefined;
      if (this.#files.length > 1) this.#advance();
      else if (!this.#o.follow || !(await this.#more())) return undefined;
    }
  }

  async #readPiece({ fd, size }: LogFile, limit: number): Promise<Buffer> {
    const wanted = Math.min(PIECE, limit - this.#offset);
    if (wanted <= 0) return Buffer.alloc(0);
    const small = size - this.#offset < SMALL;
    const buffer = Buffer.allocUnsafeSlow(small ? Math.min(wanted, SMALL) : wanted);
    const position = this.#offset;
    const read = small
      ? fs.readSync(fd, buffer, 0, buffer.length, position)
      : await new Promise<number>((resolve, reject) => {
          fs.read(fd, buffer, 0, buffer.length, position, (err, n) => (err ? reject(err) : resolve(n)));
        });
    this.#offset += read;
    return buffer.subarray(0, read);
  }

  #advance(next?: LogFile): void {
    const done = this.#files.shift();
    if (done !== undefined) fs.closeSync(done.fd);
    if (next !== undefined) this.#files.push(next);
    this.#offset = 0;
    this.#decoder.reset();
  }

  /** Follow mode, all is read: waits for more. False when there will be none. */
  async #more(): Promise<boolean> {
    const { path, maxFiles } = this.#o;
    const file = this.#files[0];
    if (file === undefined || inodeOf(path) !== file.ino) {
      const next = openNextLogFile(path, maxFiles, file?.ino ?? 0n);
      if (next !== undefined) {
        // The writer renames after its last write: one more look at the old file is enough.
        if (file !== undefined && fs.fstatSync(file.fd).size > this.#offset) {
          fs.closeSync(next.fd);
          return true;
        }
        this.#advance(next);
        return true;
      }
    } else if (fs.fstatSync(file.fd).size < this.#offset) {
      this.#offset = 0; // a single file is rotated by cutting it off
      this.#decoder.reset();
      return true;
    } else if (fs.fstatSync(file.fd).size > this.#offset) {
      return true;
    }
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
