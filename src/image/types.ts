/** The public types of the room; `index.ts` has the vocabulary. */
import type { Readable } from 'node:stream';
import type { ContentStore } from '../content/index.ts';
import type { RegistryAuth, RegistryConfig } from '../distribution/index.ts';
import type {
  ContainerDefaults,
  Descriptor,
  Digest,
  ImageConfig,
  JsonObject,
  Platform,
} from '../oci/index.ts';
import type { AppliedLayer, ApplyOptions } from '../snapshot/index.ts';
import type { Store } from '../store/index.ts';

/** A platform as a client asks for it: any part may be missing. */
export type PlatformRequest = Partial<Platform>;

/** One line of Docker's progress stream (moby's jsonmessage). */
export interface ProgressMessage {
  id?: string;
  status?: string;
  stream?: string;
  progress?: string;
  progressDetail?: { current?: number; total?: number };
  aux?: unknown;
}

export type ProgressSink = (message: ProgressMessage) => void;

/** `filters` of the API, decoded: name to values. */
export type Filters = Readonly<Record<string, readonly string[]>>;

/** An image as the engine uses it. Immutable: a tag added later is in the next one `resolve` gives. */
export interface Image {
  /** The digest of its config. */
  readonly id: Digest;
  readonly config: ImageConfig;
  /** Its layers, base first. */
  readonly diffIds: readonly Digest[];
  /** `busybox:latest`, sorted. */
  readonly repoTags: readonly string[];
  /** `busybox@sha256:…`, sorted. */
  readonly repoDigests: readonly string[];
  /** The manifest it came with; absent for images imported or loaded without one. */
  readonly manifestDigest?: Digest;
  /** Bytes of the files of all its layers. */
  readonly size: number;
  /** RFC 3339, as in its config; empty when the config has none. */
  readonly created: string;
  /** The image it was committed or built from, when that is still here. */
  readonly parent?: Digest;
}

/** A container that uses an image; asked of the consumer. */
export interface ImageUser {
  readonly id: string;
  readonly running: boolean;
  readonly name?: string;
  /** The reference the container was created with, such as `busybox` or an id. */
  readonly image?: string;
}

/** What happened to an image, in the words of Docker's events (`type` is always `image`). */
export interface ImageEvent {
  readonly action:
    | 'pull'
    | 'push'
    | 'tag'
    | 'untag'
    | 'delete'
    | 'load'
    | 'save'
    | 'import'
    | 'create'
    | 'prune';
  /** The actor's ID: a reference for pull and push, else the image's ID. */
  readonly id: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/** What this room needs of the snapshot room; `Snapshotter` is one. */
export interface LayerStore {
  applyLayer(options: ApplyOptions): Promise<AppliedLayer>;
  hasLayer(diffId: Digest): boolean;
  layerSize(diffId: Digest): number;
  listLayers(): Digest[];
  removeLayer(diffId: Digest): Promise<void>;
  /** Told when layers are about to come. */
  warmUp?(): void;
}

export interface ImageServiceOptions {
  store: Store;
  content: ContentStore;
  snapshots: LayerStore;
  registry?: RegistryConfig;
  onEvent?: (event: ImageEvent) => void;
  /** The containers whose image this is. */
  usedBy?: (imageId: Digest) => readonly ImageUser[];
  /** Layers that containers stand on although their image may be gone; they are not collected. */
  layersInUse?: () => Iterable<Digest>;
  /** What images are chosen for when a client names no platform; this machine's by default. */
  platform?: Platform;
  /** Layers downloaded at once by one pull (3) and uploaded by one push (5). */
  maxConcurrentDownloads?: number;
  maxConcurrentUploads?: number;
  log?: (message: string) => void;
}

export interface TransferOptions {
  onProgress?: ProgressSink;
  signal?: AbortSignal;
}

export interface PullOptions extends TransferOptions {
  /** A reference; may hold a tag or a digest. */
  image: string;
  /** A tag or a digest; absent, and none in `image`: all tags. */
  tag?: string;
  platform?: PlatformRequest;
  auth?: RegistryAuth;
}

export interface PushOptions extends TransferOptions {
  image: string;
  /** Absent, and none in `image`: all tags of the name. */
  tag?: string;
  platform?: PlatformRequest;
  auth?: RegistryAuth;
}

export interface LoadOptions extends TransferOptions {
  /** A docker-archive or OCI layout, plain or compressed (gzip, zstd). */
  input: Readable;
  quiet?: boolean;
  /** Of an archive with several platforms, those to load; all that are there by default. */
  platforms?: readonly PlatformRequest[];
}

export interface ImportOptions extends TransferOptions {
  /** A root file system as tar, plain or compressed. */
  input: Readable;
  repo?: string;
  tag?: string;
  message?: string;
  /** Dockerfile instructions such as `CMD ["sh"]`. */
  changes?: readonly string[];
  platform?: PlatformRequest;
}

export interface ListOptions {
  all?: boolean;
  filters?: Filters;
  sharedSize?: boolean;
  manifests?: boolean;
  /** Counts an image's containers (`Containers`, otherwise -1), as `/system/df` wants. */
  containerCount?: boolean;
}

export interface CommitOptions {
  /** The image the container was made of. */
  parent: Digest;
  /** What the image's containers shall start with, before the changes. */
  config: ContainerDefaults;
  /** Dockerfile instructions such as `CMD ["sh"]`. */
  changes: readonly string[];
  /** The container's own config: what it says shows through. */
  container: ContainerDefaults;
  author?: string | undefined;
  comment?: string | undefined;
  /** The command that made the layer. */
  createdBy: string;
  repo?: string | undefined;
  tag?: string | undefined;
  /** The layer archive; asked for once, when everything else is right. */
  layer: () => Promise<Readable>;
}

/** A layer of an image to be stored: unpacked already, with or without the blob it came from. */
export interface NewLayer {
  readonly diffId: Digest;
  /** The archive in the content store, when there is one. */
  readonly blob?: Descriptor;
}

export interface CreateImageOptions {
  /** The config; its bytes, when given, are stored as they are and give the ID. */
  config: ImageConfig | JsonObject | Uint8Array;
  layers: readonly NewLayer[];
  /** References to give it. */
  tags?: readonly string[];
  parent?: Digest;
}
