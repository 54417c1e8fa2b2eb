/** A small client of the Engine API on a unix socket: what the scripts and the tests need before any other client works. */
import { request } from 'node:http';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: string;
}

export interface RequestOptions {
  body?: object | Readable;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

export class EngineClient {
  readonly socketPath: string;

  constructor(socketPath: string) {
    this.socketPath = socketPath;
  }

  /** Makes a request and reads the answer to its end. Any HTTP status is an answer; only a broken connection throws. */
  request(method: string, path: string, options: RequestOptions = {}): Promise<Answer> {
    const { body, headers = {}, signal } = options;
    const stream = body !== undefined && 'pipe' in body ? (body as Readable) : undefined;
    const type = stream ? 'application/x-tar' : 'application/json';
    return new Promise((resolve, reject) => {
      const req = request({
        socketPath: this.socketPath,
        method,
        path,
        headers: { host: 'wharf', ...(body === undefined ? {} : { 'content-type': type }), ...headers },
        ...(signal === undefined ? {} : { signal }),
      });
      req.on('error', reject);
      req.on('response', (res) => {
        let text = '';
        res.setEncoding('utf8');
        res.on('data', (chunk: string) => {
          text += chunk;
        });
        res.on('error', reject);
        res.on('end', () => resolve({ status: res.statusCode ?? 0, headers: res.headers, body: text }));
      });
      if (stream !== undefined) {
        stream.on('error', (err) => req.destroy(err));
        stream.pipe(req);
      } else {
        req.end(body === undefined ? undefined : JSON.stringify(body));
      }
    });
  }

  /** The JSON answer of a request that must succeed. */
  async json<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
    const answer = await this.request(method, path, options);
    if (answer.status >= 400) throw new Error(`${method} ${path}: ${answer.status} ${answer.body.trim()}`);
    return (answer.body === '' ? undefined : JSON.parse(answer.body)) as T;
  }

  /** True when the engine answers `/_ping` within `milliseconds`. */
  async ping(milliseconds = 1000): Promise<boolean> {
    try {
      const signal = AbortSignal.timeout(milliseconds);
      return (await this.request('GET', '/_ping', { signal })).status === 200;
    } catch {
      return false;
    }
  }
}

/**
 * Asks `condition` every `interval` ms until it gives something true, and returns that.
 * @throws Error naming `what` when `timeout` ms have passed.
 */
export async function waitFor<T>(
  what: string,
  condition: () => T | Promise<T>,
  { timeout = 10_000, interval = 20 } = {},
): Promise<NonNullable<T>> {
  const end = Date.now() + timeout;
  for (;;) {
    const result = await condition();
    if (result) return result as NonNullable<T>;
    if (Date.now() > end) throw new Error(`waited ${timeout / 1000} s in vain for ${what}`);
    await sleep(interval);
  }
}

/** The last message of a stream of JSON lines (pull, load, push) that carries an error, or undefined. */
export function streamError(body: string): string | undefined {
  for (const line of body.split('\n').filter(Boolean).reverse()) {
    const { error } = JSON.parse(line) as { error?: string };
    if (error !== undefined) return error;
  }
  return undefined;
}
