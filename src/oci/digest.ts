/** Content digests (OCI image-spec, descriptor.md, "Digests"). Wharf computes and accepts SHA-256 only. */
import { createHash } from 'node:crypto';
import { invalidParameter } from '../errdefs/index.ts';

/** `sha256:` and 64 lower-case hex digits. */
export type Digest = `sha256:${string}`;

const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** True when `text` is a well-formed SHA-256 digest. */
export function isDigest(text: unknown): text is Digest {
  return typeof text === 'string' && DIGEST.test(text);
}

/** `text` as a {@link Digest}; throws InvalidParameter `invalid checksum digest format` (or naming the algorithm). */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text;
  const algorithm = /^([a-z0-9]+(?:[+._-][a-z0-9]+)*):[0-9a-fA-F]+$/.exec(text)?.[1];
  if (algorithm === undefined) throw invalidParameter('invalid checksum digest format');
  if (algorithm !== 'sha256') throw invalidParameter(`unsupported digest algorithm: ${algorithm}`);
  const hex = text.slice(7);
  throw invalidParameter(
    hex.length === 64 ? 'invalid checksum digest format' : 'invalid checksum digest length',
  );
}

/** The digest of `bytes`. */
export function digestOf(bytes: Uint8Array | string): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** The 64 hex digits of a digest. */
export function hexOf(digest: Digest): string {
  return digest.slice(7);
}

/** The first 12 hex digits, as `docker images` shows an ID. */
export function shortId(digest: string): string {
  return (digest.startsWith('sha256:') ? digest.slice(7) : digest).slice(0, 12);
}
