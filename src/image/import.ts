/** `docker import`: a root file system made an image of one layer. */
import { throwIfAborted } from '../distribution/index.ts';
import { invalidParameter } from '../errdefs/index.ts';
import { encodeImageConfig, type ImageConfig, parseReference, withTag } from '../oci/index.ts';
import { applyChanges } from './changes.ts';
import { takeLayer } from './layer-intake.ts';
import { completePlatform } from './resolve.ts';
import { chainSize, type Room, tell } from './room.ts';
import type { Image, ImportOptions } from './types.ts';

/** The archive is stored as it came and unpacked while it comes. Throws as {@link applyChanges}. */
export async function importImage(room: Room, options: ImportOptions): Promise<Image> {
  const name =
    options.repo === undefined || options.repo === '' ? undefined : target(options.repo, options.tag);
  const defaults = applyChanges({}, options.changes ?? []);
  using hold = room.collector.hold();
  const { diffId, blob } = await takeLayer(room, options.input, options.signal);
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
