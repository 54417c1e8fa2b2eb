/** `docker push`: an image here to a tag at a registry, sending only what is not there yet. */
import { createReadStream } from 'node:fs';
import { pushBlob, type Repository, throwIfAborted } from '../distribution/index.ts';
import { invalidParameter, isKind, notFound, system } from '../errdefs/index.ts';
import {
  type Descriptor,
  type Digest,
  familiarName,
  familiarString,
  isForeignLayer,
  parseReference,
  type Reference,
  shortId,
  withTag,
} from '../oci/index.ts';
import type { Hold } from './collect.ts';
import { Gate } from './gate.ts';
import type { TagRow } from './image-records.ts';
import { compressedBlob } from './layer-blob.ts';
import { type ManifestPlan, makeManifest, originalManifests } from './manifest-plan.ts';
import { Progress } from './progress.ts';
import { checkPlatform, completePlatform } from './resolve.ts';
import { type Room, tell, withoutStatus } from './room.ts';
import type { PushOptions } from './types.ts';

const NO_CREDENTIALS = 'no basic auth credentials';

interface Push {
  readonly room: Room;
  readonly repository: Repository;
  readonly ref: Reference;
  readonly progress: Progress;
  readonly gate: Gate;
  readonly hold: Hold;
  readonly signal?: AbortSignal;
}

/** Throws Docker's errors: `An image does not exist locally with the tag: x`, `tag does not exist: x:y`, … */
export async function push(room: Room, options: PushOptions): Promise<void> {
  try {
    await pushTags(room, options);
  } catch (err) {
    const missing = isKind(err, 'Unauthorized') && err.message.endsWith(NO_CREDENTIALS);
    throw missing ? system(NO_CREDENTIALS, { cause: err }) : withoutStatus(err);
  }
}

async function pushTags(room: Room, options: PushOptions): Promise<void> {
  let ref = parseReference(options.image);
  if (options.tag) ref = withTag(ref, options.tag);
  if (ref.digest !== undefined) throw invalidParameter('cannot push a digest reference');
  const progress = new Progress(options.onProgress);
  const repository = await room.registry.repository(ref, {
    purpose: 'push',
    ...(options.auth && { auth: options.auth }),
  });
  progress.message(`The push refers to repository [${ref.name}]`);
  const tags = tagsToPush(room, ref);
  using hold = room.collector.hold();
  const gate = new Gate(room.maxUploads);
  const context: Push = {
    room,
    repository,
    ref,
    progress,
    gate,
    hold,
    ...(options.signal && { signal: options.signal }),
  };
  const platform = completePlatform(options.platform, room.platform);
  for (const row of tags) {
    const config = room.views.config(row.image);
    checkPlatform(familiarString(withTag(ref, row.tag)), config, platform);
    await pushTag(context, row);
  }
  const first = tags[0];
  const config = first && room.views.get(first.image)?.config;
  tell(room, 'push', familiarString(ref), familiarName(ref), config);
}

function tagsToPush(room: Room, ref: Reference): TagRow[] {
  if (ref.tag === undefined) {
    const all = room.records.tagsNamed(ref.name);
    if (all.length > 0) return all;
    throw notFound(`An image does not exist locally with the tag: ${familiarName(ref)}`);
  }
  const row = room.records.tag(ref.name, ref.tag);
  if (row !== undefined) return [row];
  if (room.records.tagsNamed(ref.name).length === 0) {
    throw notFound(`An image does not exist locally with the tag: ${familiarName(ref)}`);
  }
  throw notFound(`tag does not exist: ${familiarString(ref)}`);
}

