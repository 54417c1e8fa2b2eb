/** The second half of `load`: what the documents of an archive say which images it holds. */
import { invalidParameter } from '../errdefs/index.ts';
import {
  type Descriptor,
  type Digest,
  digestOf,
  hexOf,
  type Index,
  isConfigType,
  isIndexType,
  isManifestType,
  isObject,
  layerCompression,
  type Manifest,
  MEDIA,
  type Platform,
  parseManifest,
  parseReference,
  referenceString,
  selectPlatform,
} from '../oci/index.ts';
import { type Intake, type IntakeBlob, normalise } from './archive-intake.ts';
import type { Room } from './room.ts';

/** One image of an archive, before its layers were looked at. */
export interface ArchiveImage {
  readonly config: Buffer;
  /** The parts by their place in the archive, base first, with the type a manifest gives. */
  readonly layers: readonly { blob: IntakeBlob; mediaType: string }[];
  /** Canonical references with tags. */
  readonly names: string[];
  readonly manifest?: { bytes: Buffer; mediaType: string };
}

const MAX_DEPTH = 4;
const blobPath = (digest: Digest): string => `blobs/sha256/${hexOf(digest)}`;

/**
 * The images of an archive, from `manifest.json` (docker save) and `index.json` (OCI image layout); one that both
 * name is given once. Throws InvalidParameter when it is neither kind.
 */
export function imagesOf(room: Room, intake: Intake, platforms: readonly Platform[]): ArchiveImage[] {
  const images = new Map<Digest, ArchiveImage>();
  const add = (image: ArchiveImage): void => {
    const id = digestOf(image.config);
    const known = images.get(id);
    if (known === undefined) images.set(id, image);
    else {
      const names = [...new Set([...known.names, ...image.names])];
      images.set(id, {
        ...known,
        names,
        ...(image.manifest && { manifest: image.manifest, layers: image.layers }),
      });
    }
  };
  const legacy = intake.documents.get('manifest.json');
  const index = intake.documents.get('index.json');
  if (legacy === undefined && index === undefined) {
    throw invalidParameter(
      intake.documents.has('repositories')
        ? 'the archive is of a Docker before 1.10 (no manifest.json): load it into a newer Docker and save it again'
        : 'unrecognized image format: neither manifest.json nor index.json is in the archive',
      { code: 'unrecognized_archive' },
    );
  }
  if (legacy !== undefined) for (const image of dockerImages(room, intake, legacy)) add(image);
  if (index !== undefined) {
    const top = parseManifest(index, MEDIA.ociIndex);
    if (top.kind === 'index')
      for (const image of layoutImages(room, intake, top, platforms, legacy !== undefined)) add(image);
  }
  return [...images.values()];
}

/** `manifest.json`: a list of `{Config, RepoTags, Layers}`. */
function dockerImages(room: Room, intake: Intake, bytes: Buffer): ArchiveImage[] {
  let list: unknown;
  try {
    list = JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw invalidParameter('invalid manifest.json: not JSON', { cause });
  }
  if (!Array.isArray(list) || !list.every(isObject))
    throw invalidParameter('invalid manifest.json: not a list');
  return list.map((item) => {
    if (typeof item.Config !== 'string') throw invalidParameter('invalid manifest.json: no Config');
    const layers: unknown = item.Layers ?? [];
    const tags: unknown = item.RepoTags ?? [];
    if (!isStrings(layers) || !isStrings(tags))
      throw invalidParameter('invalid manifest.json: bad Layers or RepoTags');
    return {
      config: documentAt(room, intake, normalise(item.Config)),
      layers: layers.map((path) => {
        const blob = intake.blobs.get(normalise(path));
        if (blob === undefined) throw invalidParameter(`invalid archive: layer ${path} is missing`);
        return { blob, mediaType: TYPES[blob.compression] };
      }),
      names: tags.map((tag) => {
        const ref = parseReference(tag);
        if (ref.tag === undefined) throw invalidParameter(`invalid tag "${tag}"`);
        return referenceString(ref);
      }),
    };
  });
}

const TYPES = { none: MEDIA.dockerLayer, gzip: MEDIA.dockerLayerGzip, zstd: MEDIA.ociLayerZstd } as const;
const isStrings = (v: unknown): v is string[] => Array.isArray(v) && v.every((s) => typeof s === 'string');

