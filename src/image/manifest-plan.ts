/** Which manifest an image is sent or saved under: the one it came with when its parts are here, else one of ours. */
import {
  CONFIG_MAX_BYTES,
  type Descriptor,
  type Digest,
  digestOf,
  encodeManifest,
  layerCompression,
  MANIFEST_MAX_BYTES,
  type Manifest,
  MEDIA,
  parseManifest,
} from '../oci/index.ts';
import { retype } from './layer-blob.ts';
import type { Room } from './room.ts';

export interface ManifestPlan {
  readonly bytes: Buffer;
  readonly digest: Digest;
  readonly manifest: Manifest;
}

/** The manifests an image came with, that of the tag first, then its own. */
export function originalManifests(
  room: Room,
  image: Digest,
  preferred: Digest | null | undefined,
): ManifestPlan[] {
  const row = room.records.image(image);
  const order = [preferred, row?.manifest, ...room.records.manifestsOf(image).map((m) => m.digest)];
  const out: ManifestPlan[] = [];
  for (const digest of new Set(order)) {
    if (!digest || !room.content.has(digest)) continue;
    const bytes = room.content.readBytes(digest, MANIFEST_MAX_BYTES);
    const manifest = parseManifest(
      bytes,
      room.records.manifestsOf(image).find((m) => m.digest === digest)?.media_type,
    );
    if (manifest.kind === 'manifest' && manifest.config.digest === image)
      out.push({ bytes, digest, manifest });
  }
  return out;
}

/** A manifest of ours over the given blobs; Docker's schema 2 unless a layer needs OCI's types. */
export function makeManifest(
  room: Room,
  image: Digest,
  blobs: readonly Descriptor[],
  family?: 'oci' | 'docker',
): ManifestPlan {
  const needsOci = blobs.some((blob) => layerCompression(blob.mediaType) === 'zstd');
  const kind = family ?? (needsOci ? 'oci' : 'docker');
  const config: Descriptor = {
    mediaType: kind === 'oci' ? MEDIA.ociConfig : MEDIA.dockerConfig,
    digest: image,
    size: room.content.readBytes(image, CONFIG_MAX_BYTES).length,
  };
  const mediaType = kind === 'oci' ? MEDIA.ociManifest : MEDIA.dockerManifest;
  const layers = blobs.map((blob) => retype(blob, kind));
  const bytes = encodeManifest({ mediaType, config, layers });
  return { bytes, digest: digestOf(bytes), manifest: { kind: 'manifest', mediaType, config, layers } };
}
