import { Duplex, type Readable, type Writable } from 'node:stream';

/** What a session is made of. */
export interface SessionParts {
  /** Read one after the other; the session's readable half ends with the last. */
  sources: Readable[];
  /** Where what the client writes goes; absent: it is discarded. */
  sink?: Writable;
  /** Turns what is read into what the client gets. */
  decode?: (chunk: Buffer) => Buffer;
}

/** A client's session with the streams of a process, put together from parts, with back-pressure both ways. */
export class SessionStream extends Duplex {
  readonly #sources: Readable[];
  readonly #sink: Writable | undefined;
  #current = 0;

  constructor({ sources, sink, decode }: SessionParts) {
    super({ allowHalfOpen: true });
    this.#sources = sources;
    this.#sink = sink;
    for (const source of sources) {
      source.on('data', (chunk: Buffer) => {
        const data = decode ? decode(chunk) : chunk;
        if (data.length > 0 && !this.push(data)) source.pause();
      });
      source.once('end', () => this.#next());
      source.once('error', (err) => this.destroy(err));
      source.pause();
    }
    sources.at(-1)?.once('close', () => this.#next());
    sink?.on('error', (err) => this.destroy(err));
    if (sources.length === 0) this.push(null);
  }

  #next(): void {
    if (this.#current >= this.#sources.length) return;
    this.#current++;
    if (this.#current === this.#sources.length) this.push(null);
    else this.#sources[this.#current]?.resume();
  }

  override _read(): void {
    this.#sources[this.#current]?.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (err?: Error | null) => void): void {
    if (!this.#sink || this.#sink.destroyed) done();
    else this.#sink.write(chunk, done);
  }

  override _final(done: (err?: Error | null) => void): void {
    if (!this.#sink || this.#sink.destroyed) done();
    else this.#sink.end(done);
  }

  override _destroy(err: Error | null, done: (err: Error | null) => void): void {
    for (const source of this.#sources) source.destroy();
    this.#sink?.destroy();
    done(err);
  }
}

/** Takes Docker's frames apart (8 bytes of head, length at 4): what is in them as plain bytes. */
export function unframe(): (chunk: Buffer) => Buffer {
  let head = Buffer.alloc(0);
  let left = 0;
  return (chunk) => {
    const parts: Buffer[] = [];
    let data: Buffer = head.length > 0 ? Buffer.concat([head, chunk]) : chunk;
    head = Buffer.alloc(0);
    while (data.length > 0) {
      if (left > 0) {
        const part = data.subarray(0, left);
        left -= part.length;
        data = data.subarray(part.length);
        parts.push(part);
      } else if (data.length < 8) {
        head = Buffer.from(data);
        break;
      } else {
        left = data.readUInt32BE(4);
        data = data.subarray(8);
      }
    }
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  };
}
