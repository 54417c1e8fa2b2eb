/**
 * Docker's multiplexed stream: frames of an 8-byte head (stream number, three zeros, length in big-endian order)
 * and their bytes. Stream 1 is stdout, 2 stderr, 3 an error of the daemon.
 */
import { CliError } from '../errors.ts';

/** Receives the bytes of a stream as they come; frames are not put together first. */
export type StreamSink = (stream: 1 | 2, data: Buffer) => void;

/** Splits a multiplexed stream. Feed it chunks of any size. */
export class Demultiplexer {
  readonly #sink: StreamSink;
  #head: Buffer = Buffer.alloc(0);
  #stream = 0;
  #left = 0;
  #error = '';

  constructor(sink: StreamSink) {
    this.#sink = sink;
  }

  /** @throws CliError when the stream is malformed, or carries an error of the daemon */
  push(chunk: Buffer): void {
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#left === 0) {
        const need = 8 - this.#head.length;
        const head = this.#head.length
          ? Buffer.concat([this.#head, rest.subarray(0, need)])
          : rest.subarray(0, 8);
        rest = rest.subarray(need);
        if (head.length < 8) {
          this.#head = Buffer.from(head);
          return;
        }
        this.#head = Buffer.alloc(0);
        this.#stream = head[0] ?? 0;
        if (this.#stream > 3) throw new CliError(`Unrecognized input header: ${this.#stream}`);
        this.#left = head.readUInt32BE(4);
        continue;
      }
      const part = rest.subarray(0, this.#left);
      rest = rest.subarray(part.length);
      this.#left -= part.length;
      if (this.#stream === 3) {
        this.#error += part.toString('utf8');
        if (this.#left === 0) throw new CliError(`error from daemon in stream: ${this.#error}`);
      } else if (part.length) this.#sink(this.#stream === 2 ? 2 : 1, part);
    }
  }
}
