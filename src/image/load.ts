/** `docker load`: an archive of images read once, as a stream. */
import { throwIfAborted } from '../distribution/index.ts';
import { invalidParameter } from '../errdefs/index.ts';
import {
  type Digest,
  familiarString,
  type Platform,
  parseImageConfig,
  parseReference,
  shortId,
} from '../oci/index.ts';
import { type ArchiveImage, imagesOf } from './archive-images.ts';
import { takeIn } from './archive-intake.ts';
import type { Hold } from './collect.ts';
import { Progress } from './progress.ts';
import { completePlatform } from './resolve.ts';
import { chainSize, type Room, tell } from './room.ts';
import type { Image, LoadOptions } from './types.ts';

/** Returns the images loaded. Throws InvalidParameter and DataLoss for archives that are wrong or cut off. */
export async function load(room: Room, options: LoadOptions): Promise<Image[]> {
  const progress = new Progress(options.onProgress);
  using hold = room.collector.hold();
  const intake = await takeIn(room, {
    input: options.input,
    hold,
    ...(options.signal && { signal: options.signal }),
    ...(!options.quiet && {
      onLayer: (path: string, bytes: number, total: number) => {
        progress.bytes(layerId(path), 'Loading layer', bytes, total);
      },
    }),
  });
  // Layers still being unpacked when something else fails must end before their hold is released.
  try {
    const platforms = (options.platforms ?? [])
      .map((p) => completePlatform(p, room.platform))
      .filter((p): p is Platform => p !== undefined);
    const loaded: Image[] = [];
    for (const image of imagesOf(room, intake, platforms)) {
      throwIfAborted(options.signal);
      loaded.push(await loadImage(room, hold, progress, image));
    }
    if (loaded.length === 0) throw invalidParameter('the archive holds no images');
    return loaded;
  } finally {
    await Promise.allSettled([...intake.blobs.values()].map((blob) => blob.layer));
  }
}

/** What a progress line calls a layer: old archives name it by a digest of 64 digits in its path. */
function layerId(path: string): string {
  const hex = /([0-9a-f]{64})/.exec(path)?.[1];
  return hex === undefined ? path.slice(0, 12) : shortId(hex);
}

async function loadImage(room: Room, hold: Hold, progress: Progress, image: ArchiveImage): Promise<Image> {
  const config = parseImageConfig(image.config);
  const wanted = config.rootfs.diff_ids;
  if (image.layers.length !== wanted.length) {
    throw invalidParameter(
      `invalid manifest, layers length mismatch: expected ${wanted.length}, got ${image.layers.length}`,
    );
  }
  hold.layers.add(...wanted);
  const applied = await Promise.all(
    image.layers.map(({ blob }, i) => ensureLayer(room, blob.digest, blob.layer, wanted[i]!)),
  );
  applied.forEach((diffId, i) => {
    if (diffId === wanted[i]) return;
    throw invalidParameter(`invalid diffID for layer ${i}: expected "${wanted[i]}", got "${diffId}"`);
  });
  const id = room.content.put(image.config);
  hold.blobs.add(id);
  const manifest = image.manifest && {
    digest: room.content.put(image.manifest.bytes),
    mediaType: image.manifest.mediaType,
  };
  room.records.transaction(() => {
    room.records.addImage({
      id,
      diffIds: wanted,
      size: chainSize(room, wanted),
      ...(manifest && { manifest }),
    });
    image.layers.forEach(({ blob, mediaType }, i) => {
      room.records.addLayerBlob(wanted[i]!, { mediaType, digest: blob.digest, size: blob.size });
    });
  });
  for (const name of image.names) nameImage(room, progress, name, id, manifest?.digest);
  if (image.names.length === 0) progress.stream(`Loaded image ID: ${id}\n`);
  tell(room, 'load', id, id, config);
  return room.views.get(id)!;
}

/** The layer of a blob: unpacked while it came, long ago, or now. */
async function ensureLayer(
  room: Room,
  blob: Digest,
  unpacking: Promise<Digest> | undefined,
  diffId: Digest,
): Promise<Digest> {
  if (unpacking !== undefined) return unpacking;
  const applied = await room.snapshots.applyLayer({
    open: () => ({ path: room.content.path(blob) }),
    diffId,
  });
  return applied.diffId;
}

function nameImage(
  room: Room,
  progress: Progress,
  name: string,
  id: Digest,
  manifest: Digest | undefined,
): void {
  const ref = parseReference(name);
  const tag = ref.tag ?? 'latest';
  const before = room.records.tag(ref.name, tag);
  if (before !== undefined && before.image !== id) {
    progress.stream(
      `The image ${familiarString(ref)} already exists, renaming the old one with ID ${before.image} to empty string\n`,
    );
  }
  room.records.setTag(ref.name, tag, id, manifest);
  progress.stream(`Loaded image: ${familiarString(ref)}\n`);
}