async function pushTag(p: Push, row: TagRow): Promise<void> {
  const { room, progress } = p;
  const diffIds = room.records.diffIds(row.image);
  p.hold.blobs.add(row.image);
  p.hold.layers.add(...diffIds);
  for (const diffId of diffIds.toReversed()) progress.update(shortId(diffId), 'Preparing');
  const plan = await sendLayers(p, row, diffIds);
  await sendBlob(p, plan.manifest.config);
  throwIfAborted(p.signal);
  await p.repository.putManifest(row.tag, plan.bytes, plan.manifest.mediaType, p.signal);
  const size = plan.bytes.length;
  room.content.put(plan.bytes);
  room.records.transaction(() => {
    room.records.addManifest(row.image, plan.digest, plan.manifest.mediaType);
    room.records.setRepoDigest(p.ref.name, plan.digest, row.image);
    for (const blob of [plan.manifest.config, ...plan.manifest.layers])
      room.records.addSource(blob.digest, p.ref.name);
  });
  progress.message(`${row.tag}: digest: ${plan.digest} size: ${size}`);
  progress.send({ progressDetail: {}, aux: { Tag: row.tag, Digest: plan.digest, Size: size } });
}

/** Sends what the manifest needs; a manifest it came with whose blobs cannot be had is replaced by one of ours. */
async function sendLayers(p: Push, row: TagRow, diffIds: readonly Digest[]): Promise<ManifestPlan> {
  for (const plan of originalManifests(p.room, row.image, row.manifest)) {
    if (plan.manifest.layers.length !== diffIds.length) continue;
    p.hold.blobs.add(plan.digest, ...plan.manifest.layers.map((l) => l.digest));
    if (await everyLayer(p, diffIds, async (i) => plan.manifest.layers[i]!)) return plan;
  }
  const blobs: Descriptor[] = [];
  await everyLayer(p, diffIds, async (i) => {
    const blob = await compressedBlob(p.room, p.hold, diffIds[i]!);
    blobs[i] = blob;
    return blob;
  });
  return makeManifest(p.room, row.image, blobs);
}

/** All layers, a bounded number at once; false when one is neither here nor there. */
async function everyLayer(
  p: Push,
  diffIds: readonly Digest[],
  blobOf: (index: number) => Promise<Descriptor>,
): Promise<boolean> {
  const seen = new Map<Digest, Promise<boolean>>();
  const jobs = diffIds.map((diffId, index) => {
    const running = seen.get(diffId) ?? p.gate.run(async () => sendLayer(p, diffId, await blobOf(index)));
    seen.set(diffId, running);
    return running;
  });
  const results = await Promise.allSettled(jobs);
  const failed = results.find((r) => r.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  return results.every((r) => r.status === 'fulfilled' && r.value);
}

async function sendLayer(p: Push, diffId: Digest, blob: Descriptor): Promise<boolean> {
  const id = shortId(diffId);
  if (isForeignLayer(blob.mediaType)) {
    p.progress.update(id, 'Skipped foreign layer');
    return true;
  }
  if (!p.room.content.has(blob.digest)) {
    if ((await p.repository.stat(blob.digest, p.signal)) === undefined) return false;
    p.progress.update(id, 'Layer already exists');
    return true;
  }
  const result = await sendBlob(p, blob, id);
  if (result.how === 'exists') p.progress.update(id, 'Layer already exists');
  else if (result.how === 'mounted') p.progress.update(id, `Mounted from ${result.from}`);
  else p.progress.update(id, 'Pushed');
  return true;
}

function sendBlob(p: Push, descriptor: Descriptor, id?: string): ReturnType<typeof pushBlob> {
  const { room, repository, progress } = p;
  const prefix = `${p.ref.domain}/`;
  const mountFrom = room.records
    .sources(descriptor.digest)
    .filter((name) => name.startsWith(prefix) && name !== p.ref.name)
    .map((name) => name.slice(prefix.length))
    .slice(0, 4);
  return pushBlob({
    repository,
    descriptor,
    open: () => createReadStream(room.content.path(descriptor.digest), { highWaterMark: 256 << 10 }),
    mountFrom,
    ...(p.signal && { signal: p.signal }),
    ...(id !== undefined && {
      onProgress: (bytes: number) => progress.bytes(id, 'Pushing', bytes, descriptor.size),
      onRetry: (delay: number) =>
        progress.update(id, `Retrying in ${Math.ceil(delay / 1000)} second${delay > 1000 ? 's' : ''}`),
    }),
  });
}
