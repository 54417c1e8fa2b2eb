/** One repository at a registry, for one user: what pull and push ask of it. */
import { isKind, system } from '../errdefs/index.ts';
import {
  type Digest,
  digestOf,
  type Index,
  isDigest,
  isObject,
  MANIFEST_MAX_BYTES,
  type Manifest,
  MEDIA,
  parseManifest,
  type Reference,
} from '../oci/index.ts';
import { throwIfAborted } from './backoff.ts';
import type { Endpoint } from './endpoints.ts';
import { isConnectFailure, RegistryError } from './errors.ts';
import type { Session } from './session.ts';
import { discard, type HttpResponse, readBody } from './transport.ts';

const ACCEPT = [
  MEDIA.ociIndex,
  MEDIA.ociManifest,
  MEDIA.dockerManifestList,
  MEDIA.dockerManifest,
  // Named so that a registry that has nothing better answers with it, and we can say what is wrong.
  MEDIA.dockerSchema1Signed,
  '*/*;q=0.1',
].join(', ');

/** A manifest or index as the registry gave it. */
export interface FetchedManifest {
  readonly bytes: Buffer;
  readonly digest: Digest;
  readonly mediaType: string;
  readonly manifest: Manifest | Index;
}

/** What HEAD tells of a manifest. */
export interface ManifestHead {
  readonly digest: Digest | undefined;
  readonly mediaType: string;
  readonly size: number;
}

export interface RepositoryOptions {
  reference: Reference;
  endpoints: readonly Endpoint[];
  session: (endpoint: Endpoint) => Session;
  /** `pull`, or `pull,push`. */
  actions: string;
}

export class Repository {
  readonly reference: Reference;
  readonly #options: RepositoryOptions;
  readonly #sessions = new Map<Endpoint, Session>();
  #session: Session | undefined;

  constructor(options: RepositoryOptions) {
    this.#options = options;
    this.reference = options.reference;
  }

  /** `/v2/<path>`. */
  get base(): string {
    return `/v2/${this.reference.path}`;
  }

  get scopes(): string[] {
    return [`repository:${this.reference.path}:${this.#options.actions}`];
  }

  /** Where this repository was found to be; the first endpoint that answers until then. */
  async session(signal?: AbortSignal): Promise<Session> {
    return this.#session ?? this.#first((session) => session.ping(signal).then(() => session), signal);
  }

