/** From what a user calls an image to the image. */
import { invalidParameter, notFound, type WharfError } from '../errdefs/index.ts';
import {
  configPlatform,
  type Digest,
  familiarString,
  formatPlatform,
  type ImageConfig,
  isDigest,
  matchPlatform,
  normalizePlatform,
  type Platform,
  parseReference,
  type Reference,
  withDefaultTag,
} from '../oci/index.ts';
import type { ImageRecords } from './image-records.ts';
import type { PlatformRequest } from './types.ts';

const PREFIX = /^(?:sha256:)?([0-9a-f]{1,64})$/;

/**
 * Finds an image's ID by `name[:tag][@digest]`, full ID or unique ID prefix, names first, as Docker does. Throws
 * NotFound `No such image: x:latest`, InvalidParameter for what cannot be a reference.
 */
export function resolveId(records: ImageRecords, text: string): Digest {
  const full = /^[0-9a-f]{64}$/.test(text) ? `sha256:${text}` : text;
  if (isDigest(full)) {
    if (records.image(full) !== undefined) return full;
    throw noSuchImage(full);
  }
  const ref = parseReference(text);
  const named = lookup(records, ref);
  if (named !== undefined) return named;
  const hex = PREFIX.exec(text)?.[1];
  const found = hex === undefined ? [] : records.byPrefix(hex);
  if (found.length === 1) return found[0]!;
  const missing = familiarString(withDefaultTag(ref));
  throw found.length === 0
    ? noSuchImage(missing)
    : notFound(`No such image: ${missing}: multiple IDs found with provided prefix: ${text}`, {
        code: 'ambiguous',
      });
}

/** The image a reference names; the digest decides when both tag and digest are given. */
export function lookup(records: ImageRecords, ref: Reference): Digest | undefined {
  if (ref.digest !== undefined) {
    const known = records.repoDigest(ref.name, ref.digest)?.image;
    if (known !== undefined || ref.tag === undefined) return known;
    const tagged = records.tag(ref.name, ref.tag);
    return tagged?.manifest === ref.digest ? tagged.image : undefined;
  }
  return records.tag(ref.name, ref.tag ?? 'latest')?.image;
}

export function noSuchImage(ref: string): WharfError {
  return notFound(`No such image: ${ref}`);
}

/** Does the user's word mean the ID, or a prefix of it, rather than a name? */
export function isIdPrefix(id: Digest, text: string): boolean {
  return id.startsWith(text) || id.slice('sha256:'.length).startsWith(text);
}

/** A client's platform completed from `base`; undefined when nothing was asked. */
export function completePlatform(request: PlatformRequest | undefined, base: Platform): Platform | undefined {
  if (request?.os === undefined && request?.architecture === undefined) return undefined;
  const { os, architecture, ...rest } = request;
  const own = architecture === undefined || architecture === '';
  const p: Platform = {
    ...rest,
    os: os || base.os,
    architecture: own ? base.architecture : architecture,
    ...(own && base.variant !== undefined && rest.variant === undefined ? { variant: base.variant } : {}),
  };
  return normalizePlatform(p);
}

/** Throws InvalidParameter when `config` is not for the platform that was asked. */
export function checkPlatform(ref: string, config: ImageConfig, wanted: Platform | undefined): void {
  if (wanted === undefined) return;
  const actual = configPlatform(config);
  if (matchPlatform(wanted, actual) !== undefined) return;
  throw invalidParameter(
    `image with reference ${ref} was found but its platform (${formatPlatform(actual)}) does not match the specified platform (${formatPlatform(wanted)})`,
    { code: 'platform_mismatch' },
  );
}
