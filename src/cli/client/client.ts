/** The Engine API as commands use it: JSON in and out, streams, hijacked connections, errors with their status. */
import type { Socket } from 'node:net';
import { ApiError, CliError } from '../errors.ts';
import type { Endpoint } from './endpoint.ts';
import { send, type WireResponse } from './http1.ts';

/** Values for a query string; undefined, false and empty lists are left out. */
export type Query = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

/** What goes with a request. */
export interface CallOptions {
  query?: Query;
  /** Sent as JSON. */
  body?: unknown;
  /** Sent as it is, in chunks. */
  stream?: AsyncIterable<Buffer>;
  headers?: Readonly<Record<string, string>>;
  signal?: AbortSignal;
}

/** A hijacked connection: raw bytes both ways. */
export interface Hijacked {
  socket: Socket;
  /** `application/vnd.docker.raw-stream` or `…multiplexed-stream`; empty with daemons before API 1.42. */
  contentType: string;
}

/** Encodes a query, with its leading question mark; empty when nothing is in it. */
export function encodeQuery(query: Query | undefined): string {
  if (!query) return '';
  const parts: string[] = [];
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined || value === false) continue;
    const values = Array.isArray(value) ? value : [value === true ? '1' : String(value)];
    for (const item of values) parts.push(`${encodeURIComponent(name)}=${encodeURIComponent(item)}`);
  }
  return parts.length ? `?${parts.join('&')}` : '';
}

/** Escapes a name for a path as docker's client does: slashes, colons and @ of image names stay. */
export const escapePath = (name: string): string =>
  encodeURIComponent(name).replace(/%(2F|3A|40)/g, (all) => decodeURIComponent(all));

/** A client of one daemon. */
export class ApiClient {
  readonly endpoint: Endpoint;
  readonly #prefix: string;
  readonly #headers: Readonly<Record<string, string>>;
  /** The daemon's newest API version, known after the first answer. */
  daemonApiVersion: string | undefined;

  /**
   * @param version an API version such as `1.41`; without one, requests carry none and the daemon answers with
   * its newest (which saves asking `/_ping` first)
   */
  constructor(
    endpoint: Endpoint,
    options: { version?: string; headers?: Readonly<Record<string, string>> } = {},
  ) {
    this.endpoint = endpoint;
    this.#prefix = options.version ? `/v${options.version}` : '';
    this.#headers = options.headers ?? {};
  }

  /** Sends a request; the answer's body is unread. @throws ApiError for statuses from 400 on */
  async call(method: string, path: string, options: CallOptions = {}): Promise<WireResponse> {
    const response = await send(this.endpoint, {
      method,
      path: this.#prefix + path + encodeQuery(options.query),
      headers: {
        'User-Agent': 'Wharf-Client (linux)',
        ...this.#headers,
        ...(options.body !== undefined && { 'Content-Type': 'application/json' }),
        ...options.headers,
      },
      ...(options.body !== undefined
        ? { body: JSON.stringify(options.body) }
        : options.stream && { body: options.stream }),
      ...(options.signal && { signal: options.signal }),
    });
    this.daemonApiVersion ??= response.headers['api-version'];
    if (response.status >= 400) throw await apiError(response);
    return response;
  }

  /** Sends a request and parses the JSON answer. */
  async json<T>(method: string, path: string, options?: CallOptions): Promise<T> {
    const text = await this.text(method, path, options);
    try {
      return JSON.parse(text) as T;
    } catch (err) {
      throw new CliError(`the daemon's answer to ${method} ${path} is not JSON`, { cause: err });
    }
  }

  get<T>(path: string, query?: Query): Promise<T> {
    return this.json<T>('GET', path, query ? { query } : {});
  }

  /** Sends a request and gives the answer as text. */
  async text(method: string, path: string, options?: CallOptions): Promise<string> {
    return (await this.call(method, path, options)).body().text();
  }

  /** Sends a request whose answer says nothing but that it worked. */
  async done(method: string, path: string, options?: CallOptions): Promise<void> {
    await this.text(method, path, options);
  }

  /** Turns a request into a raw stream both ways (`Upgrade: tcp`, answered by 101 or, by old daemons, 200). */
  async hijack(path: string, options: CallOptions = {}): Promise<Hijacked> {
    const response = await this.call('POST', path, {
      ...options,
      headers: { ...options.headers, Connection: 'Upgrade', Upgrade: 'tcp' },
    });
    const { socket, rest } = response;
    if (rest.length) socket.unshift(rest);
    return { socket, contentType: response.headers['content-type'] ?? '' };
  }

  /** The daemon's newest API version; asks only when no answer has told it yet. */
  async apiVersion(): Promise<string> {
    if (this.daemonApiVersion === undefined) await this.done('GET', '/_ping');
    return this.daemonApiVersion ?? '1.24';
  }

  /** Whether the daemon knows an API version. */
  async supports(version: string): Promise<boolean> {
    return compareVersions(await this.apiVersion(), version) >= 0;
  }
}

/** Orders API versions such as `1.9` and `1.41`. */
export function compareVersions(a: string, b: string): number {
  const left = a.split('.').map(Number);
  const right = b.split('.').map(Number);
  return (left[0] ?? 0) - (right[0] ?? 0) || (left[1] ?? 0) - (right[1] ?? 0);
}

async function apiError(response: WireResponse): Promise<ApiError> {
  const text = (await response.body().text()).trim();
  let message = text;
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null && 'message' in parsed)
      message = String(parsed.message);
  } catch {
    // plain text: proxies and very old daemons
  }
  if (message === '') {
    message = `request returned ${response.status} ${response.reason}; check if the server supports the requested API version`;
  }
  return new ApiError(response.status, message);
}
