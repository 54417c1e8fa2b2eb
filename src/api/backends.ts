/**
 * What the routes need of an engine, declared by the one who uses it. `src/engine` implements these
 * small interfaces, `src/daemon` hands them to {@link createApiServer}; the API knows nothing else.
 *
 * Rules that hold for every operation:
 * - Requests and answers are Docker's own types, shaped for the newest API; older versions are shaped
 *   at the edge. What a request holds has the right JSON types (numbers, booleans, arrays); its meaning
 *   (names, ranges, references) is the backend's to check.
 * - A failure is a `WharfError`, thrown or rejected, with Docker's wording; `http-errors.ts` maps its kind.
 * - `id` is whatever the client named the object by: full id, unique prefix, or name.
 * - `signal` aborts when the client is gone. The operation stops what only that client wanted (a pull, a
 *   log, a wait) and never leaves half-made state. Operations without a signal run to their end.
 * - An optional method that is absent answers 501 `not implemented: …`.
 */
import type { Duplex, Readable } from 'node:stream';
import type {
  ContainerConfig,
  ContainerCreateRequest,
  ContainerCreateResponse,
  ContainerPruneResponse,
  ContainerSummary,
  ContainerTopResponse,
  ContainerUpdateRequest,
  ContainerUpdateResponse,
  ContainerWaitResponse,
  DistributionInspect,
  ExecConfig,
  ExecInspectResponse,
  FilesystemChange,
  HistoryResponseItem,
  ImageDeleteResponseItem,
  ImagePruneResponse,
  ImageSearchResponseItem,
  ImageSummary,
  NetworkConnectRequest,
  NetworkCreateRequest,
  NetworkCreateResponse,
  NetworkDisconnectRequest,
  NetworkInspect,
  NetworkPruneResponse,
  SystemDataUsageResponse,
  SystemInfo,
  SystemVersion,
  Volume,
  VolumeCreateOptions,
  VolumeListResponse,
  VolumePruneResponse,
} from '@docker/node-sdk';
import type { BuildBackend, SessionBackend } from './build-backend.ts';
import type {
  Awaitable,
  ContainerInspect,
  ContainerStats,
  Event,
  Filters,
  ImageInspectData,
  PathStat,
  Platform,
  ProgressSink,
  RegistryAuth,
  TimestampNs,
} from './types.ts';

export type { BuildBackend, BuildOptions, SessionBackend } from './build-backend.ts';

// ---- containers ------------------------------------------------------------------------------------

/** `POST /containers/create`. */
export interface ContainerCreateOptions {
  /** As asked, without a leading slash check; absent: the backend makes one up. */
  name?: string;
  platform?: Platform;
  /** Body, with `HostConfig` and `NetworkingConfig`; `Cmd` and `Entrypoint` are arrays already. */
  config: ContainerCreateRequest;
}

export interface ContainerListOptions {
  all: boolean;
  /** The newest n, also stopped ones; 0 or less: no limit. */
  limit: number;
  size: boolean;
  filters: Filters;
}

/**
 * When `wait` answers: as soon as it is not running, at the next exit, or when it is removed. Beyond Docker: as soon as it
 * is healthy, or cannot become it.
 */
export type WaitCondition = 'not-running' | 'next-exit' | 'removed' | 'healthy';

/**
 * A wait that is already registered: no exit after this object exists is missed. The response's headers
 * go out as soon as the backend returns it, since `docker run` starts the container only then.
 */
export interface PendingWait {
  readonly result: Promise<ContainerWaitResponse>;
}

export interface AttachOptions {
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  /** Replay the log first. */
  logs: boolean;
  /** Go on with live output; without it the stream ends after the replay. */
  stream: boolean;
  /** Client's detach sequence (`ctrl-p,ctrl-q`); absent: the daemon's. Followed below the API, on a TTY. */
  detachKeys?: string;
  /** False for WebSocket attach: plain bytes even without a TTY. */
  multiplexed: boolean;
  signal: AbortSignal;
}

/**
 * A session with a process's stdio. The readable half is sent to the client as it is: raw with a TTY, else
 * Docker's multiplexed frames. `end()` of the writable half closes the process's stdin when the session
 * has stdin and means nothing otherwise; the readable half goes on. Destroying it is a detach and never
 * harms the process. The API destroys it when the client is gone.
 */
export interface AttachedStream {
  readonly stream: Duplex;
  readonly tty: boolean;
}

export interface LogOptions {
  stdout: boolean;
  stderr: boolean;
  follow: boolean;
  timestamps: boolean;
  details: boolean;
  since?: TimestampNs;
  until?: TimestampNs;
  /** Lines from the end; absent: all. */
  tail?: number;
  signal: AbortSignal;
}

export interface StopOptions {
  /** Signal name or number as the client wrote it; absent: the container's own. */
  signal?: string;
  /** Seconds until SIGKILL; negative: never; absent: the container's own. */
  timeout?: number;
  /** Who asks, to be told by explain. */
  client?: string;
}

