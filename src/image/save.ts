/**
 * `docker save`: one archive that is both an OCI image layout and a docker-archive, as Docker writes since 25. The
 * same images give the same bytes.
 */

import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import {
  type Descriptor,
  type Digest,
  familiarName,
  hexOf,
  MEDIA,
  type Platform,
  parseReference,
  type TarInput,
  tarStream,
} from '../oci/index.ts';
import { anyBlob } from './layer-blob.ts';
import { type ManifestPlan, makeManifest, originalManifests } from './manifest-plan.ts';
import { checkPlatform, resolveId } from './resolve.ts';
import { type Room, tell } from './room.ts';

interface SavedImage {
  readonly id: Digest;
  /** Canonical names with tags; none when it was asked for by ID. */
  readonly names: Map<string, { name: string; tag: string }>;
  plan: ManifestPlan;
  /** The blobs of its layers, base first. */
  layers: readonly Descriptor[];
}

export interface SaveOptions {
  platforms: readonly Platform[];
  signal?: AbortSignal;
}

/** Fails for unknown names before the stream is returned; the blobs are held until the stream ends. */
export function save(room: Room, names: readonly string[], options: SaveOptions): Readable {
  const images = collect(room, names, options.platforms);
  const hold = room.collector.hold();
  for (const image of images) {
    hold.blobs.add(image.id, image.plan.digest, ...image.layers.map((l) => l.digest));
    hold.layers.add(...room.records.diffIds(image.id));
  }
  const stream = tarStream(members(room, images));
  const stop = (): void => void stream.destroy();
  options.signal?.addEventListener('abort', stop, { once: true });
  stream.once('close', () => {
    options.signal?.removeEventListener('abort', stop);
    hold.release();
  });
  for (const image of images) tell(room, 'save', image.id, image.id, room.views.config(image.id));
  return stream;
}

/** A bare name means all its tags; anything else one image, whose tag is saved with it. */
function collect(room: Room, names: readonly string[], platforms: readonly Platform[]): SavedImage[] {
  const images = new Map<Digest, SavedImage>();
  const add = (id: Digest, asked: string, name?: { name: string; tag: string }): void => {
    checkPlatform(asked, room.views.config(id), platforms[0]);
    let image = images.get(id);
    if (image === undefined) {
      const preferred = name && room.records.tag(name.name, name.tag)?.manifest;
      image = { id, names: new Map(), ...parts(room, id, preferred) };
      images.set(id, image);
    }
    if (name !== undefined) image.names.set(`${name.name}:${name.tag}`, name);
  };
  for (const text of names) {
    const id = /^(sha256:)?[0-9a-f]{64}$/.test(text) ? resolveId(room.records, text) : undefined;
    if (id !== undefined) {
      add(id, text);
      continue;
    }
    const ref = parseReference(text);
    const bare = ref.tag === undefined && ref.digest === undefined;
    const tags = bare ? room.records.tagsNamed(ref.name) : [];
    for (const row of tags) add(row.image, text, row);
    if (tags.length > 0) continue;
    const found = resolveId(room.records, text);
    const tagged = ref.tag !== undefined && room.records.tag(ref.name, ref.tag)?.image === found;
    add(found, text, tagged ? { name: ref.name, tag: ref.tag ?? '' } : undefined);
  }
  return [...images.values()];
}

function parts(
  room: Room,
  id: Digest,
  preferred: Digest | null | undefined,
): Pick<SavedImage, 'plan' | 'layers'> {
  const whole = originalManifests(room, id, preferred).find((plan) =>
    plan.manifest.layers.every((layer) => room.content.has(layer.digest)),
  );
  if (whole !== undefined) return { plan: whole, layers: whole.manifest.layers };
  const layers = room.records.diffIds(id).map((diffId) => anyBlob(room, diffId));
  const plan = makeManifest(room, id, layers, 'oci');
  return { plan, layers: plan.manifest.layers };
}

function* members(room: Room, images: readonly SavedImage[]): Generator<TarInput> {
  const blobs = new Map<Digest, { size: number; bytes?: Buffer }>();
  for (const { id, plan, layers } of images) {
    blobs.set(id, { size: room.content.info(id)?.size ?? 0 });
    blobs.set(plan.digest, { size: plan.bytes.length, bytes: plan.bytes });
    for (const layer of layers) blobs.set(layer.digest, { size: layer.size });
  }
  yield { entry: { type: 'directory', name: 'blobs/', mode: 0o755 } };
  yield { entry: { type: 'directory', name: 'blobs/sha256/', mode: 0o755 } };
  for (const digest of [...blobs.keys()].sort()) {
    const { size, bytes } = blobs.get(digest)!;
    yield {
      entry: { type: 'file', name: `blobs/sha256/${hexOf(digest)}`, mode: 0o644, size },
      body: bytes ?? createReadStream(room.content.path(digest), { highWaterMark: 1 << 20 }),
    };
  }
  yield document('index.json', index(images));
  yield document(
    'manifest.json',
    images.map((image) => dockerEntry(room, image)),
  );
  yield document('oci-layout', { imageLayoutVersion: '1.0.0' });
  const repositories = legacyNames(room, images);
  if (Object.keys(repositories).length > 0) yield document('repositories', repositories);
}

function document(name: string, value: unknown): TarInput {
  const body = Buffer.from(JSON.stringify(value));
  return { entry: { type: 'file', name, mode: 0o644, size: body.length }, body };
}

function index(images: readonly SavedImage[]): unknown {
  const manifests = images.flatMap(({ names, plan }) => {
    const { digest, bytes, manifest } = plan;
    const descriptor = { mediaType: manifest.mediaType, digest, size: bytes.length };
    if (names.size === 0) return [descriptor];
    return [...names].map(([full, { tag }]) => ({
      ...descriptor,
      annotations: { 'io.containerd.image.name': full, 'org.opencontainers.image.ref.name': tag },
    }));
  });
  return { schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests };
}

const blobPath = (digest: Digest): string => `blobs/sha256/${hexOf(digest)}`;

function dockerEntry(room: Room, image: SavedImage): unknown {
  const diffIds = room.records.diffIds(image.id);
  const names = [...image.names.values()].map(({ name, tag }) => `${familiarName(name)}:${tag}`);
  const sources = image.layers.map((layer, i) => [
    diffIds[i],
    { mediaType: layer.mediaType, size: layer.size, digest: layer.digest },
  ]);
  return {
    Config: blobPath(image.id),
    RepoTags: names.length === 0 ? null : names,
    Layers: image.layers.map((layer) => blobPath(layer.digest)),
    LayerSources: Object.fromEntries(sources),
  };
}

/** `repositories`, for readers older than Docker 1.10: name and tag to the top layer. */
function legacyNames(room: Room, images: readonly SavedImage[]): Record<string, Record<string, string>> {
  const out: Record<string, Record<string, string>> = {};
  for (const image of images) {
    const top = room.records.diffIds(image.id).at(-1) ?? image.id;
    for (const { name, tag } of image.names.values()) {
      out[familiarName(name)] = { ...out[familiarName(name)], [tag]: hexOf(top) };
    }
  }
  return out;
}
