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

  /**
   * Takes bytes, which it may move about: neighbouring frames of one stream reach the sink as one piece.
   * @throws CliError when the stream is malformed, or carries an error of the daemon
   */
  push(chunk: Buffer): void {
    let at = 0;
    // The piece that is being put together, in place: chunk[start, end) of stream `run`.
    let run = 0;
    let start = 0;
    let end = 0;
    const flush = (): void => {
      if (end > start) this.#sink(run === 2 ? 2 : 1, chunk.subarray(start, end));
      start = end;
    };
    while (at < chunk.length) {
      if (this.#left === 0) {
        at = this.#readHead(chunk, at);
        continue;
      }
      const stop = Math.min(at + this.#left, chunk.length);
      this.#left -= stop - at;
      if (this.#stream === 3) {
        this.#error += chunk.toString('utf8', at, stop);
        if (this.#left === 0) {
          flush();
          throw new CliError(`error from daemon in stream: ${this.#error}`);
        }
      } else {
        if (this.#stream !== run || end === start) {
          flush();
          run = this.#stream;
          start = at;
          end = stop;
        } else {
          chunk.copyWithin(end, at, stop);
          end += stop - at;
        }
      }
      at = stop;
    }
    flush();
  }

  /** Reads what there is of a frame's head. @returns where its bytes end */
  #readHead(chunk: Buffer, at: number): number {
    let head = chunk;
    let from = at;
    const need = 8 - this.#head.length;
    if (this.#head.length > 0 || chunk.length - at < 8) {
      head = Buffer.concat([this.#head, chunk.subarray(at, at + need)]);
      if (head.length < 8) {
        this.#head = head;
        return chunk.length;
      }
      from = 0;
      this.#head = Buffer.alloc(0);
    }
    this.#stream = head[from] ?? 0;
    if (this.#stream > 3) throw new CliError(`Unrecognized input header: ${this.#stream}`);
    this.#left = head.readUInt32BE(from + 4);
    return at + need;
  }
}
