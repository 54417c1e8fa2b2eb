/** HTTP to registries: one connection pool for each host's TLS settings, redirects by hand, Go's error words. */
import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { dataLoss, unavailable } from '../errdefs/index.ts';
import { type TlsOptions, tlsOptions } from './certs.ts';
import type { Endpoint } from './endpoints.ts';
import { networkError } from './errors.ts';
import { proxyFor } from './proxy.ts';
import type { RegistryConfig } from './types.ts';

const MAX_REDIRECTS = 10;
const CONNECT_TIMEOUT = 15_000;
/** The longest silence within a body, in milliseconds: then the connection counts as broken. */
const BODY_TIMEOUT = 60_000;
const HEADERS_TIMEOUT = 60_000;
const DEFAULT_AGENT = 'docker/28.2.2 wharf';

export interface HttpRequest {
  readonly endpoint: Endpoint;
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent to the first host only: a redirect elsewhere loses it. */
  readonly authorization?: string;
  readonly body?: Uint8Array | string | Readable;
  readonly signal?: AbortSignal;
}

export interface HttpResponse {
  readonly status: number;
  /** Names in lower case; of repeated fields the last. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Readable;
  /** Where the answer came from, after redirects. */
  readonly url: string;
}

export class Transport {
  readonly #config: RegistryConfig;
  readonly #pools = new Map<string, Dispatcher>();

  constructor(config: RegistryConfig) {
    this.#config = config;
  }

  /** Sends a request and follows redirects of GET and HEAD. Every failure below HTTP is a WharfError. */
  async send(request: HttpRequest): Promise<HttpResponse> {
    let url = request.url;
    for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
      const response = await this.#once(request, url);
      const location = response.headers.location;
      const follow = request.method === 'GET' || request.method === 'HEAD';
      if (!follow || ![301, 302, 303, 307, 308].includes(response.status) || location === undefined)
        return response;
      discard(response.body);
      const next = new URL(location, url);
      if (next.protocol === 'http:' && url.startsWith('https:') && !request.endpoint.insecure) {
        throw unavailable(`${request.method} "${url}": refused to follow a redirect from https to http`, {
          code: 'redirect',
        });
      }
      if (next.protocol !== 'http:' && next.protocol !== 'https:') {
        throw unavailable(
          `${request.method} "${url}": unsupported protocol scheme "${next.protocol.slice(0, -1)}"`,
          { code: 'redirect' },
        );
      }
      url = next.href;
    }
    throw unavailable(`${request.method} "${request.url}": stopped after ${MAX_REDIRECTS} redirects`, {
      code: 'redirect',
    });
  }

  async #once(request: HttpRequest, url: string): Promise<HttpResponse> {
    const sameOrigin = new URL(url).origin === new URL(request.url).origin;
    const headers: Record<string, string> = {
      'user-agent': this.#config.userAgent ?? DEFAULT_AGENT,
      ...request.headers,
      ...(sameOrigin && request.authorization !== undefined ? { authorization: request.authorization } : {}),
    };
    // Loaded when first needed: it costs tens of milliseconds and megabytes that an idle daemon should not pay.
    const undici = await import('undici');
    try {
      const dispatcher = this.#dispatcher(request.endpoint, url, undici);
      const response = await undici.request(url, {
        method: request.method,
        headers,
        body: request.body ?? null,
        dispatcher,
        // A registry may take long to store a large upload before it answers.
        headersTimeout: request.method === 'PUT' ? 10 * HEADERS_TIMEOUT : HEADERS_TIMEOUT,
        signal: request.signal ?? null,
      });
      return { status: response.statusCode, headers: flatten(response.headers), body: response.body, url };
    } catch (err) {
      throw networkError(err, request.method, url);
    }
  }

  #dispatcher(endpoint: Endpoint, url: string, undici: typeof import('undici')): Dispatcher {
    const proxy = proxyFor(new URL(url), this.#config);
    const key = `${endpoint.host} ${endpoint.insecure} ${endpoint.url.startsWith('https:')} ${proxy ?? ''}`;
    const known = this.#pools.get(key);
    if (known !== undefined) return known;
    // Redirects of an http endpoint may lead to https: there the usual authorities count.
    const secure = endpoint.url.startsWith('https:') || endpoint.mirror;
    const tls: TlsOptions = secure
      ? tlsOptions(endpoint.host, this.#config.certsDirs ?? [], endpoint.insecure)
      : { rejectUnauthorized: !endpoint.insecure };
    const connect = { ...tls, timeout: CONNECT_TIMEOUT };
    const common = { connections: 16, bodyTimeout: BODY_TIMEOUT, keepAliveTimeout: 30_000 };
    const pool =
      proxy === undefined
        ? new undici.Agent({ ...common, connect })
        : new undici.ProxyAgent({ ...common, uri: proxy, requestTls: connect, proxyTunnel: false });
    this.#pools.set(key, pool);
    return pool;
  }

  /** Ends all connections; what is under way fails. */
  async close(): Promise<void> {
    const pools = [...this.#pools.values()];
    this.#pools.clear();
    await Promise.all(pools.map((pool) => pool.destroy()));
  }
}

function flatten(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  const out: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    const text = Array.isArray(value)
      ? name === 'www-authenticate'
        ? value.join(', ')
        : value.at(-1)
      : value;
    if (text !== undefined) out[name.toLowerCase()] = text;
  }
  return out;
}

/** Reads a body that is not wanted, so that the connection can be used again; a long one is cut off. */
export function discard(body: Readable): void {
  let seen = 0;
  body.on('error', () => {});
  body.on('data', (chunk: Buffer) => {
    seen += chunk.length;
    if (seen > 128 << 10) body.destroy();
  });
}

/** A whole body of at most `limit` bytes; throws DataLoss beyond it. */
export async function readBody(response: HttpResponse, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of response.body) {
      const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
      size += bytes.length;
      if (size > limit) break; // leaving the loop ends the stream
      chunks.push(bytes);
    }
  } catch (err) {
    throw networkError(err, 'GET', response.url);
  }
  if (size > limit) throw dataLoss(`GET "${response.url}": the answer is larger than ${limit} bytes`);
  return Buffer.concat(chunks);
}
