/** The room's face: registries by name, under one configuration. */
import { isKind, unauthorized } from '../errdefs/index.ts';
import { DEFAULT_DOMAIN, isObject, type Reference } from '../oci/index.ts';
import { type Endpoint, endpointsFor } from './endpoints.ts';
import { isConnectFailure, RegistryError } from './errors.ts';
import { nextPage, Repository } from './repository.ts';
import { Session } from './session.ts';
import { discard, readBody, Transport } from './transport.ts';
import type { RegistryAuth, RegistryConfig } from './types.ts';

/** Names asked for at once (Debian's registry gives no more), and looked at in all. */
const CATALOG_PAGE = 1000;
const CATALOG_MAX = 10_000;
const HUB_NAMES = ['index.docker.io', 'registry-1.docker.io', 'docker.io'];

export class Registry {
  readonly #config: RegistryConfig;
  readonly #transport: Transport;

  constructor(config: RegistryConfig = {}) {
    this.#config = config;
    this.#transport = new Transport(config);
  }

  /** A repository to pull from or push to. Nothing is asked of the network yet. */
  async repository(
    reference: Reference,
    options: { auth?: RegistryAuth; purpose: 'pull' | 'push' },
  ): Promise<Repository> {
    const auth = options.auth ?? {};
    return new Repository({
      reference,
      endpoints: await endpointsFor(reference.domain, this.#config, options.purpose),
      // A mirror is not given the hub's password.
      session: (endpoint) => new Session(this.#transport, endpoint, endpoint.mirror ? {} : auth),
      actions: options.purpose === 'pull' ? 'pull' : 'pull,push',
    });
  }

  /**
   * Checks credentials as `docker login` does. Resolves to the identity token, or an empty string. Throws
   * Unauthorized when the registry refuses them.
   */
  async login(auth: RegistryAuth, signal?: AbortSignal): Promise<string> {
    return this.#firstEndpoint(serverHost(auth.serveraddress), async (endpoint) => {
      const url = `${endpoint.url}/v2/`;
      const session = new Session(this.#transport, endpoint, auth);
      await session.ping(signal);
      try {
        const response = await session.request({
          method: 'GET',
          url: '/v2/',
          scopes: [],
          ...(signal && { signal }),
        });
        discard(response.body);
      } catch (err) {
        if (err instanceof RegistryError && err.status === 401 && err.codes[0] === 'UNAUTHORIZED') {
          throw unauthorized(`login attempt to ${url} failed with status: 401 Unauthorized`, { cause: err });
        }
        if (err instanceof RegistryError) throw unauthorized(`Get "${url}": ${err.message}`, { cause: err });
        throw err;
      }
      return session.authorizer.identityToken;
    });
  }

  /** The names of a registry's repositories that hold `term` (its `_catalog`, at most 10,000 looked at). */
  async catalog(
    domain: string,
    term: string,
    options: { auth?: RegistryAuth; limit: number; signal?: AbortSignal },
  ): Promise<string[]> {
    return this.#firstEndpoint(domain, async (endpoint) => {
      const session = new Session(this.#transport, endpoint, options.auth ?? {});
      const found: string[] = [];
      let looked = 0;
      let url: string | undefined = `/v2/_catalog?n=${CATALOG_PAGE}`;
      while (url !== undefined && looked < CATALOG_MAX && found.length < options.limit) {
        const response = await session.request({
          method: 'GET',
          url,
          scopes: ['registry:catalog:*'],
          ...(options.signal && { signal: options.signal }),
        });
        const doc: unknown = JSON.parse((await readBody(response, 8 << 20)).toString('utf8'));
        const names: unknown[] = isObject(doc) && Array.isArray(doc.repositories) ? doc.repositories : [];
        found.push(
          ...names.filter((name): name is string => typeof name === 'string' && name.includes(term)),
        );
        looked += names.length;
        url = names.length === 0 ? undefined : nextPage(response.headers.link, response.url, endpoint.url);
      }
      return found.slice(0, options.limit);
    });
  }

  async #firstEndpoint<T>(domain: string, use: (endpoint: Endpoint) => Promise<T>): Promise<T> {
    const endpoints = await endpointsFor(domain, this.#config, 'push');
    let failure: unknown;
    for (const endpoint of endpoints) {
      try {
        return await use(endpoint);
      } catch (err) {
        failure = err;
        if (!isConnectFailure(err) || isKind(err, 'Unauthorized')) throw err;
      }
    }
    throw failure;
  }

  /** Ends all connections. */
  close(): Promise<void> {
    return this.#transport.close();
  }
}

/** The registry's host of a login's server address, which may be a URL such as `https://index.docker.io/v1/`. */
export function serverHost(address: string | undefined): string {
  if (address === undefined || address === '') return DEFAULT_DOMAIN;
  const host = address.replace(/^https?:\/\//, '').split('/')[0] ?? '';
  return HUB_NAMES.includes(host) ? DEFAULT_DOMAIN : host;
}