export interface CommitOptions {
  container: string;
  repo?: string;
  tag?: string;
  comment?: string;
  author?: string;
  pause: boolean;
  /** Dockerfile instructions. */
  changes: string[];
  /** Overrides of the container's config. */
  config?: ContainerConfig;
}

/** The answer of `GET /wharf/containers/{id}/explain`. */
export interface ContainerExplanation {
  Id: string;
  Name: string;
  Status: string;
  /** Absent without a health check. */
  Health?: string;
  Summary: string;
  /** The most telling first. */
  Findings: { Code: string; Text: string; Evidence: string[]; Try: string[] }[];
  /** The last lines of its log. */
  Log: string[];
}

export interface ContainerBackend {
  list(options: ContainerListOptions): Awaitable<ContainerSummary[]>;
  inspect(id: string, options: { size: boolean }): Awaitable<ContainerInspect>;
  create(options: ContainerCreateOptions): Awaitable<ContainerCreateResponse>;
  /** Throws `NotModified` when it runs already. */
  start(id: string): Awaitable<void>;
  /** Throws `NotModified` when it is stopped already. */
  stop(id: string, options: StopOptions): Awaitable<void>;
  restart(id: string, options: StopOptions): Awaitable<void>;
  /** `signal` is what the client wrote, or empty for SIGKILL. */
  kill(id: string, signal: string, client: string): Awaitable<void>;
  rename(id: string, name: string): Awaitable<void>;
  remove(
    id: string,
    options: { force: boolean; volumes: boolean; link: boolean; client: string },
  ): Awaitable<void>;
  wait(id: string, condition: WaitCondition, signal: AbortSignal): Awaitable<PendingWait>;
  /** Beyond Docker: why it is not running or not healthy. */
  explain?(id: string): Awaitable<ContainerExplanation>;
  resize(id: string, size: { height: number; width: number }): Awaitable<void>;
  /** Returns at once also for a container that is not started yet. */
  attach(id: string, options: AttachOptions): Awaitable<AttachedStream>;
  /** Multiplexed frames, or raw bytes with a TTY. Fails before it returns for what a status can tell. */
  logs(id: string, options: LogOptions): Awaitable<{ stream: Readable; tty: boolean }>;
  top(id: string, psArgs: string): Awaitable<ContainerTopResponse>;
  pause?(id: string): Awaitable<void>;
  unpause?(id: string): Awaitable<void>;
  /** `stream: false` yields one sample; `oneShot` without waiting for a second reading. */
  stats?(
    id: string,
    options: { stream: boolean; oneShot: boolean; signal: AbortSignal },
  ): Awaitable<AsyncIterable<ContainerStats>>;
  update?(id: string, changes: ContainerUpdateRequest): Awaitable<ContainerUpdateResponse>;
  changes?(id: string): Awaitable<FilesystemChange[]>;
  /** The root file system as a tar stream. */
  export?(id: string, options: { signal: AbortSignal }): Awaitable<Readable>;
  /** Paths are bytes: file names need not be UTF-8. */
  statPath?(id: string, path: Buffer): Awaitable<PathStat>;
  getArchive?(
    id: string,
    path: Buffer,
    options: { signal: AbortSignal },
  ): Awaitable<{ stat: PathStat; stream: Readable }>;
  /** `input` may be compressed; resolves when it is all extracted. */
  putArchive?(
    id: string,
    path: Buffer,
    input: Readable,
    options: { allowOverwriteDirWithFile: boolean; copyUidGid: boolean; signal: AbortSignal },
  ): Awaitable<void>;
  prune?(filters: Filters): Awaitable<ContainerPruneResponse>;
  /** Returns the new image's id. */
  commit?(options: CommitOptions): Awaitable<string>;
}

// ---- exec ------------------------------------------------------------------------------------------

export interface ExecStartOptions {
  detach: boolean;
  tty: boolean;
  /** Height and width, on a TTY. */
  consoleSize?: readonly [number, number];
  signal: AbortSignal;
}

export interface ExecBackend {
  /** Registers an exec and returns its id. */
  create(containerId: string, config: ExecConfig): Awaitable<string>;
  /**
   * Starts it. Detached: resolves with `null` once it runs. Otherwise the session's stream, ending when
   * the process has exited and all output is read; `inspect` then knows the exit code.
   */
  start(id: string, options: ExecStartOptions): Awaitable<AttachedStream | null>;
  inspect(id: string): Awaitable<ExecInspectResponse>;
  resize(id: string, size: { height: number; width: number }): Awaitable<void>;
}

// ---- images ----------------------------------------------------------------------------------------

export interface ImageListOptions {
  all: boolean;
  filters: Filters;
  sharedSize: boolean;
  manifests: boolean;
}

/** What pull, push and load have in common. */
export interface TransferOptions {
  onProgress: ProgressSink;
  signal: AbortSignal;
}

