/** The archive of a layer to send or save: the one it came as, or one made here that stays the same from then on. */
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { dataLoss } from '../errdefs/index.ts';
import { type Descriptor, type Digest, isForeignLayer, layerCompression, MEDIA } from '../oci/index.ts';
import type { Hold } from './collect.ts';
import type { Room } from './room.ts';

const compressing = new Map<Digest, Promise<Descriptor>>();

/** The blobs of a layer that are in the content store. */
export function localBlobs(room: Room, diffId: Digest): Descriptor[] {
  return room.records.layerBlobs(diffId).filter((blob) => room.content.has(blob.digest));
}

/** Any blob of the layer; the plain one last. Throws DataLoss when there is none. */
export function anyBlob(room: Room, diffId: Digest): Descriptor {
  const blobs = localBlobs(room, diffId);
  const best = blobs.find((blob) => blob.digest !== diffId) ?? blobs[0];
  if (best === undefined) throw dataLoss(`the archive of layer ${diffId} is not in the content store`);
  return best;
}

/**
 * A compressed blob of the layer. When only the plain archive is here it is compressed, always to the same bytes,
 * and remembered, so that every push sends the same digest.
 */
export async function compressedBlob(room: Room, hold: Hold, diffId: Digest): Promise<Descriptor> {
  const blob = anyBlob(room, diffId);
  hold.blobs.add(blob.digest);
  if (blob.digest !== diffId) return blob;
  let running = compressing.get(diffId);
  if (running === undefined) {
    running = compress(room, diffId, blob).finally(() => compressing.delete(diffId));
    compressing.set(diffId, running);
  }
  const made = await running;
  hold.blobs.add(made.digest);
  return made;
}

async function compress(room: Room, diffId: Digest, plain: Descriptor): Promise<Descriptor> {
  const writer = await room.content.writer(`gzip:${diffId}`);
  try {
    if (writer.offset > 0) await writer.restart();
    // zlib writes neither a name nor a time into the header: the same input gives the same bytes.
    const gzip = createGzip({ level: 6, memLevel: 8, chunkSize: 256 << 10 });
    await pipeline(
      createReadStream(room.content.path(plain.digest), { highWaterMark: 1 << 20 }),
      gzip,
      async (source) => {
        for await (const chunk of source) await writer.write(chunk);
      },
    );
    const { digest, size } = await writer.commit();
    const made: Descriptor = { mediaType: MEDIA.dockerLayerGzip, digest, size };
    room.records.addLayerBlob(diffId, made);
    return made;
  } finally {
    await writer.abort();
  }
}

const OCI_TYPES = { none: MEDIA.ociLayer, gzip: MEDIA.ociLayerGzip, zstd: MEDIA.ociLayerZstd } as const;
const DOCKER_TYPES = { none: MEDIA.dockerLayer, gzip: MEDIA.dockerLayerGzip } as const;

/** The same blob under the media type of the other family; as it is when that family has none. */
export function retype(blob: Descriptor, family: 'oci' | 'docker'): Descriptor {
  const compression = layerCompression(blob.mediaType);
  if (compression === 'auto' || isForeignLayer(blob.mediaType)) return blob;
  if (family === 'oci') return { ...blob, mediaType: OCI_TYPES[compression] };
  return compression === 'zstd' ? blob : { ...blob, mediaType: DOCKER_TYPES[compression] };
}
