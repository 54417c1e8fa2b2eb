/** Requests to one endpoint under one identity: finds out how to authenticate, retries what is worth it. */

import { isKind, unauthorized } from '../errdefs/index.ts';
import { Authorizer, parseChallenges } from './auth.ts';
import { retry } from './backoff.ts';
import type { Endpoint } from './endpoints.ts';
import { isTransient, RegistryError, registryError } from './errors.ts';
import { discard, type HttpRequest, type HttpResponse, readBody, type Transport } from './transport.ts';
import type { RegistryAuth } from './types.ts';

const ERROR_LIMIT = 64 << 10;

export interface SessionRequest extends Omit<HttpRequest, 'endpoint' | 'authorization' | 'url' | 'body'> {
  /** Below the endpoint (`/v2/…`), or a URL the registry gave. */
  readonly url: string;
  /** Token scopes such as `repository:library/busybox:pull`. */
  readonly scopes: readonly string[];
  /** Statuses that are no errors; 2xx by default. */
  readonly accept?: (status: number) => boolean;
  /** A function makes the body anew for each attempt. */
  readonly body?: Uint8Array | string | (() => NonNullable<HttpRequest['body']>);
}

const succeeded = (status: number): boolean => status >= 200 && status < 300;

export class Session {
  readonly endpoint: Endpoint;
  readonly authorizer: Authorizer;
  readonly #transport: Transport;
  #pinged: Promise<void> | undefined;

  constructor(transport: Transport, endpoint: Endpoint, auth: RegistryAuth) {
    this.#transport = transport;
    this.endpoint = endpoint;
    this.authorizer = new Authorizer(transport, endpoint, auth);
  }

  /** Asks `/v2/` once: does it answer, and what credentials does it want? */
  ping(signal?: AbortSignal): Promise<void> {
    this.#pinged ??= this.#ping(signal).catch((err: unknown) => {
      this.#pinged = undefined;
      throw err;
    });
    return this.#pinged;
  }

  async #ping(signal: AbortSignal | undefined): Promise<void> {
    const response = await this.#transport.send({
      endpoint: this.endpoint,
      method: 'GET',
      url: `${this.endpoint.url}/v2/`,
      ...(signal === undefined ? {} : { signal }),
    });
    discard(response.body);
    if (response.status === 401) this.authorizer.challenge(response.headers['www-authenticate']);
    else if (response.status >= 500) throw registryError(response.status, `${this.endpoint.url}/v2/`, '');
  }

  /** Sends with retries; throws RegistryError for statuses that are not accepted. */
  request(request: SessionRequest): Promise<HttpResponse> {
    const idempotent = request.method === 'GET' || request.method === 'HEAD';
    return retry(
      {
        attempts: idempotent ? 4 : 1,
        delay: 200,
        shouldRetry: isTransient,
        ...(request.signal === undefined ? {} : { signal: request.signal }),
      },
      () => this.attempt(request),
    );
  }

  /** Sends once (twice, when the credentials must be renewed). */
  async attempt(request: SessionRequest): Promise<HttpResponse> {
    await this.ping(request.signal);
    const response = await this.#send(request);
    if (response.status !== 401) return this.#accept(request, response);
    // Tokens expire, and a registry may ask for more than its ping said.
    discard(response.body);
    this.authorizer.challenge(response.headers['www-authenticate']);
    this.authorizer.refuse();
    return this.#accept(request, await this.#send(request));
  }

  async #send(request: SessionRequest): Promise<HttpResponse> {
    const { scopes, accept: _accept, body, url, ...rest } = request;
    const absolute = url.startsWith('/') ? this.endpoint.url + url : url;
    // Credentials go to the registry only, wherever an upload's Location may point.
    const ours = new URL(absolute).origin === new URL(this.endpoint.url).origin;
    const authorization = ours ? await this.#authorize(request, absolute) : undefined;
    return this.#transport.send({
      ...rest,
      endpoint: this.endpoint,
      url: absolute,
      ...(authorization === undefined ? {} : { authorization }),
      ...(body === undefined ? {} : { body: typeof body === 'function' ? body() : body }),
    });
  }

  async #authorize(request: SessionRequest, url: string): Promise<string | undefined> {
    try {
      return await this.authorizer.authorization(request.scopes, request.signal);
    } catch (err) {
      if (!isKind(err, 'Unauthorized') || err instanceof RegistryError) throw err;
      const verb = request.method.charAt(0) + request.method.slice(1).toLowerCase();
      throw unauthorized(`${verb} "${url}": ${err.message}`, { cause: err });
    }
  }

  async #accept(request: SessionRequest, response: HttpResponse): Promise<HttpResponse> {
    if ((request.accept ?? succeeded)(response.status)) return response;
    const body =
      request.method === 'HEAD'
        ? Buffer.alloc(0)
        : await readBody(response, ERROR_LIMIT).catch(() => Buffer.alloc(0));
    if (request.method === 'HEAD') discard(response.body);
    if (response.status === 401) {
      const reasons = parseChallenges(response.headers['www-authenticate'] ?? '').map((c) => c.params.error);
      if (reasons.includes('insufficient_scope')) {
        throw new RegistryError(401, ['DENIED'], 'denied: requested access to the resource is denied');
      }
    }
    throw registryError(response.status, response.url, body.toString('utf8'));
  }
}
