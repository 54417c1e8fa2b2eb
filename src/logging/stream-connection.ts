/** A stream to a log server (TCP, TLS, unix), on which a write has succeeded when the other side has it. */
import { connect as connectPlain, type NetConnectOpts, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { unacknowledged } from '../linux/index.ts';

export type StreamTarget =
  | { kind: 'tcp' | 'tls'; host: string; port: number }
  | { kind: 'unix'; path: string };

export interface StreamOptions {
  /** Of TLS. */
  tls?: ConnectionOptions;
  /** Milliseconds a write may take; 0 or undefined: until nothing has moved for a minute. */
  writeTimeout?: number;
}

const CONNECT_MS = 10_000;
const STALLED_MS = 60_000;
const FIRST_LOOK_MS = 1;
const LAST_LOOK_MS = 25;

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset by peer',
  EHOSTUNREACH: 'no route to host',
  ENETUNREACH: 'network is unreachable',
  ENOENT: 'no such file or directory',
  EPIPE: 'broken pipe',
  ETIMEDOUT: 'i/o timeout',
};

/** What failed, in Go's words. */
export function dialError(err: unknown, network: string, address: string, host = ''): Error {
  const code = err instanceof Error && 'code' in err ? String(err.code) : '';
  const dial = `dial ${network} ${address}`;
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return new Error(`${dial}: lookup ${host}: no such host`, { cause: err });
  const message = err instanceof Error ? err.message : String(err);
  const reason = REASONS[code];
  return new Error(`${dial}: ${reason === undefined ? message : `connect: ${reason}`}`, { cause: err });
}

export class StreamConnection {
  readonly #socket: Socket;
  readonly #writeTimeout: number;
  #failure: Error | undefined;
  readonly #onFailure = new Set<(err: Error) => void>();
  #onData: ((chunk: Buffer) => void) | undefined;
  readonly openedAt = Date.now();

  private constructor(socket: Socket, writeTimeout: number) {
    this.#socket = socket;
    this.#writeTimeout = writeTimeout;
    socket.on('error', (err) => this.#fail(err));
    socket.on('close', () => this.#fail(new Error('connection closed')));
    // A server that says its end takes no more either.
    socket.on('end', () => this.#fail(new Error('the server has closed the connection')));
    socket.on('data', (chunk: Buffer) => this.#onData?.(chunk));
  }

  /** @throws Error in Go's words */
  static open(target: StreamTarget, { tls, writeTimeout = 0 }: StreamOptions): Promise<StreamConnection> {
    const network = target.kind === 'unix' ? 'unix' : 'tcp';
    const address =
      target.kind === 'unix'
        ? target.path
        : `${target.host.includes(':') ? `[${target.host}]` : target.host}:${target.port}`;
    const host = target.kind === 'unix' ? '' : target.host;
    const where: NetConnectOpts =
      target.kind === 'unix' ? { path: target.path } : { host: target.host, port: target.port };
    return new Promise((resolve, reject) => {
      const secure = target.kind === 'tls';
      const socket = secure ? connectTls({ ...where, servername: host, ...tls }) : connectPlain(where);
      const fail = (err: unknown): void => {
        socket.off('error', fail).on('error', () => {});
        clearTimeout(timer);
        socket.destroy();
        reject(dialError(err, network, address, host));
      };
      const timer = setTimeout(() => fail(new Error('i/o timeout')), CONNECT_MS);
      socket.once('error', fail);
      socket.once(secure ? 'secureConnect' : 'connect', () => {
        clearTimeout(timer);
        socket.off('error', fail);
        if (target.kind !== 'unix') socket.setNoDelay(true).setKeepAlive(true, 30_000);
        resolve(new StreamConnection(socket, writeTimeout));
      });
    });
  }

  get usable(): boolean {
    return this.#failure === undefined;
  }

  #fail(err: Error): void {
    this.#failure ??= err;
    for (const tell of this.#onFailure) tell(this.#failure);
  }

  /** Rejects when the connection fails before `work` has settled. */
  async #guard<T>(work: (settled: AbortSignal) => Promise<T>): Promise<T> {
    if (this.#failure !== undefined) throw this.#failure;
    const settled = new AbortController();
    let fail: (err: Error) => void = () => {};
    const failed = new Promise<never>((_resolve, reject) => {
      fail = reject;
    });
    this.#onFailure.add(fail);
    try {
      return await Promise.race([work(settled.signal), failed]);
    } finally {
      settled.abort();
      this.#onFailure.delete(fail);
    }
  }

  /**
   * Waits for an answer of the server.
   * @param parse gets all it has said since; true: that was it. What it throws is thrown
   * @param timeout milliseconds
   */
  answer(parse: (bytes: Buffer) => boolean, timeout: number): Promise<void> {
    return this.#guard(async (settled) => {
      let said: Buffer = Buffer.alloc(0);
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error('read: i/o timeout')), timeout);
        settled.addEventListener('abort', () => clearTimeout(timer));
        this.#onData = (chunk) => {
          said = Buffer.concat([said, chunk]);
          try {
            if (parse(said)) resolve();
          } catch (err) {
            reject(err instanceof Error ? err : new Error(String(err)));
          }
        };
      });
      this.#onData = undefined;
    });
  }

  /** Writes, and waits until the other side's kernel has all of it (unix: until it was read). @throws Error */
  write(bytes: Buffer): Promise<void> {
    return this.#guard(async (settled) => {
      const limit = this.#writeTimeout || STALLED_MS;
      let [left, since] = [Number.POSITIVE_INFINITY, Date.now()];
      let flushed = false;
      this.#socket.write(bytes, () => {
        flushed = true;
      });
      for (let wait = 0; !settled.aborted; wait = Math.min(LAST_LOOK_MS, wait * 2 || FIRST_LOOK_MS)) {
        await (wait === 0 ? new Promise(setImmediate) : new Promise((next) => setTimeout(next, wait)));
        const now = this.#socket.writableLength + unacknowledged(this.#socket);
        if (flushed && now === 0) return;
        if (now < left) {
          left = now;
          // With a limit of its own a write has only that time in all.
          if (this.#writeTimeout === 0) since = Date.now();
        }
        if (Date.now() - since > limit) throw new Error('write: i/o timeout');
      }
    });
  }

  close(): void {
    this.#socket.destroy();
  }
}
