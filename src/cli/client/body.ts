/** Reads a response body off a socket: by length, in chunks (RFC 9112 section 7.1), or to the end. */
import type { Socket } from 'node:net';
import { CliError } from '../errors.ts';

/** Where a chunked body stands. */
interface ChunkedFraming {
  kind: 'chunked';
  /** What comes next. */
  state: 'size' | 'data' | 'data-end' | 'trailer';
  /** Bytes of the chunk that are still to come. */
  left: number;
  /** The size line as far as it is read. */
  size: number;
  digits: number;
  /** Bytes of a line that do not count, such as extensions and trailers. */
  line: number;
}

type Framing = { kind: 'length'; left: number } | ChunkedFraming | { kind: 'close' };

const CR = 13;
const LF = 10;
const SPACE = 32;
const SEMICOLON = 59;
/** The value of a hexadecimal digit by its byte; -1 for other bytes. */
const HEX = Int8Array.from({ length: 256 }, (_, byte) => {
  const digit = Number.parseInt(String.fromCharCode(byte), 16);
  return Number.isNaN(digit) ? -1 : digit;
});

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
      this.#framing = { kind: 'chunked', state: 'size', left: 0, size: 0, digits: 0, line: 0 };
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

  /**
   * Takes chunk framing off. What one read brought is moved together and queued as one piece: a daemon that sends
   * a log frame per chunk would cost a turn of the reader, and a write, for every line.
   */
  #chunked(framing: ChunkedFraming, input: Buffer): void {
    let kept = 0;
    let at = 0;
    while (at < input.length) {
      if (framing.state === 'data') {
        const end = Math.min(at + framing.left, input.length);
        if (kept !== at) input.copyWithin(kept, at, end);
        kept += end - at;
        framing.left -= end - at;
        at = end;
        if (framing.left === 0) framing.state = 'data-end';
        continue;
      }
      const byte = input[at++] ?? 0;
      if (framing.state === 'size') this.#sizeByte(framing, byte);
      else if (byte === LF) {
        if (framing.state === 'data-end') framing.state = 'size';
        else if (framing.line === 0) {
          if (kept > 0) this.#queue.push(input.subarray(0, kept));
          this.#finish();
          return;
        } else framing.line = 0;
      } else if (byte !== CR) {
        if (framing.state === 'data-end' || ++framing.line > MAX_LINE) throw malformed();
      }
    }
    if (kept > 0) this.#queue.push(input.subarray(0, kept));
  }

  /** One byte of `size [; extension] CR LF`. */
  #sizeByte(framing: ChunkedFraming, byte: number): void {
    const digit = HEX[byte] ?? -1;
    if (byte === LF) {
      if (framing.digits === 0) throw malformed();
      framing.left = framing.size;
      framing.state = framing.size === 0 ? 'trailer' : 'data';
      framing.size = 0;
      framing.digits = 0;
      framing.line = 0;
    } else if (framing.line > 0 || byte === SEMICOLON || byte === CR || byte === SPACE) {
      if (++framing.line > MAX_LINE) throw malformed();
    } else if (digit < 0 || ++framing.digits > 12) throw malformed();
    else framing.size = framing.size * 16 + digit;
  }

  readonly #onEnd = (): void => {
    if (this.#done) return;
    this.#finish(this.#framing.kind === 'close' ? undefined : new CliError('unexpected EOF from the daemon'));
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