/** The images an index leads to: every one at its top level, of nested indexes those for the platforms asked. */
function layoutImages(
  room: Room,
  intake: Intake,
  top: Index,
  platforms: readonly Platform[],
  lenient: boolean,
): ArchiveImage[] {
  const out: ArchiveImage[] = [];
  const visit = (descriptor: Descriptor, names: string[], depth: number): void => {
    if (depth > MAX_DEPTH) throw invalidParameter('invalid archive: indexes are nested too deep');
    if (!isIndexType(descriptor.mediaType) && !isManifestType(descriptor.mediaType)) return;
    const bytes = findDocument(room, intake, blobPath(descriptor.digest));
    // An archive of some platforms of an index does not hold the manifests of the others.
    if (bytes === undefined && (depth > 0 || lenient)) return;
    if (bytes === undefined)
      throw invalidParameter(`invalid archive: ${blobPath(descriptor.digest)} is missing`);
    if (digestOf(bytes) !== descriptor.digest)
      throw invalidParameter(`invalid archive: ${descriptor.digest} is damaged`);
    const doc = parseManifest(bytes, descriptor.mediaType);
    if (doc.kind === 'index') {
      const all = doc.manifests.filter((m) => m.annotations?.['vnd.docker.reference.type'] === undefined);
      const wanted = platforms.length > 0 ? platforms : [room.platform];
      const chosen = wanted
        .map((p) =>
          selectPlatform(
            p,
            all.filter((m) => isManifestType(m.mediaType)),
          ),
        )
        .filter((m) => m !== undefined);
      const nested = all.filter((m) => isIndexType(m.mediaType));
      if (chosen.length === 0 && nested.length === 0) {
        throw invalidParameter('the archive holds no image for the platform asked', {
          code: 'no_matching_platform',
        });
      }
      for (const child of [...chosen, ...nested]) visit(child, names, depth + 1);
      return;
    }
    const image = layoutImage(room, intake, doc, bytes, names);
    if (image !== undefined) out.push(image);
    else if (!lenient) throw invalidParameter(`invalid archive: layers of ${descriptor.digest} are missing`);
  };
  for (const descriptor of top.manifests) visit(descriptor, namesOf(descriptor), 0);
  return out;
}

/** The image of a manifest; undefined when it is no image, or parts of it are not in the archive. */
function layoutImage(
  room: Room,
  intake: Intake,
  manifest: Manifest,
  bytes: Buffer,
  names: string[],
): ArchiveImage | undefined {
  if (!isConfigType(manifest.config.mediaType)) return undefined;
  const config = findDocument(room, intake, blobPath(manifest.config.digest));
  const layers = manifest.layers.map((layer) => {
    const blob = intake.blobs.get(blobPath(layer.digest));
    const compression = layerCompression(layer.mediaType);
    const mediaType =
      compression === 'auto' && blob !== undefined ? TYPES[blob.compression] : layer.mediaType;
    return blob && { blob, mediaType };
  });
  if (config === undefined || layers.includes(undefined)) return undefined;
  return {
    config,
    layers: layers.filter((l) => l !== undefined),
    names,
    manifest: { bytes, mediaType: manifest.mediaType },
  };
}

/** Names as containerd and BuildKit write them, or as the image-spec's plain `ref.name` (a whole reference only). */
function namesOf(descriptor: Descriptor): string[] {
  const full = descriptor.annotations?.['io.containerd.image.name'];
  const short = descriptor.annotations?.['org.opencontainers.image.ref.name'];
  const text = full ?? (short !== undefined && /[/:]/.test(short) ? short : undefined);
  if (text === undefined) return [];
  const ref = parseReference(text);
  return [referenceString({ ...ref, tag: ref.tag ?? 'latest' })];
}

/** A document of the archive; one that did not look like it went to the content store. */
function findDocument(room: Room, intake: Intake, path: string): Buffer | undefined {
  const blob = intake.blobs.get(path);
  return intake.documents.get(path) ?? (blob && room.content.readBytes(blob.digest));
}

function documentAt(room: Room, intake: Intake, path: string): Buffer {
  const bytes = findDocument(room, intake, path);
  if (bytes === undefined) throw invalidParameter(`invalid archive: ${path} is missing`);
  return bytes;
}
