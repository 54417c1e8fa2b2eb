/** Reads a response body off a socket: by length, in chunks (RFC 9112 section 7.1), or to the end. */
import type { Socket } from 'node:net';
import { CliError } from '../errors.ts';

type Framing =
  | { kind: 'length'; left: number }
  | { kind: 'chunked'; left: number; state: ChunkState }
  | { kind: 'close' };
/** In a chunked body: what comes next. */
type ChunkState = 'size' | 'data' | 'data-end' | 'trailer';

const malformed = (): CliError => new CliError('malformed chunked answer');

/** Unread pieces beyond which the socket is paused. */
const HIGH_WATER = 16;
const MAX_LINE = 64 << 10;

/**
 * A body as an async sequence of buffers, at the reader's pace. Ends the connection when the body is read or
 * the reader stops early.
 */
export class BodyReader implements AsyncIterable<Buffer> {
  readonly #socket: Socket;
  readonly #framing: Framing;
  #queue: Buffer[] = [];
  #line: Buffer = Buffer.alloc(0);
  #done = false;
  #failure: Error | undefined;
  #wake: (() => void) | undefined;

  constructor(
    socket: Socket,
    head: { status: number; headers: Readonly<Record<string, string>> },
    rest: Buffer,
    method: string,
  ) {
    this.#socket = socket;
    const length = head.headers['content-length'];
    const empty = method === 'HEAD' || head.status === 204 || head.status === 304;
    if (empty) this.#framing = { kind: 'length', left: 0 };
    else if (/\bchunked\b/i.test(head.headers['transfer-encoding'] ?? '')) {
      this.#framing = { kind: 'chunked', left: 0, state: 'size' };
    } else if (length !== undefined) this.#framing = { kind: 'length', left: Number(length) };
    else this.#framing = { kind: 'close' };
    if (this.#framing.kind === 'length' && this.#framing.left === 0) this.#finish();
    else {
      socket.on('data', this.#onData);
      socket.on('end', this.#onEnd);
      socket.on('close', this.#onEnd);
      if (rest.length) this.#onData(rest);
      if (!this.#done) socket.resume();
    }
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#done) return;
    const framing = this.#framing;
    if (framing.kind === 'close') this.#queue.push(chunk);
    else if (framing.kind === 'length') {
      const part = chunk.length > framing.left ? chunk.subarray(0, framing.left) : chunk;
      framing.left -= part.length;
      this.#queue.push(part);
      if (framing.left === 0) this.#finish();
    } else {
      try {
        this.#chunked(framing, chunk);
      } catch (err) {
        this.#finish(err as Error);
      }
    }
    if (this.#queue.length > HIGH_WATER) this.#socket.pause();
    this.#wake?.();
  };

  #chunked(framing: { left: number; state: ChunkState }, input: Buffer): void {
    let chunk = input;
    while (chunk.length > 0) {
      if (framing.state === 'data') {
        const part = chunk.subarray(0, framing.left);
        framing.left -= part.length;
        this.#queue.push(part);
        chunk = chunk.subarray(part.length);
        if (framing.left === 0) framing.state = 'data-end';
        continue;
      }
      const end = chunk.indexOf(10);
      const piece = end < 0 ? chunk : chunk.subarray(0, end);
      if (this.#line.length + piece.length > MAX_LINE) throw malformed();
      this.#line = this.#line.length ? Buffer.concat([this.#line, piece]) : piece;
      if (end < 0) return;
      chunk = chunk.subarray(end + 1);
      const line = this.#line.toString('latin1').replace(/\r$/, '');
      this.#line = Buffer.alloc(0);
      if (framing.state === 'data-end') {
        if (line !== '') throw malformed();
        framing.state = 'size';
      } else if (framing.state === 'trailer') {
        if (line === '') {
          this.#finish();
          return;
        }
      } else {
        const size = /^\s*([0-9a-fA-F]{1,13})\s*(;.*)?$/.exec(line)?.[1];
        if (size === undefined) throw malformed();
        framing.left = Number.parseInt(size, 16);
        framing.state = framing.left === 0 ? 'trailer' : 'data';
      }
    }
  }

  readonly #onEnd = (): void => {
    if (this.#done) return;
    this.#finish(
      this.#framing.kind === 'close'
        ? undefined
        : new CliError('error during connect: unexpected EOF from the daemon'),
    );
  };

  #finish(failure?: Error): void {
    this.#done = true;
    this.#failure = failure;
    this.#socket.off('data', this.#onData);
    this.#socket.destroy();
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, void, void> {
    try {
      for (;;) {
        const queue = this.#queue;
        if (queue.length) {
          this.#queue = [];
          if (!this.#done) this.#socket.resume();
          yield* queue;
        } else if (this.#done) {
          if (this.#failure) throw this.#failure;
          return;
        } else {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
          this.#wake = undefined;
        }
      }
    } finally {
      this.#done = true;
      this.#socket.destroy();
    }
  }

  /** The whole body. @param limit bytes beyond which it is refused */
  async bytes(limit = 256 << 20): Promise<Buffer> {
    const parts: Buffer[] = [];
    let total = 0;
    for await (const part of this) {
      total += part.length;
      if (total > limit) throw new CliError(`the daemon's answer is longer than ${limit} bytes`);
      parts.push(part);
    }
    return parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts);
  }

  async text(): Promise<string> {
    return (await this.bytes()).toString('utf8');
  }
}
