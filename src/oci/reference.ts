/**
 * Image references, in the grammar and with the normalisation of the "distribution/reference" library that
 * all of Docker's clients use: `busybox` is `docker.io/library/busybox`, a first component with a dot, a
 * colon, an upper-case letter or the word `localhost` is a registry's host.
 *
 *     reference := name [":" tag] ["@" digest]      name := [host [":" port] "/"] path ["/" path]*
 */
import { invalidParameter, type WharfError } from '../errdefs/index.ts';
import { type Digest, parseDigest } from './digest.ts';

/** A normalised reference: `name` is always `domain/path`. */
export interface Reference {
  /** The registry's host (and port), `docker.io` for the hub. */
  readonly domain: string;
  /** The repository's path at that registry, such as `library/busybox`. */
  readonly path: string;
  /** `domain/path`. */
  readonly name: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

export const DEFAULT_DOMAIN = 'docker.io';
export const DEFAULT_TAG = 'latest';
const LEGACY_DOMAIN = 'index.docker.io';
const NAME_MAX = 255;

const ALNUM = '[a-z0-9]+';
const PATH_COMPONENT = `${ALNUM}(?:(?:[._]|__|[-]+)${ALNUM})*`;
const HOST_COMPONENT = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const HOST = `(?:${HOST_COMPONENT}(?:\\.${HOST_COMPONENT})*|\\[(?:[a-fA-F0-9:]+)\\])`;
const DOMAIN = `${HOST}(?::[0-9]+)?`;
const TAG = '[\\w][\\w.-]{0,127}';
const DIGEST = '[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}';
const NAME = `(?:${DOMAIN}/)?${PATH_COMPONENT}(?:/${PATH_COMPONENT})*`;
const REFERENCE = new RegExp(`^(${NAME})(?::(${TAG}))?(?:@(${DIGEST}))?$`);
const TAG_ONLY = new RegExp(`^${TAG}$`);
const IDENTIFIER = /^[a-f0-9]{64}$/;

const invalidFormat = (): WharfError => invalidParameter('invalid reference format');

/**
 * Parses and normalises a reference as a user writes it. Throws InvalidParameter with Docker's wording:
 * `invalid reference format`, `… repository name (library/Foo) must be lowercase`, …
 */
export function parseReference(text: string): Reference {
  if (IDENTIFIER.test(text)) {
    throw invalidParameter(`invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`);
  }
  const { domain, remainder } = splitDomain(text);
  const tagAt = remainder.indexOf(':');
  const remote = tagAt < 0 ? remainder : remainder.slice(0, tagAt);
  if (remote.toLowerCase() !== remote) {
    throw invalidParameter(`invalid reference format: repository name (${remote}) must be lowercase`);
  }
  if (text.length > NAME_MAX + 128 + 200) throw invalidFormat(); // longer than any name, tag and digest
  const match = REFERENCE.exec(`${domain}/${remainder}`);
  if (match === null) throw invalidFormat();
  const [, name, tag, digest] = match;
  if (name === undefined || !name.startsWith(`${domain}/`)) throw invalidFormat();
  const path = name.slice(domain.length + 1);
  if (path.length > NAME_MAX) {
    throw invalidParameter('repository name must not be more than 255 characters');
  }
  return {
    domain,
    path,
    name,
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest: parseDigest(digest) }),
  };
}

function splitDomain(text: string): { domain: string; remainder: string } {
  const slash = text.indexOf('/');
  const first = text.slice(0, Math.max(slash, 0));
  const isHost = slash >= 0 && (/[.:]/.test(first) || first === 'localhost' || first.toLowerCase() !== first);
  let domain = isHost ? first : DEFAULT_DOMAIN;
  let remainder = isHost ? text.slice(slash + 1) : text;
  if (domain === LEGACY_DOMAIN) domain = DEFAULT_DOMAIN;
  if (domain === DEFAULT_DOMAIN && !remainder.includes('/')) remainder = `library/${remainder}`;
  return { domain, remainder };
}

/** The reference with `:latest` added when it has neither tag nor digest. */
export function withDefaultTag(ref: Reference): Reference {
  return ref.tag === undefined && ref.digest === undefined ? { ...ref, tag: DEFAULT_TAG } : ref;
}

/** The same repository with another tag; throws InvalidParameter `invalid tag format`. */
export function withTag(ref: Reference, tag: string): Reference {
  if (!TAG_ONLY.test(tag)) throw invalidParameter('invalid tag format');
  return { domain: ref.domain, path: ref.path, name: ref.name, tag };
}

/** The same repository by digest alone. */
export function withDigest(ref: Reference, digest: Digest): Reference {
  return { domain: ref.domain, path: ref.path, name: ref.name, digest };
}

/** The shortest name a user would write for the repository: `docker.io/library/busybox` is `busybox`. */
export function familiarName(ref: Reference | string): string {
  const name = typeof ref === 'string' ? ref : ref.name;
  if (!name.startsWith(`${DEFAULT_DOMAIN}/`)) return name;
  const path = name.slice(DEFAULT_DOMAIN.length + 1);
  return path.startsWith('library/') && path.indexOf('/', 8) < 0 ? path.slice(8) : path;
}

/** The familiar name with tag and digest, as Docker prints references. */
export function familiarString(ref: Reference): string {
  return suffixed(familiarName(ref), ref);
}

/** The canonical string: `docker.io/library/busybox:latest`. */
export function referenceString(ref: Reference): string {
  return suffixed(ref.name, ref);
}

function suffixed(name: string, ref: Reference): string {
  const tag = ref.tag === undefined ? '' : `:${ref.tag}`;
  const digest = ref.digest === undefined ? '' : `@${ref.digest}`;
  return `${name}${tag}${digest}`;
}
