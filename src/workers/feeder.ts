/** Sends a stream's bytes to a worker, only as many as it has asked for. */
import type { Readable } from 'node:stream';
import { PIECE, type ToWorker, toWire } from './worker-protocol.ts';

/** Pieces of a stream that are under way to a worker at once. */
const CREDITS = 8;
/** Milliseconds that the beginning of a piece waits for the rest of it. */
const PATIENCE = 2;

export class Feeder {
  readonly #stream: Readable;
  readonly #id: number;
  readonly #post: (message: ToWorker, transfer?: ArrayBuffer[]) => void;
  #credits = CREDITS;
  /** Sockets give their bytes in small pieces, and a message costs as much as copying 64 KB: they are gathered. */
  #piece: Uint8Array | undefined;
  readonly #free: ArrayBuffer[] = [];
  #length = 0;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(stream: Readable, id: number, post: (message: ToWorker, transfer?: ArrayBuffer[]) => void) {
    this.#stream = stream;
    this.#id = id;
    this.#post = post;
  }

  /** The worker has taken a piece. */
  credit(): void {
    this.#credits++;
    if (this.#credits === 1 && !this.#stopped) this.#stream.resume();
  }

  /** Takes back memory of a piece. */
  recycle(memory: ArrayBuffer): void {
    if (!this.#stopped && memory.byteLength === PIECE) this.#free.push(memory);
  }

  /** Ends it; the stream is destroyed, or with `leaveOpen` let alone. */
  stop(leaveOpen: boolean): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#stream.on('error', () => {});
    this.#stream.off('data', this.#onData);
    if (leaveOpen) this.#stream.pause();
    else this.#stream.destroy();
  }

  run(): void {
    const end = (err?: Error | null): void => {
      if (this.#stopped) return;
      this.#stopped = true;
      this.#flush();
      this.#post({ type: 'end', id: this.#id, error: err ? toWire(err) : undefined });
    };
    this.#stream.on('error', end); // one that comes later is nobody's business any more
    this.#stream.on('end', () => end());
    this.#stream.on('close', () => end(new Error('the stream was closed before its end')));
    this.#stream.on('data', this.#onData);
  }

  readonly #onData = (chunk: Uint8Array | string): void => {
    if (!this.#stopped) this.#take(typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
  };

  /** Copies a chunk: its memory may be shared with others. */
  #take(chunk: Uint8Array): void {
    for (let done = 0; done < chunk.length; ) {
      this.#piece ??= new Uint8Array(this.#free.pop() ?? Buffer.allocUnsafeSlow(PIECE).buffer);
      const n = Math.min(chunk.length - done, PIECE - this.#length);
      this.#piece.set(chunk.subarray(done, done + n), this.#length);
      this.#length += n;
      done += n;
      if (this.#length === PIECE) this.#flush();
    }
    if (this.#length > 0) this.#timer ??= setTimeout(() => this.#flush(), PATIENCE);
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const piece = this.#piece?.subarray(0, this.#length);
    if (piece === undefined || this.#length === 0) return;
    this.#piece = undefined;
    this.#length = 0;
    this.#post({ type: 'chunk', id: this.#id, chunk: piece }, [piece.buffer as ArrayBuffer]);
    if (--this.#credits <= 0) this.#stream.pause();
  }
}
