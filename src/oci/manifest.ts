/** Manifests and indexes (OCI image-spec manifest.md, image-index.md; Docker schema 2 and manifest lists). */
import { invalidParameter } from '../errdefs/index.ts';
import {
  type Descriptor,
  isIndexType,
  isManifestType,
  isObject,
  type JsonObject,
  MEDIA,
  parseDescriptor,
  parseJsonObject,
} from './descriptor.ts';

/** Docker's and containerd's bound on the size of a manifest, in bytes. */
export const MANIFEST_MAX_BYTES = 4 << 20;
const MAX_LAYERS = 1024;
const MAX_MANIFESTS = 4096;

/** The manifest of one image for one platform. */
export interface Manifest {
  readonly kind: 'manifest';
  readonly mediaType: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly annotations?: Readonly<Record<string, string>>;
  readonly subject?: Descriptor;
  readonly artifactType?: string;
}

/** A list of manifests, one for each platform. */
export interface Index {
  readonly kind: 'index';
  readonly mediaType: string;
  readonly manifests: readonly Descriptor[];
  readonly annotations?: Readonly<Record<string, string>>;
}

/**
 * Parses and checks an untrusted manifest or index. `mediaType` is what the registry said; the document's own
 * field wins when it has one, as the OCI spec's field is optional. Schema 1 is refused with a clear message.
 */
export function parseManifest(bytes: Uint8Array | string, mediaType?: string): Manifest | Index {
  if (bytes.length > MANIFEST_MAX_BYTES) throw invalidParameter('invalid manifest: larger than 4 MiB');
  const doc = parseJsonObject(bytes, 'manifest');
  if (doc.schemaVersion === 1) {
    throw invalidParameter(
      'Docker Image Format v1 and Docker Image manifest version 2, schema 1 are not supported: push the image again with a current client',
      { code: 'schema1' },
    );
  }
  if (doc.schemaVersion !== undefined && doc.schemaVersion !== 2) {
    throw invalidParameter(`unsupported manifest schema version ${String(doc.schemaVersion)}`);
  }
  const type = typeOf(doc, mediaType);
  return isIndexType(type) ? parseIndex(doc, type) : parseImageManifest(doc, type);
}

function typeOf(doc: JsonObject, given: string | undefined): string {
  const own = typeof doc.mediaType === 'string' && doc.mediaType !== '' ? doc.mediaType : undefined;
  const type = own ?? given?.split(';')[0]?.trim();
  // CVE-2021-41190: one document must not read as a manifest to one and as an index to another.
  if (Array.isArray(doc.manifests) && (isObject(doc.config) || Array.isArray(doc.layers))) {
    throw invalidParameter('invalid manifest: both manifests and layers are given');
  }
  if (type !== undefined && (isIndexType(type) || isManifestType(type))) return type;
  if (Array.isArray(doc.manifests)) return MEDIA.ociIndex;
  if (isObject(doc.config)) return MEDIA.ociManifest;
  throw invalidParameter(`unsupported manifest media type: ${type ?? 'none given'}`);
}

function parseIndex(doc: JsonObject, mediaType: string): Index {
  if (!Array.isArray(doc.manifests)) throw invalidParameter('invalid index: no manifests');
  if (doc.manifests.length > MAX_MANIFESTS) throw invalidParameter('invalid index: too many manifests');
  const manifests = doc.manifests.map((m) => parseDescriptor(m, 'index'));
  return { kind: 'index', mediaType, manifests, ...annotationsOf(doc) };
}

function parseImageManifest(doc: JsonObject, mediaType: string): Manifest {
  if (!Array.isArray(doc.layers)) throw invalidParameter('invalid manifest: no layers');
  if (doc.layers.length > MAX_LAYERS) throw invalidParameter('invalid manifest: too many layers');
  return {
    kind: 'manifest',
    mediaType,
    config: parseDescriptor(doc.config, 'manifest config'),
    layers: doc.layers.map((layer) => parseDescriptor(layer, 'manifest layer')),
    ...annotationsOf(doc),
    ...(doc.subject === undefined ? {} : { subject: parseDescriptor(doc.subject, 'manifest subject') }),
    ...(typeof doc.artifactType === 'string' ? { artifactType: doc.artifactType } : {}),
  };
}

function annotationsOf(doc: JsonObject): { annotations?: Record<string, string> } {
  if (!isObject(doc.annotations)) return {};
  const pairs = Object.entries(doc.annotations).filter(
    (e): e is [string, string] => typeof e[1] === 'string',
  );
  return { annotations: Object.fromEntries(pairs) };
}

/** The bytes of a manifest of ours, in a fixed field order so that the same image has the same digest. */
export function encodeManifest(m: Pick<Manifest, 'mediaType' | 'config' | 'layers'>): Buffer {
  const plain = (d: Descriptor): Descriptor => ({ mediaType: d.mediaType, size: d.size, digest: d.digest });
  const doc = {
    schemaVersion: 2,
    mediaType: m.mediaType,
    config: plain(m.config),
    layers: m.layers.map(plain),
  };
  return Buffer.from(JSON.stringify(doc, null, 3));
}
