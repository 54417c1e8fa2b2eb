/** The room's face: every operation on images. */
import type { Readable } from 'node:stream';
import type {
  DistributionInspect,
  HistoryResponseItem,
  ImageDeleteResponseItem,
  ImageInspect,
  ImagePruneResponse,
  ImageSearchResponseItem,
  ImageSummary,
} from '@docker/node-sdk';
import { Registry, type RegistryAuth } from '../distribution/index.ts';
import { invalidParameter, messageOf } from '../errdefs/index.ts';
import {
  type Digest,
  encodeImageConfig,
  familiarString,
  hostPlatform,
  type Platform,
  parseImageConfig,
  parseReference,
  withTag,
} from '../oci/index.ts';
import { Collector } from './collect.ts';
import { commitImage } from './commit.ts';
import { ImageRecords } from './image-records.ts';
import { ImageViews } from './image-view.ts';
import { importImage } from './import.ts';
import { history, inspect } from './inspect.ts';
import { anyBlob } from './layer-blob.ts';
import { LayerFetcher } from './layer-fetch.ts';
import { list } from './list.ts';
import { load } from './load.ts';
import { pull } from './pull.ts';
import { push } from './push.ts';
import { distributionInspect, search } from './remote.ts';
import { prune, remove } from './remove.ts';
import { completePlatform, noSuchImage, resolveId } from './resolve.ts';
import { chainSize, type Room, tell } from './room.ts';
import { save } from './save.ts';
import type {
  CommitOptions,
  CreateImageOptions,
  Filters,
  Image,
  ImageServiceOptions,
  ImportOptions,
  ListOptions,
  LoadOptions,
  PlatformRequest,
  PullOptions,
  PushOptions,
} from './types.ts';

export class ImageService {
  readonly #room: Room;
  readonly #fetcher: LayerFetcher;

