/** Descriptors and media types (OCI image-spec descriptor.md; Docker "Image Manifest V 2, Schema 2"). */
import { invalidParameter } from '../errdefs/index.ts';
import { type Digest, isDigest } from './digest.ts';
import type { Platform } from './platform.ts';

export const MEDIA = {
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerManifestList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerSchema1: 'application/vnd.docker.distribution.manifest.v1+json',
  dockerSchema1Signed: 'application/vnd.docker.distribution.manifest.v1+prettyjws',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayer: 'application/vnd.docker.image.rootfs.diff.tar',
  dockerLayerGzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  dockerForeignLayerGzip: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
  dockerPluginConfig: 'application/vnd.docker.plugin.v1+json',
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  ociLayer: 'application/vnd.oci.image.layer.v1.tar',
  ociLayerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  ociLayerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  ociEmpty: 'application/vnd.oci.empty.v1+json',
} as const;

const INDEXES: readonly string[] = [MEDIA.ociIndex, MEDIA.dockerManifestList];
const MANIFESTS: readonly string[] = [MEDIA.ociManifest, MEDIA.dockerManifest];
const CONFIGS: readonly string[] = [MEDIA.ociConfig, MEDIA.dockerConfig];
const LAYER = /^application\/vnd\.(oci\.image\.layer\.|docker\.image\.rootfs\.)/;

/** A pointer to a blob: its type, its digest, its size in bytes. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly platform?: Platform;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly urls?: readonly string[];
  readonly artifactType?: string;
  readonly data?: string;
}

export const isIndexType = (mediaType: string): boolean => INDEXES.includes(mediaType);
export const isManifestType = (mediaType: string): boolean => MANIFESTS.includes(mediaType);
export const isConfigType = (mediaType: string): boolean => CONFIGS.includes(mediaType);
export const isLayerType = (mediaType: string): boolean => LAYER.test(mediaType);
/** Layers that registries do not hold (Windows base layers, OCI "nondistributable"). */
export const isForeignLayer = (mediaType: string): boolean =>
  mediaType.includes('foreign') || mediaType.includes('nondistributable');

/** How a layer's media type says it is compressed; `auto` when it does not say. */
export function layerCompression(mediaType: string): 'none' | 'gzip' | 'zstd' | 'auto' {
  if (/[+.]gzip$/.test(mediaType)) return 'gzip';
  if (/[+.]zstd$/.test(mediaType)) return 'zstd';
  return mediaType.endsWith('.tar') ? 'none' : 'auto';
}

/** A JSON object of unknown fields: what an untrusted document is until it is checked. */
export type JsonObject = { readonly [key: string]: unknown };

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Parses bytes that claim to be a JSON object; throws InvalidParameter naming `what`. */
export function parseJsonObject(bytes: Uint8Array | string, what: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(typeof bytes === 'string' ? bytes : Buffer.from(bytes).toString('utf8'));
  } catch (cause) {
    throw invalidParameter(`invalid ${what}: not JSON`, { cause });
  }
  if (!isObject(value)) throw invalidParameter(`invalid ${what}: not a JSON object`);
  return value;
}

/** Checks an untrusted descriptor; throws InvalidParameter naming `what`. */
export function parseDescriptor(value: unknown, what: string): Descriptor {
  if (!isObject(value)) throw invalidParameter(`invalid ${what}: no descriptor`);
  const { mediaType, digest, size } = value;
  if (typeof mediaType !== 'string') throw invalidParameter(`invalid ${what}: no media type`);
  if (!isDigest(digest)) throw invalidParameter(`invalid ${what}: bad or unsupported digest`);
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
    throw invalidParameter(`invalid ${what}: bad size`);
  }
  return {
    mediaType,
    digest,
    size,
    ...(isObject(value.platform) ? { platform: platformOf(value.platform) } : {}),
    ...(isObject(value.annotations) ? { annotations: stringsOf(value.annotations) } : {}),
    ...(Array.isArray(value.urls)
      ? { urls: value.urls.filter((u): u is string => typeof u === 'string') }
      : {}),
    ...(typeof value.artifactType === 'string' ? { artifactType: value.artifactType } : {}),
    ...(typeof value.data === 'string' ? { data: value.data } : {}),
  };
}

function stringsOf(value: JsonObject): Record<string, string> {
  return Object.fromEntries(
    Object.entries(value).filter((e): e is [string, string] => typeof e[1] === 'string'),
  );
}

function platformOf(value: JsonObject): Platform {
  const text = (key: string): string => (typeof value[key] === 'string' ? value[key] : '');
  const features = value['os.features'];
  return {
    os: text('os'),
    architecture: text('architecture'),
    ...(text('variant') === '' ? {} : { variant: text('variant') }),
    ...(text('os.version') === '' ? {} : { 'os.version': text('os.version') }),
    ...(Array.isArray(features)
      ? { 'os.features': features.filter((f): f is string => typeof f === 'string') }
      : {}),
  };
}
