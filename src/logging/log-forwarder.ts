/**
 * Delivers a container's log to a server.
 *
 * It reads the log's files (which the shim writes, daemon or not) and remembers on the disk how far they were delivered. What was not goes
 * out again after a failure and after a restart of the daemon: a message may come twice, but none is left out while its file is there, and
 * the shim keeps it there (`mode=blocking`). Nothing runs while nothing is written: the shim says when there is more.
 */
import fs from 'node:fs';
import { LogCursor, type LogPlace } from './log-cursor.ts';
import { LogDecoder } from './log-decoder.ts';
import { MessageReader } from './message-reader.ts';
import type { LogMessage, LogSender } from './sender.ts';

/** Who writes the log, while it runs: a facet of the shim. */
export interface LogWriter {
  /** Resolves when the log has more than this, or is another file. */
  logGrown(at: { inode: bigint; size: number }): Promise<void>;
  /** The files older than `inode` were delivered and may go. */
  logDelivered(inode: bigint): void;
}

export interface ForwarderOptions {
  path: string;
  maxFiles: number;
  /** Where it is kept how far the log was delivered. */
  positionPath: string;
  /** Files that were rotated away unread are left out (`mode=non-blocking`). */
  mayDrop: boolean;
  sender: LogSender;
  warn: (message: string) => void;
}

/** Messages of a busy container are gathered for so long (milliseconds). */
const GATHER_MS = 10;
const MAX_WAIT_MS = 10_000;
/** When the writer has gone and its end is not known yet. */
const UNKNOWN_MS = 500;
/** The position is written over itself: always of this length. */
const RECORD = 128;

export class LogForwarder {
  readonly #o: ForwarderOptions;
  readonly #cursor: LogCursor;
  readonly #decoder = new LogDecoder({ stdout: true, stderr: true, timestamps: true, tty: false });
  readonly #reader = new MessageReader();
  readonly #closing = new AbortController();
  #writer: LogWriter | undefined;
  #ended = false;
  #drained = false;
  /** The file that the writer was last told of. */
  #told: bigint | undefined;
  #position: number | undefined;
  #wake: (() => void) | undefined;
  readonly #onDrained = new Set<() => void>();
  #run: Promise<void> | undefined;
  #troubled = false;
  #unrecorded = false;

  constructor(options: ForwarderOptions) {
    this.#o = options;
    const { path, maxFiles } = options;
    const onNewFile = (): void => this.#decoder.reset();
    this.#cursor = new LogCursor({ path, maxFiles, follow: true, onNewFile });
  }

  /** Everything was delivered, and nothing more will come. */
  get drained(): boolean {
    return this.#drained;
  }

  /** The file that is being delivered. */
  get inode(): bigint | undefined {
    return this.#cursor.place?.inode;
  }

  /** Calls `listener` when the work has come to its end; at once when nothing is under way. */
  onceDrained(listener: () => void): void {
    if (this.#run === undefined) listener();
    else this.#onDrained.add(listener);
  }

  /** Connects, so that a container is not started whose log goes nowhere. @throws Error in Go's words */
  async check(): Promise<void> {
    if (!this.#o.sender.lenient) await this.#o.sender.connect();
  }

  /** The container runs: its log is followed. */
  follow(writer: LogWriter): void {
    this.#writer = writer;
    this.#ended = this.#drained = false;
    this.#told = undefined;
    this.#begin();
  }

  /** The container has ended, its log is complete: what is left is delivered. */
  end(): void {
    this.#writer = undefined;
    this.#ended = true;
    this.#begin();
  }

  #begin(): void {
    this.#wake?.();
    if (this.#run !== undefined || this.#closing.signal.aborted) return;
    this.#run = this.#work().finally(() => {
      this.#run = undefined;
      this.#release();
    });
  }