export interface PullOptions extends TransferOptions {
  /** `fromImage` as sent; may hold a tag or digest. */
  image: string;
  /** A tag or a digest; absent and none in `image`: all tags (API semantics; the CLI always sends one). */
  tag?: string;
  platform?: Platform;
  auth?: RegistryAuth;
}

export interface PushOptions extends TransferOptions {
  image: string;
  /** Absent: all tags of the name. */
  tag?: string;
  platform?: Platform;
  auth?: RegistryAuth;
}

export interface LoadOptions extends TransferOptions {
  /** A docker-archive or an OCI layout, may be compressed. */
  input: Readable;
  quiet: boolean;
  platforms: Platform[];
}

export interface ImportOptions extends TransferOptions {
  /** A root file system as tar, may be compressed. */
  input: Readable;
  repo?: string;
  tag?: string;
  message: string;
  changes: string[];
  platform?: Platform;
}

export interface ImageBackend {
  list(options: ImageListOptions): Awaitable<ImageSummary[]>;
  inspect(id: string, options: { manifests: boolean; platform?: Platform }): Awaitable<ImageInspectData>;
  history(id: string, options: { platform?: Platform }): Awaitable<HistoryResponseItem[]>;
  tag(id: string, repo: string, tag: string | undefined): Awaitable<void>;
  remove(
    id: string,
    options: { force: boolean; noPrune: boolean; platforms: Platform[] },
  ): Awaitable<ImageDeleteResponseItem[]>;
  pull(options: PullOptions): Promise<void>;
  push(options: PushOptions): Promise<void>;
  load(options: LoadOptions): Promise<void>;
  /** Returns the image's id. */
  import(options: ImportOptions): Promise<string>;
  /** A tar of the named images. What can fail with a status fails before the stream is returned. */
  save(names: string[], options: { platforms: Platform[]; signal: AbortSignal }): Awaitable<Readable>;
  prune?(filters: Filters): Awaitable<ImagePruneResponse>;
  search?(options: {
    term: string;
    limit: number;
    filters: Filters;
    auth?: RegistryAuth;
    signal: AbortSignal;
  }): Awaitable<ImageSearchResponseItem[]>;
  distributionInspect?(
    name: string,
    options: { auth?: RegistryAuth; signal: AbortSignal },
  ): Awaitable<DistributionInspect>;
}

// ---- networks and volumes --------------------------------------------------------------------------

export interface NetworkBackend {
  list(filters: Filters): Awaitable<NetworkInspect[]>;
  inspect(id: string, options: { verbose: boolean; scope?: string }): Awaitable<NetworkInspect>;
  create(request: NetworkCreateRequest & { CheckDuplicate?: boolean }): Awaitable<NetworkCreateResponse>;
  remove(id: string): Awaitable<void>;
  connect(id: string, request: NetworkConnectRequest): Awaitable<void>;
  disconnect(id: string, request: NetworkDisconnectRequest): Awaitable<void>;
  prune?(filters: Filters): Awaitable<NetworkPruneResponse>;
}

export interface VolumeBackend {
  list(filters: Filters): Awaitable<VolumeListResponse>;
  inspect(name: string): Awaitable<Volume>;
  create(options: VolumeCreateOptions): Awaitable<Volume>;
  remove(name: string, options: { force: boolean }): Awaitable<void>;
  /** Anonymous ones; named ones too with the filter `all`. API < 1.42 always sends `all=true`. */
  prune?(filters: Filters): Awaitable<VolumePruneResponse>;
}

// ---- system and events -----------------------------------------------------------------------------

/** A part of `GET /system/df`. */
export type DiskUsageType = 'container' | 'image' | 'volume' | 'build-cache';

export interface SystemBackend {
  info(): Awaitable<SystemInfo>;
  /** `ApiVersion` and `MinAPIVersion` are filled in by the API. */
  version(): Awaitable<SystemVersion>;
  /** Only the asked parts are filled. */
  diskUsage(types: ReadonlySet<DiskUsageType>): Awaitable<SystemDataUsageResponse>;
  /** Checks credentials with their registry; an identity token when the registry gave one. */
  auth(config: RegistryAuth, signal: AbortSignal): Promise<{ Status: string; IdentityToken?: string }>;
}

/** A live subscription; no event between `past` and the first call of the listener is missed. */
export interface EventSubscription {
  /** Remembered events since `since`, oldest first; empty when no `since` was given. */
  readonly past: readonly Event[];
  close(): void;
}

export interface EventBackend {
  /** Active before it returns. The listener is called synchronously and does not throw. */
  subscribe(
    options: { since?: TimestampNs; until?: TimestampNs; filters: Filters },
    listener: (event: Event) => void,
  ): EventSubscription;
}

/** All of it. A resource whose backend is absent answers 501 `not implemented: …`. */
export interface Backends {
  containers?: ContainerBackend;
  exec?: ExecBackend;
  images?: ImageBackend;
  networks?: NetworkBackend;
  volumes?: VolumeBackend;
  system?: SystemBackend;
  events?: EventBackend;
  build?: BuildBackend;
  sessions?: SessionBackend;
}
