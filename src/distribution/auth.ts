/** Proving who asks: basic authentication, and bearer tokens from a token server (distribution "Token Authentication"). */
import { isKind, system, unauthorized } from '../errdefs/index.ts';
import { isObject } from '../oci/index.ts';
import type { Endpoint } from './endpoints.ts';
import { registryError } from './errors.ts';
import { readBody, type Transport } from './transport.ts';
import type { RegistryAuth } from './types.ts';

const TOKEN_LIMIT = 1 << 20;
const CLIENT_ID = 'docker';
/** A token without a lifetime lives this long (the spec's default), in seconds. */
const DEFAULT_LIFETIME = 60;

/** One `WWW-Authenticate` challenge. */
export interface Challenge {
  /** Lower case: `basic`, `bearer`. */
  readonly scheme: string;
  readonly params: Readonly<Record<string, string>>;
}

/** Parses a `WWW-Authenticate` field (RFC 9110 section 11.6.1), which may hold several challenges. */
export function parseChallenges(header: string): Challenge[] {
  const out: { scheme: string; params: Record<string, string> }[] = [];
  const token = /\s*,?\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+)))?/y;
  for (let match = token.exec(header); match !== null; match = token.exec(header)) {
    const [, name = '', quoted, plain] = match;
    const value = quoted === undefined ? plain : quoted.replace(/\\(.)/g, '$1');
    if (value === undefined) out.push({ scheme: name.toLowerCase(), params: {} });
    else {
      const last = out.at(-1);
      if (last !== undefined) last.params[name.toLowerCase()] = value;
    }
  }
  return out;
}

/** User and password from either form; undefined when there are none. */
export function credentials(auth: RegistryAuth): { user: string; password: string } | undefined {
  if (auth.username) return { user: auth.username, password: auth.password ?? '' };
  if (!auth.auth) return undefined;
  const decoded = Buffer.from(auth.auth, 'base64').toString('utf8');
  const colon = decoded.indexOf(':');
  return colon < 1 ? undefined : { user: decoded.slice(0, colon), password: decoded.slice(colon + 1) };
}

const basic = (c: { user: string; password: string }): string =>
  `Basic ${Buffer.from(`${c.user}:${c.password}`).toString('base64')}`;

interface Token {
  readonly value: string;
  /** Milliseconds since 1970. */
  readonly expires: number;
}

/** Answers the challenges of one registry with one user's credentials; keeps tokens until they expire. */
export class Authorizer {
  readonly #transport: Transport;
  readonly #endpoint: Endpoint;
  readonly #auth: RegistryAuth;
  readonly #tokens = new Map<string, Promise<Token>>();
  #challenges: readonly Challenge[] = [];
  /** An identity token the registry's token server gave in exchange for the password. */
  identityToken = '';

  constructor(transport: Transport, endpoint: Endpoint, auth: RegistryAuth) {
    this.#transport = transport;
    this.#endpoint = endpoint;
    this.#auth = auth;
  }

  /** Remembers what a 401 asked for. */
  challenge(header: string | undefined): void {
    if (header !== undefined) this.#challenges = parseChallenges(header);
  }

  /** Forgets the tokens, as one was refused. */
  refuse(): void {
    this.#tokens.clear();
  }

