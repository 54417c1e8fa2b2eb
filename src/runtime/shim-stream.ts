/** A connection to the shim whose first line is an answer and whose rest is a process's streams. */
import { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { system, type WharfError } from '../errdefs/index.ts';
import { connectUnix, sendFd } from '../linux/index.ts';
import { type Answer, answerError, parseAnswer } from './shim-messages.ts';
import type { ProcessStream } from './shim-types.ts';
import { descriptorOf } from './socket-descriptor.ts';

const FEED = 0x0a;
const MAX_ANSWER = 1024 * 1024;
const BUFFER = 256 * 1024;
const NO_DESCRIPTOR = '-';

/**
 * The stream after the answer. It ends when the shim closes it, whatever way that is told (a shim that has died
 * gives ECONNRESET), and not before `held` has settled.
 */
class ShimStream extends Duplex implements ProcessStream {
  readonly #socket: Socket;
  readonly #held: Promise<unknown> | undefined;
  #ended = false;
  /** The shim waits for the byte that says whether a client's connection is handed over. */
  #undecided = true;
  #handedOver = false;

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
    if (this.#held === undefined || this.#handedOver) this.push(null);
    else this.#held.then(() => this.push(null));
  }

  /**
   * Hands the client's connection over to the shim, which then serves it without this process: at full speed, and on
   * when the daemon dies. Possible only before anything was read or written here. What is still on its way through
   * us is delivered first; then both streams are destroyed, and this one tells it by `close`.
   * @returns false when it cannot be; nothing has changed then
   */
  handOver(connection: Duplex): boolean {
    const shim = this.#socket;
    const [theirs, ours] = [descriptorOf(connection), descriptorOf(shim)];
    if (!this.#undecided || theirs === undefined || ours === undefined) return false;
    if (shim.destroyed || shim.writableLength > 0 || connection.writableLength > 0) return false;
    const early: Buffer[] = [];
    for (let chunk = connection.read(); chunk !== null; chunk = connection.read())
      early.push(chunk as Buffer);
    theirs.stopReading();
    try {
      sendFd(ours.fd, theirs.fd);
    } catch {
      for (const chunk of early.reverse()) connection.unshift(chunk);
      theirs.startReading();
      return false;
    }
    this.#undecided = false;
    this.#handedOver = true;
    for (const chunk of early) shim.write(chunk);
    this.#forwardRest(connection);
    return true;
  }

  /** Only our descriptor of the connection is closed at the end; its other half-closes are the shim's to make. */
  #forwardRest(connection: Duplex): void {
    let unsent = 0;
    let ended = false;
    const settle = (): void => {
      if (!ended || unsent > 0) return;
      connection.destroy();
      this.destroy();
    };
    this.on('data', (chunk: Buffer) => {
      unsent++;
      const sent = (): void => {
        unsent--;
        settle();
      };
      if (connection.write(chunk, sent)) return;
      this.pause();
      connection.once('drain', () => this.resume());
    });
    this.once('end', () => {
      ended = true;
      settle();
    });
    connection.on('error', () => {}).once('close', () => this.destroy());
  }

  /** The stream is used as such. */
  #decide(): void {
    if (!this.#undecided) return;
    this.#undecided = false;
    if (!this.#socket.destroyed) this.#socket.write(NO_DESCRIPTOR);
  }

  override _read(): void {
    this.#decide();
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#decide();
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
    this.#decide();
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
  stream(held?: Promise<unknown>): ProcessStream;
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