  constructor(options: ImageServiceOptions) {
    const { content, snapshots } = options;
    const records = new ImageRecords(options.store);
    const log = options.log ?? ((): void => {});
    const layersInUse = options.layersInUse ?? ((): Iterable<Digest> => []);
    this.#room = {
      records,
      content,
      snapshots,
      views: new ImageViews(records, content),
      collector: new Collector({ records, content, snapshots, layersInUse, log }),
      registry: new Registry(options.registry),
      platform: options.platform ?? hostPlatform(),
      maxDownloads: options.maxConcurrentDownloads ?? 3,
      maxUploads: options.maxConcurrentUploads ?? 5,
      usedBy: options.usedBy ?? (() => []),
      onEvent: options.onEvent ?? (() => {}),
      log,
    };
    this.#fetcher = new LayerFetcher(this.#room);
  }

  /** By name, name:tag, name@digest, ID or unique ID prefix. Throws NotFound `No such image: x:latest`. */
  resolve(ref: string): Image {
    const image = this.get(resolveId(this.#room.records, ref));
    if (image === undefined) throw noSuchImage(ref);
    return image;
  }

  /** By ID; undefined when it is not here. */
  get(id: Digest): Image | undefined {
    return this.#room.views.get(id);
  }

  /** Resolves to the image (of several tags the last). An abort keeps what came for the next attempt. */
  pull(options: PullOptions): Promise<Image> {
    this.#room.snapshots.warmUp?.();
    return pull(this.#room, this.#fetcher, options);
  }

  push(options: PushOptions): Promise<void> {
    return push(this.#room, options);
  }

  async load(options: LoadOptions): Promise<Image[]> {
    this.#room.snapshots.warmUp?.();
    return this.#orSweep(load(this.#room, options));
  }

  /** What can fail with a status fails before the stream is returned. */
  save(
    names: readonly string[],
    options: { platforms?: readonly PlatformRequest[]; signal?: AbortSignal } = {},
  ): Readable {
    const platforms = (options.platforms ?? [])
      .map((p) => completePlatform(p, this.#room.platform))
      .filter((p): p is Platform => p !== undefined);
    return save(this.#room, names, { platforms, ...(options.signal && { signal: options.signal }) });
  }

  async import(options: ImportOptions): Promise<Image> {
    return this.#orSweep(importImage(this.#room, options));
  }

  /** Makes an image of a container's changes; also gives the name it got, empty without one. */
  async commit(options: CommitOptions): Promise<{ image: Image; reference: string }> {
    return this.#orSweep(commitImage(this.#room, options));
  }

  /** What a failed load has unpacked so far is of no use to anybody. */
  async #orSweep<T>(operation: Promise<T>): Promise<T> {
    try {
      return await operation;
    } catch (err) {
      await this.#room.collector.sweep();
      throw err;
    }
  }

  list(options: ListOptions = {}): ImageSummary[] {
    return list(this.#room, options);
  }

  inspect(ref: string, options: { manifests?: boolean; platform?: PlatformRequest } = {}): ImageInspect {
    return inspect(this.#room, ref, options);
  }

  history(ref: string, options: { platform?: PlatformRequest } = {}): HistoryResponseItem[] {
    return history(this.#room, ref, options);
  }

  /** Gives an image another name. Throws as `resolve`, and InvalidParameter for a bad name. */
  tag(source: string, repo: string, tag?: string): void {
    const { records } = this.#room;
    const id = resolveId(records, source);
    const ref = tagTarget(repo, tag);
    const own = records.image(id)?.manifest ?? undefined;
    records.setTag(ref.name, ref.tag, id, own);
    tell(this.#room, 'tag', id, familiarString(ref), this.#room.views.config(id));
  }

  remove(
    ref: string,
    options: { force?: boolean; noPrune?: boolean } = {},
  ): Promise<ImageDeleteResponseItem[]> {
    return remove(this.#room, ref, options);
  }

  prune(filters: Filters = {}): Promise<ImagePruneResponse> {
    return prune(this.#room, filters);
  }

  /** Checks credentials with their registry; throws Unauthorized when they are refused. */
  async authCheck(
    auth: RegistryAuth,
    signal?: AbortSignal,
  ): Promise<{ Status: string; IdentityToken: string }> {
    const IdentityToken = await this.#room.registry.login(auth, signal);
    return { Status: 'Login Succeeded', IdentityToken };
  }

  /** Looks through the catalog of the registry that the term names. Throws NotImplemented for the hub. */
  search(options: {
    term: string;
    limit?: number;
    filters?: Filters;
    auth?: RegistryAuth;
    signal?: AbortSignal;
  }): Promise<ImageSearchResponseItem[]> {
    return search(this.#room, options);
  }

  /** What a registry says of an image, without pulling it. */
  distributionInspect(
    name: string,
    options: { auth?: RegistryAuth; signal?: AbortSignal } = {},
  ): Promise<DistributionInspect> {
    return distributionInspect(this.#room, name, options);
  }

  /** Stores an image from a config and layers that are unpacked already (commit, build). */
  create(options: CreateImageOptions): Image {
    const { records, content } = this.#room;
    const bytes = options.config instanceof Uint8Array ? options.config : encodeImageConfig(options.config);
    const config = parseImageConfig(bytes);
    const diffIds = config.rootfs.diff_ids;
    if (diffIds.length !== options.layers.length || options.layers.some((l, i) => l.diffId !== diffIds[i])) {
      throw invalidParameter('the layers are not those of the config');
    }
    const names = (options.tags ?? []).map((tag) => tagTarget(tag));
    using hold = this.#room.collector.hold();
    hold.layers.add(...diffIds);
    const id = content.put(bytes);
    hold.blobs.add(id);
    records.transaction(() => {
      const size = chainSize(this.#room, diffIds);
      records.addImage({ id, diffIds, size, ...(options.parent && { parent: options.parent }) });
      for (const { diffId, blob } of options.layers)
        if (blob !== undefined) records.addLayerBlob(diffId, blob);
      for (const ref of names) records.setTag(ref.name, ref.tag, id);
    });
    tell(this.#room, 'create', id, id, config);
    return this.#room.views.get(id)!;
  }

  /** Keeps blobs and layers from being collected while something is made of them that is no image yet. */
  hold(): ReturnType<Collector['hold']> {
    return this.#room.collector.hold();
  }

  /** Bytes of all layers, each counted once (`LayersSize` of `/system/df`). */
  layersSize(): number {
    return chainSize(this.#room, this.#room.records.allDiffIds());
  }

  /**
   * Deletes blobs and layers that nothing refers to; call it at start (`atStart` spares blobs younger than a day:
   * a broken pull may be tried again) and after removing containers whose images are gone.
   */
  collectGarbage(options: { atStart?: boolean } = {}): Promise<void> {
    return this.#room.collector.sweep(options);
  }

  /**
   * Unpacks again what a crash of the machine took: layers of images that the snapshot room does not have (any
   * more). Call it at start. What cannot be repaired is logged.
   */
  async repair(): Promise<void> {
    const { records, snapshots } = this.#room;
    const missing = records.allDiffIds().filter((diffId) => !snapshots.hasLayer(diffId));
    await Promise.all(missing.map((diffId) => this.#unpackAgain(diffId)));
  }

  async #unpackAgain(diffId: Digest): Promise<void> {
    const { content, snapshots, log } = this.#room;
    try {
      const blob = anyBlob(this.#room, diffId);
      await snapshots.applyLayer({ open: () => ({ path: content.path(blob.digest) }), diffId });
    } catch (err) {
      log(`layer ${diffId} is missing and cannot be unpacked again: ${messageOf(err)}`);
    }
  }

  /** Ends connections to registries. */
  close(): Promise<void> {
    return this.#room.registry.close();
  }
}

function tagTarget(repo: string, tag?: string): ReturnType<typeof parseReference> & { tag: string } {
  const ref = parseReference(repo);
  if (ref.digest !== undefined) throw invalidParameter('refusing to create a tag with a digest reference');
  if (ref.path === 'library/sha256') {
    throw invalidParameter('refusing to create an ambiguous tag using digest algorithm as name');
  }
  const full = tag ? withTag(ref, tag) : ref;
  return { ...full, tag: full.tag ?? 'latest' };
}
