/** `docker pull`: from a tag or digest at a registry to an image here. */
import { setMaxListeners } from 'node:events';
import { type FetchedManifest, pullError, type Repository, throwIfAborted } from '../distribution/index.ts';
import { invalidParameter, notFound } from '../errdefs/index.ts';
import {
  CONFIG_MAX_BYTES,
  configPlatform,
  type Digest,
  familiarName,
  familiarString,
  formatPlatform,
  type ImageConfig,
  isConfigType,
  isDigest,
  isManifestType,
  MANIFEST_MAX_BYTES,
  type Manifest,
  MEDIA,
  type Platform,
  parseImageConfig,
  parseManifest,
  parseReference,
  type Reference,
  selectPlatform,
  shortId,
  withDigest,
  withTag,
} from '../oci/index.ts';
import type { Hold } from './collect.ts';
import { Gate } from './gate.ts';
import { type LayerFetcher, layerIsComplete } from './layer-fetch.ts';
import { Progress } from './progress.ts';
import { checkPlatform, completePlatform } from './resolve.ts';
import { chainSize, type Room, tell, withoutStatus } from './room.ts';
import { fetchSmallBlob } from './small-blob.ts';
import type { Image, PullOptions } from './types.ts';

interface Pull {
  readonly room: Room;
  readonly fetcher: LayerFetcher;
  readonly repository: Repository;
  readonly progress: Progress;
  readonly gate: Gate;
  readonly hold: Hold;
  /** As the client asked; undefined: this machine's, and any single-platform image. */
  readonly platform: Platform | undefined;
  readonly signal?: AbortSignal;
}

/** Throws Docker's errors: `manifest for x not found: …`, `pull access denied for x, …`. */
export async function pull(room: Room, fetcher: LayerFetcher, options: PullOptions): Promise<Image> {
  const ref = target(options.image, options.tag);
  try {
    const repository = await room.registry.repository(ref, {
      purpose: 'pull',
      ...(options.auth && { auth: options.auth }),
    });
    using hold = room.collector.hold();
    const context: Pull = {
      room,
      fetcher,
      repository,
      progress: new Progress(options.onProgress),
      gate: new Gate(room.maxDownloads),
      hold,
      platform: completePlatform(options.platform, room.platform),
      ...(options.signal && { signal: options.signal }),
    };
    const refs = ref.tag === undefined && ref.digest === undefined ? await allTags(context, ref) : [ref];
    let last: { image: Image; changed: boolean } | undefined;
    let changed = false;
    for (const one of refs) {
      last = await pullOne(context, one);
      changed ||= last.changed;
    }
    if (last === undefined) throw notFound(`no tags found for ${familiarName(ref)}`);
    const outcome = changed ? 'Downloaded newer image' : 'Image is up to date';
    context.progress.message(`Status: ${outcome} for ${familiarString(ref)}`);
    tell(room, 'pull', familiarString(ref), familiarName(ref), last.image.config);
    return last.image;
  } catch (err) {
    throw withoutStatus(pullError(err, ref));
  }
}

/** The reference that `fromImage` and `tag` of the API make together. */
function target(image: string, tag: string | undefined): Reference {
  const ref = parseReference(image);
  if (tag === undefined || tag === '') return ref;
  if (!tag.includes(':')) return withTag(ref, tag);
  if (!isDigest(tag)) throw invalidParameter('invalid digest format');
  return withDigest(ref, tag);
}

async function allTags(p: Pull, ref: Reference): Promise<Reference[]> {
  const tags = await p.repository.tags(p.signal);
  return tags.map((tag) => withTag(ref, tag));
}

async function pullOne(p: Pull, ref: Reference): Promise<{ image: Image; changed: boolean }> {
  const { room, progress } = p;
  const wanted = ref.digest ?? ref.tag ?? 'latest';
  const top = await fetchManifest(p, wanted);
  progress.message(`Pulling from ${ref.path}`, wanted);
  const chosen = await choose(p, ref, top);
  const id = chosen.manifest.config.digest;
  const before = lookupBefore(room, ref, top.digest);
  const known = room.records.image(id) !== undefined && chosen.manifest.layers.length > 0;
  const config = await fetchConfig(p, ref, chosen.manifest);
  p.hold.layers.add(...config.rootfs.diff_ids);
  const complete = known && config.rootfs.diff_ids.every((diffId) => layerIsComplete(room, diffId));
  if (!complete) await fetchLayers(p, chosen.manifest, config);
  throwIfAborted(p.signal);
  record(p, ref, top, chosen, config);
  progress.message(`Digest: ${top.digest}`);
  const image = room.views.get(id);
  if (image === undefined) throw notFound(`No such image: ${id}`);
  return { image, changed: before !== id || !complete };
}

function lookupBefore(room: Room, ref: Reference, digest: Digest): Digest | undefined {
  if (ref.tag !== undefined) return room.records.tag(ref.name, ref.tag)?.image;
  return room.records.repoDigest(ref.name, digest)?.image;
}

/**
 * A manifest by tag or digest; from the content store when it is there already and the registry is known to have
 * it: the tag still stands for it, it was pulled from there, or an index from there names it (`vouched`).
 */
