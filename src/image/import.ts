/** `docker import`: a root file system made an image of one layer. */
import { closeSync, openSync } from 'node:fs';
import { throwIfAborted } from '../distribution/index.ts';
import { conflict, invalidParameter } from '../errdefs/index.ts';
import {
  type Descriptor,
  type Digest,
  encodeImageConfig,
  type ImageConfig,
  MEDIA,
  parseReference,
  withTag,
} from '../oci/index.ts';
import { GrowingFile } from '../snapshot/index.ts';
import { applyChanges } from './changes.ts';
import { completePlatform } from './resolve.ts';
import { chainSize, type Room, tell } from './room.ts';
import type { Image, ImportOptions } from './types.ts';

let counter = 0;

/** The archive is stored as it came and unpacked while it comes. Throws as {@link applyChanges}. */
export async function importImage(room: Room, options: ImportOptions): Promise<Image> {
  const name =
    options.repo === undefined || options.repo === '' ? undefined : target(options.repo, options.tag);
  const defaults = applyChanges({}, options.changes ?? []);
  using hold = room.collector.hold();
  const { diffId, blob } = await takeLayer(room, options);
  hold.layers.add(diffId);
  hold.blobs.add(blob.digest);
  throwIfAborted(options.signal);
  const platform = completePlatform(options.platform, room.platform) ?? room.platform;
  const created = new Date().toISOString();
  const comment = options.message || 'Imported from -';
  const config: ImageConfig = {
    created,
    architecture: platform.architecture,
    ...(platform.variant === undefined ? {} : { variant: platform.variant }),
    os: platform.os,
    config: defaults,
    rootfs: { type: 'layers', diff_ids: [diffId] },
    history: [{ created, comment }],
    comment,
  };
  const id = room.content.put(encodeImageConfig(config));
  hold.blobs.add(id);
  room.records.transaction(() => {
    room.records.addImage({ id, diffIds: [diffId], size: chainSize(room, [diffId]) });
    room.records.addLayerBlob(diffId, blob);
    if (name !== undefined) room.records.setTag(name.name, name.tag, id);
  });
  tell(room, 'import', id, id, config);
  return room.views.get(id)!;
}

function target(repo: string, tag: string | undefined): { name: string; tag: string } {
  const ref = parseReference(repo);
  if (ref.digest !== undefined) throw invalidParameter('cannot import digest reference');
  const tagged = tag ? withTag(ref, tag) : ref;
  return { name: tagged.name, tag: tagged.tag ?? 'latest' };
}

async function takeLayer(room: Room, options: ImportOptions): Promise<{ diffId: Digest; blob: Descriptor }> {
  const { input, signal } = options;
  const writer = await room.content.writer(`import:${process.pid}:${Date.now()}:${counter++}`);
  const fd = openSync(writer.path, 'r');
  const growing = new GrowingFile();
  writer.onGrow = (total) => growing.grow(total);
  const applied = room.snapshots.applyLayer({
    open: () => ({ path: `/proc/self/fd/${fd}`, growing }),
    compression: 'auto',
    ...(signal && { signal }),
  });
  // What is no archive need not be read to its end.
  applied.catch((err: unknown) => input.destroy(err instanceof Error ? err : conflict(String(err))));
  const stop = (): void => void input.destroy();
  signal?.addEventListener('abort', stop, { once: true });
  try {
    let head: Buffer = Buffer.alloc(0);
    for await (const chunk of input) {
      const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
      if (head.length < 4) head = Buffer.concat([head, bytes.subarray(0, 4)]);
      const wait = writer.write(bytes);
      if (wait !== undefined) await wait;
    }
    throwIfAborted(signal);
    await writer.flush();
    growing.end();
    const [{ diffId }, { digest, size }] = await Promise.all([applied, writer.commit()]);
    return { diffId, blob: { mediaType: typeOf(head), digest, size } };
  } catch (err) {
    growing.fail();
    await writer.abort();
    await applied.catch(() => {});
    throwIfAborted(signal);
    throw err;
  } finally {
    signal?.removeEventListener('abort', stop);
    closeSync(fd);
  }
}

function typeOf(head: Buffer): string {
  if (head[0] === 0x1f && head[1] === 0x8b) return MEDIA.dockerLayerGzip;
  return head.length >= 4 && head.readUInt32BE(0) === 0x28b52ffd ? MEDIA.ociLayerZstd : MEDIA.dockerLayer;
}
