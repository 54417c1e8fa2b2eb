/** A connection to the shim whose first line is an answer and whose rest is a process's streams. */
import { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { system, type WharfError } from '../errdefs/index.ts';
import { connectUnix } from '../linux/index.ts';
import { type Answer, answerError, parseAnswer } from './shim-messages.ts';

const FEED = 0x0a;
const MAX_ANSWER = 1024 * 1024;
const BUFFER = 256 * 1024;

/**
 * The stream after the answer. It ends when the shim closes it, whatever way that is told (a shim that has died
 * gives ECONNRESET), and not before `held` has settled.
 */
class ShimStream extends Duplex {
  readonly #socket: Socket;
  readonly #held: Promise<unknown> | undefined;
  #ended = false;

  constructor(socket: Socket, first: Buffer, held?: Promise<unknown>) {
    super({ readableHighWaterMark: BUFFER, writableHighWaterMark: BUFFER, allowHalfOpen: true });
    this.#socket = socket;
    this.#held = held;
    if (first.length > 0) this.push(first);
    socket.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) socket.pause();
    });
    socket.once('end', () => this.#end());
    socket.once('close', () => this.#end());
    socket.on('error', () => this.#end());
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#held === undefined) this.push(null);
    else this.#held.then(() => this.push(null));
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    // To a process that has ended: dropped, as a pipe's reader may leave at any time.
    if (this.#socket.destroyed || !this.#socket.writable) done();
    else if (this.#socket.write(chunk)) done();
    else this.#afterDrain(done);
  }

  #afterDrain(done: () => void): void {
    const settle = (): void => {
      this.#socket.off('drain', settle);
      this.#socket.off('close', settle);
      done();
    };
    this.#socket.on('drain', settle);
    this.#socket.on('close', settle);
  }

  override _final(done: () => void): void {
    this.#socket.end();
    done();
  }

  override _destroy(err: Error | null, done: (err: Error | null) => void): void {
    this.#socket.destroy();
    done(err);
  }
}

/** An open connection that was answered. */
export interface ShimConnection {
  answer: Answer;
  /** The streams; made once. `held`: the end waits for it. */
  stream(held?: Promise<unknown>): Duplex;
  close(): void;
}

/** Makes a request to the shim at `socketPath`. @throws SyscallError when it is not there; the error it answers with */
export function request(socketPath: string, line: string): Promise<ShimConnection> {
  const socket = new Socket({ fd: connectUnix(socketPath), allowHalfOpen: true });
  socket.write(`${line}\n`);
  return new Promise((resolve, reject) => {
    let head: Buffer = Buffer.alloc(0);
    const settle = (): void => {
      socket.off('data', onData).off('end', onEnd).off('error', onEnd).off('close', onEnd);
    };
    const fail = (err: WharfError): void => {
      settle();
      socket.on('error', () => {});
      socket.destroy();
      reject(err);
    };
    const onEnd = (): void => fail(system('the shim has closed the connection', { code: 'shim_gone' }));
    const onData = (chunk: Buffer): void => {
      head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
      const feed = head.indexOf(FEED);
      if (feed === -1) {
        if (head.length > MAX_ANSWER) fail(system('the shim answers nonsense'));
        return;
      }
      try {
        const answer = parseAnswer(head.toString('latin1', 0, feed));
        const err = answerError(answer);
        if (err !== undefined) {
          fail(err);
          return;
        }
        settle();
        socket.pause();
        const rest = head.subarray(feed + 1);
        resolve({
          answer,
          stream: (held) => new ShimStream(socket, rest, held),
          close: () => void socket.on('error', () => {}).destroy(),
        });
      } catch (err) {
        fail(err instanceof Error ? (err as WharfError) : system(String(err)));
      }
    };
    socket.on('data', onData).on('end', onEnd).on('error', onEnd).on('close', onEnd);
  });
}