async function fetchManifest(p: Pull, wanted: string, vouched = false): Promise<FetchedManifest> {
  const { content, records } = p.room;
  const digest = isDigest(wanted) ? wanted : (await p.repository.head(wanted, p.signal)).digest;
  if (digest !== undefined) {
    p.hold.blobs.add(digest);
    const there =
      vouched || !isDigest(wanted) || records.repoDigest(p.repository.reference.name, digest) !== undefined;
    if (there && content.has(digest)) {
      const bytes = content.readBytes(digest, MANIFEST_MAX_BYTES);
      const manifest = parseManifest(bytes);
      return { bytes, digest, mediaType: manifest.mediaType, manifest };
    }
  }
  const fetched = await p.repository.manifest(digest ?? wanted, p.signal);
  p.hold.blobs.add(fetched.digest);
  content.put(fetched.bytes);
  return fetched;
}

/** The manifest for the platform; of an index the best one. */
async function choose(
  p: Pull,
  ref: Reference,
  top: FetchedManifest,
): Promise<{ manifest: Manifest; digest: Digest }> {
  if (top.manifest.kind === 'manifest') return { manifest: checkKind(top.manifest, ref), digest: top.digest };
  const platform = p.platform ?? p.room.platform;
  const candidates = top.manifest.manifests.filter((m) => isManifestType(m.mediaType));
  const best = selectPlatform(platform, candidates);
  if (best === undefined) {
    throw notFound(`no matching manifest for ${formatPlatform(platform)} in the manifest list entries`, {
      code: 'no_matching_platform',
    });
  }
  const { manifest } = await fetchManifest(p, best.digest, true);
  if (manifest.kind === 'index') throw invalidParameter('invalid index: it lists another index');
  return { manifest: checkKind(manifest, ref), digest: best.digest };
}

/** Refuses what is no image: charts, plugins, signatures. */
function checkKind(manifest: Manifest, ref: Reference): Manifest {
  const type = manifest.config.mediaType;
  if (isConfigType(type) && !(type === MEDIA.ociConfig && manifest.artifactType !== undefined))
    return manifest;
  const what = type === MEDIA.dockerPluginConfig ? `${type}(plugin)` : type;
  throw invalidParameter(
    `Encountered remote "${what}" when fetching ${familiarString(ref)}: it is not an image`,
    {
      code: 'not_an_image',
    },
  );
}

async function fetchConfig(p: Pull, ref: Reference, manifest: Manifest): Promise<ImageConfig> {
  const { config: descriptor } = manifest;
  if (descriptor.size > CONFIG_MAX_BYTES) throw invalidParameter('invalid image config: larger than 8 MiB');
  p.hold.blobs.add(descriptor.digest, ...manifest.layers.map((layer) => layer.digest));
  await fetchSmallBlob(p.room, p.repository, descriptor, p.signal);
  const config = parseImageConfig(p.room.content.readBytes(descriptor.digest, CONFIG_MAX_BYTES));
  if (config.rootfs.diff_ids.length !== manifest.layers.length) {
    throw invalidParameter(
      `invalid rootfs in image configuration: ${config.rootfs.diff_ids.length} diffIDs for ${manifest.layers.length} layers`,
    );
  }
  if (configPlatform(config).os !== p.room.platform.os) {
    throw invalidParameter(`image operating system "${config.os}" cannot be used on this platform`);
  }
  checkPlatform(familiarString(ref), config, p.platform);
  return config;
}

/** All layers at once, as far as the gate lets them; the first failure ends the others. */
async function fetchLayers(p: Pull, manifest: Manifest, config: ImageConfig): Promise<void> {
  const { room, progress, gate, repository } = p;
  const abort = new AbortController();
  const signal = p.signal === undefined ? abort.signal : AbortSignal.any([p.signal, abort.signal]);
  setMaxListeners(0, signal); // one for each layer
  const jobs = manifest.layers.map(async (descriptor, i) => {
    const diffId = config.rootfs.diff_ids[i]!;
    if (layerIsComplete(room, diffId)) {
      progress.update(shortId(descriptor.digest), 'Already exists');
      return;
    }
    await p.fetcher.fetch({ repository, descriptor, diffId, progress, gate, signal });
  });
  try {
    await Promise.all(jobs);
  } catch (err) {
    abort.abort();
    await Promise.allSettled(jobs);
    throw err;
  }
}

function record(
  p: Pull,
  ref: Reference,
  top: FetchedManifest,
  chosen: { manifest: Manifest; digest: Digest },
  config: ImageConfig,
): void {
  const { records } = p.room;
  const { manifest, digest } = chosen;
  const id = manifest.config.digest;
  const diffIds = config.rootfs.diff_ids;
  const size = chainSize(p.room, diffIds);
  records.transaction(() => {
    records.addImage({ id, manifest: { digest, mediaType: manifest.mediaType }, diffIds, size });
    if (top.digest !== digest) records.addManifest(id, top.digest, top.mediaType);
    records.setRepoDigest(ref.name, top.digest, id);
    if (ref.tag !== undefined) {
      const now = records.tag(ref.name, ref.tag);
      if (now?.image !== id || now.manifest !== digest) records.setTag(ref.name, ref.tag, id, digest);
    }
    manifest.layers.forEach((layer, i) => {
      if (p.room.content.has(layer.digest)) records.addLayerBlob(diffIds[i]!, layer);
      records.addSource(layer.digest, ref.name);
    });
    records.addSource(id, ref.name);
  });
}