  /** A failure of the disk ends no delivery for good. */
  async #work(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      try {
        await this.#loop();
        return;
      } catch (err) {
        this.#o.warn(`log not delivered: ${messageOf(err)}`);
        await this.#sleep(MAX_WAIT_MS);
      }
    }
  }

  /** Waits until everything was delivered, at most `ms`. @returns whether it was */
  async finish(ms: number): Promise<boolean> {
    if (!this.#drained && this.#run !== undefined) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        this.#onDrained.add(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    return this.#drained;
  }

  /** Ends the work where it is. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#wake?.();
    this.#o.sender.close();
    await this.#run;
    this.#release();
  }

  #release(): void {
    if (this.#closing.signal.aborted) this.#cursor.close();
    if (this.#position !== undefined) fs.closeSync(this.#position);
    this.#position = undefined;
    for (const tell of this.#onDrained) tell();
    this.#onDrained.clear();
  }

  async #loop(): Promise<void> {
    const { signal } = this.#closing;
    if (this.#cursor.place === undefined) {
      const from = this.#recorded();
      this.#cursor.open(from === undefined ? {} : { from });
    }
    while (!signal.aborted) {
      if (this.#o.mayDrop && this.#cursor.deleted) this.#cursor.abandon();
      this.#tellWriter();
      const piece = await this.#cursor.read();
      if (signal.aborted) return;
      if (piece !== undefined) {
        this.#tellWriter();
        const messages = this.#reader.read(this.#decoder.decode(piece).output);
        if (messages.length > 0) await this.#deliver(messages);
        if (signal.aborted) return;
        this.#record();
      } else if (!this.#cursor.refresh()) {
        if (this.#ended) {
          this.#drained = true;
          this.#o.sender.close();
          return;
        }
        await this.#wait();
      }
    }
  }

  /** Waits for more to read. */
  async #wait(): Promise<void> {
    const { inode = 0n, offset = 0 } = this.#cursor.place ?? {};
    const woken = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    const writer = this.#writer;
    let timer: NodeJS.Timeout | undefined;
    const grown = writer?.logGrown({ inode, size: offset }).catch(
      () =>
        new Promise<void>((resolve) => {
          timer = setTimeout(resolve, UNKNOWN_MS);
        }),
    );
    await (grown === undefined ? woken : Promise.race([woken, grown]));
    this.#wake = undefined;
    clearTimeout(timer);
    if (!this.#ended) await this.#sleep(GATHER_MS);
  }

  #sleep(ms: number): Promise<void> {
    if (this.#closing.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#closing.signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#closing.signal.addEventListener('abort', done);
    });
  }

  /** Until the server has them; what the driver's options give up after is given up, and told. */
  async #deliver(messages: readonly LogMessage[]): Promise<void> {
    const { sender, warn } = this.#o;
    let wait = sender.retry.delay;
    for (let attempt = 0; !this.#closing.signal.aborted; attempt++) {
      try {
        await sender.send(messages);
        if (this.#troubled) warn('the log server takes messages again');
        this.#troubled = false;
        return;
      } catch (err) {
        sender.close();
        if (this.#closing.signal.aborted) return;
        if (sender.retry.max !== undefined && attempt >= sender.retry.max) {
          warn(`${messages.length} lines were not delivered to the log server: ${messageOf(err)}`);
          return;
        }
        if (!this.#troubled) warn(`the log server does not take messages, trying on: ${messageOf(err)}`);
        this.#troubled = true;
        if (this.#o.mayDrop && this.#cursor.deleted) return; // counted as lost by who rotated it away
      }
      await this.#sleep(wait);
      wait = Math.min(MAX_WAIT_MS, wait * 2);
    }
  }

  #tellWriter(): void {
    const inode = this.#cursor.place?.inode;
    if (inode === undefined || inode === this.#told || this.#writer === undefined) return;
    this.#told = inode;
    this.#writer.logDelivered(inode);
  }

  #recorded(): LogPlace | undefined {
    try {
      const text = fs.readFileSync(this.#o.positionPath, 'latin1');
      const { inode, born, offset } = JSON.parse(text) as Record<string, unknown>;
      if (typeof inode !== 'string' || typeof born !== 'string' || typeof offset !== 'number')
        return undefined;
      return { inode: BigInt(inode), born: BigInt(born), offset };
    } catch {
      return undefined; // never delivered, or torn: from the beginning
    }
  }

  /** One small write, whole or not at all when the daemon is killed. */
  #record(): void {
    const place = this.#cursor.place;
    if (place === undefined) return;
    const offset = Math.max(0, place.offset - this.#decoder.pending);
    const text = JSON.stringify({ inode: String(place.inode), born: String(place.born), offset });
    try {
      this.#position ??= fs.openSync(this.#o.positionPath, fs.constants.O_RDWR | fs.constants.O_CREAT, 0o600);
      fs.writeSync(this.#position, `${text.padEnd(RECORD - 1)}\n`, 0, 'latin1');
      this.#unrecorded = false;
    } catch (err) {
      // A full disk: delivery goes on, and what follows may come twice.
      if (!this.#unrecorded) this.#o.warn(`how far the log was delivered is not recorded: ${messageOf(err)}`);
      this.#unrecorded = true;
    }
  }
}

const messageOf = (err: unknown): string => (err instanceof Error ? err.message : String(err));