  /** Tries the endpoints in turn: past mirrors that fail, and from https to http where that is allowed. */
  async #first<T>(use: (session: Session) => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (this.#session !== undefined) return use(this.#session);
    let failure: unknown = system(`no endpoint for ${this.reference.domain}`);
    for (const endpoint of this.#options.endpoints) {
      throwIfAborted(signal);
      const session = this.#sessions.get(endpoint) ?? this.#options.session(endpoint);
      this.#sessions.set(endpoint, session);
      try {
        await session.ping(signal);
      } catch (err) {
        failure = err;
        if (isConnectFailure(err) || endpoint.mirror) continue;
        throw err;
      }
      try {
        const result = await use(session);
        this.#session = session;
        return result;
      } catch (err) {
        failure = err;
        if (!endpoint.mirror || isKind(err, 'Cancelled')) throw err;
      }
    }
    throw failure;
  }

  /** The digest a tag stands for now; throws RegistryError, with the registry's own words. */
  async head(ref: string, signal?: AbortSignal): Promise<ManifestHead> {
    const url = `${this.base}/manifests/${ref}`;
    return this.#first(async (session) => {
      const common = { url, headers: { accept: ACCEPT }, scopes: this.scopes, ...(signal && { signal }) };
      const response = await session.request({
        ...common,
        method: 'HEAD',
        accept: (status) => status < 300 || status === 404 || status === 405,
      });
      discard(response.body);
      // The answer to HEAD has no body: GET tells what is wrong.
      if (response.status >= 400) return headOf(await this.#get(session, common));
      return headOf(response);
    }, signal);
  }

  async #get(
    session: Session,
    common: Omit<Parameters<Session['request']>[0], 'method'>,
  ): Promise<HttpResponse> {
    const response = await session.request({ ...common, method: 'GET' });
    discard(response.body);
    return response;
  }

  /** Fetches and checks a manifest. `ref` is a tag or a digest; a digest is verified. */
  async manifest(ref: string, signal?: AbortSignal): Promise<FetchedManifest> {
    return this.#first(async (session) => {
      const response = await session.request({
        method: 'GET',
        url: `${this.base}/manifests/${ref}`,
        headers: { accept: ACCEPT },
        scopes: this.scopes,
        ...(signal && { signal }),
      });
      const bytes = await readBody(response, MANIFEST_MAX_BYTES);
      const digest = digestOf(bytes);
      if (ref.includes(':') && ref !== digest) {
        throw system(`manifest verification failed for digest ${ref}`);
      }
      const manifest = parseManifest(bytes, response.headers['content-type']);
      return { bytes, digest, mediaType: manifest.mediaType, manifest };
    }, signal);
  }

  /** All tags, page by page (at most 10,000 of them). */
  async tags(signal?: AbortSignal): Promise<string[]> {
    return this.#first(async (session) => {
      const tags: string[] = [];
      let url: string | undefined = `${this.base}/tags/list`;
      while (url !== undefined && tags.length < 10_000) {
        const response = await session.request({
          method: 'GET',
          url,
          scopes: this.scopes,
          ...(signal && { signal }),
        });
        const doc: unknown = JSON.parse((await readBody(response, MANIFEST_MAX_BYTES)).toString('utf8'));
        if (!isObject(doc)) throw system('invalid tag list');
        if (Array.isArray(doc.tags)) tags.push(...doc.tags.filter((t): t is string => typeof t === 'string'));
        url = nextPage(response.headers.link, response.url, session.endpoint.url);
      }
      return tags;
    }, signal);
  }

  /** The size of a blob in bytes, undefined when the repository does not have it. */
  async stat(digest: Digest, signal?: AbortSignal): Promise<number | undefined> {
    const session = await this.session(signal);
    const response = await session.request({
      method: 'HEAD',
      url: `${this.base}/blobs/${digest}`,
      scopes: this.scopes,
      accept: (status) => status === 404 || (status >= 200 && status < 300),
      ...(signal && { signal }),
    });
    discard(response.body);
    return response.status === 404 ? undefined : Number(response.headers['content-length'] ?? 0);
  }

  /** Stores a manifest under a tag or its digest, byte for byte. */
  async putManifest(ref: string, bytes: Buffer, mediaType: string, signal?: AbortSignal): Promise<Digest> {
    const session = await this.session(signal);
    const response = await session.request({
      method: 'PUT',
      url: `${this.base}/manifests/${ref}`,
      headers: { 'content-type': mediaType },
      body: bytes,
      scopes: this.scopes,
      ...(signal && { signal }),
    });
    discard(response.body);
    const digest = digestOf(bytes);
    const answered = response.headers['docker-content-digest'];
    if (answered !== undefined && isDigest(answered) && answered !== digest) {
      throw system(`the registry stored manifest ${digest} as ${answered}`);
    }
    return digest;
  }
}

function headOf(response: HttpResponse): ManifestHead {
  const digest = response.headers['docker-content-digest'];
  return {
    digest: isDigest(digest) ? digest : undefined,
    mediaType: response.headers['content-type']?.split(';')[0]?.trim() ?? '',
    size: Number(response.headers['content-length'] ?? 0),
  };
}

/** The next page by RFC 8288's Link field; within the same registry only. */
export function nextPage(link: string | undefined, from: string, base: string): string | undefined {
  const target = /<([^>]+)>\s*;\s*rel="?next"?/.exec(link ?? '')?.[1];
  if (target === undefined) return undefined;
  const url = new URL(target, from);
  return url.origin === new URL(base).origin ? url.href : undefined;
}

/** True when the registry says that it does not have the manifest or the repository. */
export function isUnknown(err: unknown): boolean {
  return isKind(err, 'NotFound') || (err instanceof RegistryError && err.status === 404);
}