  /**
   * The value of Authorization for these scopes, undefined when nothing is asked. Throws Unauthorized
   * `no basic auth credentials`, or what the token server answers.
   */
  async authorization(scopes: readonly string[], signal?: AbortSignal): Promise<string | undefined> {
    const bearer = this.#challenges.find((c) => c.scheme === 'bearer');
    if (bearer !== undefined) {
      if (this.#auth.registrytoken) return `Bearer ${this.#auth.registrytoken}`;
      return `Bearer ${(await this.#token(bearer, scopes, signal)).value}`;
    }
    if (this.#challenges.some((c) => c.scheme === 'basic')) {
      const who = credentials(this.#auth);
      if (who === undefined) throw unauthorized('no basic auth credentials');
      return basic(who);
    }
    return undefined;
  }

  async #token(
    challenge: Challenge,
    scopes: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<Token> {
    const key = scopes.join(' ');
    const known = this.#tokens.get(key);
    if (known !== undefined) {
      const token = await known;
      if (token.expires > Date.now()) return token;
    }
    const fresh = this.#fetch(challenge, scopes, signal);
    this.#tokens.set(key, fresh);
    fresh.catch(() => this.#tokens.delete(key));
    return fresh;
  }

  async #fetch(
    challenge: Challenge,
    scopes: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<Token> {
    const realm = challenge.params.realm;
    if (realm === undefined || !URL.canParse(realm))
      throw system('no realm specified for token auth challenge');
    const url = new URL(realm);
    const who = credentials(this.#auth);
    // A password is not told in clear text to a server that a trusted one names.
    const exposed =
      url.protocol !== 'https:' && this.#endpoint.url.startsWith('https:') && !this.#endpoint.insecure;
    if (exposed && (who !== undefined || this.#auth.identitytoken)) {
      throw unauthorized(`the token server ${url.origin} of ${this.#endpoint.host} is not https`);
    }
    const service = challenge.params.service ?? '';
    const response = this.#auth.identitytoken
      ? await this.#oauth(url, service, scopes, this.#auth.identitytoken, signal)
      : await this.#get(url, service, scopes, who, signal);
    const body = await readBody(response, TOKEN_LIMIT);
    if (response.status < 200 || response.status > 299) {
      throw registryError(response.status, url.origin + url.pathname, body.toString('utf8'));
    }
    return this.#parse(body);
  }

  #get(
    realm: URL,
    service: string,
    scopes: readonly string[],
    who: { user: string; password: string } | undefined,
    signal: AbortSignal | undefined,
  ): ReturnType<Transport['send']> {
    const url = new URL(realm);
    if (service !== '') url.searchParams.set('service', service);
    for (const scope of scopes) url.searchParams.append('scope', scope);
    if (who !== undefined) {
      url.searchParams.set('account', who.user);
      url.searchParams.set('offline_token', 'true');
      url.searchParams.set('client_id', CLIENT_ID);
    }
    return this.#transport.send({
      endpoint: this.#endpoint,
      method: 'GET',
      url: url.href,
      ...(who === undefined ? {} : { authorization: basic(who) }),
      ...(signal === undefined ? {} : { signal }),
    });
  }

  #oauth(
    realm: URL,
    service: string,
    scopes: readonly string[],
    refreshToken: string,
    signal: AbortSignal | undefined,
  ): ReturnType<Transport['send']> {
    const form = new URLSearchParams({
      grant_type: 'refresh_token',
      refresh_token: refreshToken,
      service,
      client_id: CLIENT_ID,
      scope: scopes.join(' '),
    });
    return this.#transport.send({
      endpoint: this.#endpoint,
      method: 'POST',
      url: realm.href,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: form.toString(),
      ...(signal === undefined ? {} : { signal }),
    });
  }

  #parse(body: Buffer): Token {
    let doc: unknown;
    try {
      doc = JSON.parse(body.toString('utf8'));
    } catch (cause) {
      throw system('unable to decode token response', { cause });
    }
    if (!isObject(doc)) throw system('unable to decode token response');
    const value = doc.token || doc.access_token;
    if (typeof value !== 'string')
      throw system('authorization server did not include a token in the response');
    if (typeof doc.refresh_token === 'string') this.identityToken = doc.refresh_token;
    const lifetime =
      typeof doc.expires_in === 'number' && doc.expires_in > 0 ? doc.expires_in : DEFAULT_LIFETIME;
    // Used for nine tenths of its life, so that no request meets its end on the way.
    return { value, expires: Date.now() + lifetime * 900 };
  }
}

/** True for failures that mean wrong or missing credentials. */
export function isAuthFailure(err: unknown): boolean {
  return isKind(err, 'Unauthorized');
}
