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
import type { RegistryAuth } from '../distribution/index.ts';
import { notImplemented } from '../errdefs/index.ts';
import type { Digest } from '../oci/index.ts';
import type {
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

const todo = (): never => {
  throw notImplemented('image: not yet');
};

export class ImageService {
  constructor(_options: ImageServiceOptions) {}

  /** By name, name:tag, name@digest, ID or unique ID prefix. Throws NotFound `No such image: x:latest`. */
  resolve(_ref: string): Image {
    return todo();
  }

  /** By ID; undefined when it is not here. */
  get(_id: Digest): Image | undefined {
    return todo();
  }

  pull(_options: PullOptions): Promise<Image> {
    return todo();
  }

  push(_options: PushOptions): Promise<void> {
    return todo();
  }

  load(_options: LoadOptions): Promise<Image[]> {
    return todo();
  }

  /** What can fail with a status fails before the stream is returned. */
  save(
    _names: readonly string[],
    _options?: { platforms?: readonly PlatformRequest[]; signal?: AbortSignal },
  ): Readable {
    return todo();
  }

  import(_options: ImportOptions): Promise<Image> {
    return todo();
  }

  list(_options: ListOptions): ImageSummary[] {
    return todo();
  }

  inspect(_ref: string, _options?: { manifests?: boolean; platform?: PlatformRequest }): ImageInspect {
    return todo();
  }

  history(_ref: string, _options?: { platform?: PlatformRequest }): HistoryResponseItem[] {
    return todo();
  }

  /** Throws as `resolve`, and InvalidParameter for a bad target. */
  tag(_source: string, _repo: string, _tag?: string): void {
    todo();
  }

  remove(
    _ref: string,
    _options?: { force?: boolean; noPrune?: boolean },
  ): Promise<ImageDeleteResponseItem[]> {
    return todo();
  }

  prune(_filters?: Filters): Promise<ImagePruneResponse> {
    return todo();
  }

  /** Checks credentials with their registry. */
  authCheck(_auth: RegistryAuth, _signal?: AbortSignal): Promise<{ Status: string; IdentityToken?: string }> {
    return todo();
  }

  search(_o: {
    term: string;
    limit?: number;
    filters?: Filters;
    auth?: RegistryAuth;
    signal?: AbortSignal;
  }): Promise<ImageSearchResponseItem[]> {
    return todo();
  }

  distributionInspect(
    _name: string,
    _o?: { auth?: RegistryAuth; signal?: AbortSignal },
  ): Promise<DistributionInspect> {
    return todo();
  }

  /** Stores an image from a config and layers that are unpacked already (commit, build). */
  create(_options: CreateImageOptions): Image {
    return todo();
  }

  /** Bytes of all layers, each counted once (`LayersSize` of `/system/df`). */
  layersSize(): number {
    return todo();
  }

  /** Deletes blobs and layers that nothing refers to; call it once at start and after removing containers of removed images. */
  collectGarbage(): Promise<void> {
    return todo();
  }
}
