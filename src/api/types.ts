/**
 * The values that cross the border between the routes and the backends and that `@docker/node-sdk`
 * has no (or no right) type for. Everything else is Docker's own type, API 1.52.
 */
import type {
  AuthConfig,
  ContainerInspectResponse,
  ContainerState,
  ContainerStatsResponse,
  EventMessage,
  Health,
  HealthcheckResult,
  ImageInspect,
  OCIPlatform,
} from '@docker/node-sdk';

/** A backend may answer at once or later; the hot path answers at once. */
export type Awaitable<T> = T | Promise<T>;

/**
 * The `filters` query parameter, decoded from either of Docker's two JSON forms. The names are checked
 * against the operation's table before a backend sees them; an absent key means no filter.
 */
export type Filters = Readonly<Record<string, readonly string[]>>;

/** Nanoseconds since the epoch: Docker's `since`/`until` carry nine digits, which a number cannot hold. */
export type TimestampNs = bigint;

/** `linux/arm64/v8` as the image spec spells it. */
export type Platform = OCIPlatform;

/** Registry credentials as clients send them in `X-Registry-Auth` (the SDK's type lacks the tokens). */
export interface RegistryAuth extends AuthConfig {
  auth?: string;
  identitytoken?: string;
  registrytoken?: string;
}

/**
 * One line of a progress stream (pull, push, load, build). A thrown error becomes the stream's last
 * line (`errorDetail` and `error`), so backends need not send these two themselves.
 */
export interface ProgressMessage {
  id?: string;
  status?: string;
  stream?: string;
  progress?: string;
  progressDetail?: { current?: number; total?: number; start?: number; hidecounts?: boolean; units?: string };
  aux?: unknown;
  error?: string;
  errorDetail?: { code?: number; message?: string };
}

/** Takes progress lines; never blocks. While the client is slow, lines of one `id` replace each other. */
export type ProgressSink = (message: ProgressMessage) => void;

/** `X-Docker-Container-Path-Stat`; `mode` is Go's os.FileMode (its type bits are not stat(2)'s). */
export interface PathStat {
  name: string;
  size: number;
  mode: number;
  /** RFC 3339 with nanoseconds. */
  mtime: string;
  linkTarget: string;
}

/** A stats sample; times are RFC 3339 strings with nanoseconds (the SDK says Date). */
export type ContainerStats = Omit<ContainerStatsResponse, 'read' | 'preread'> & {
  read: string;
  preread: string;
};

/** Inspect's health log has RFC 3339 strings (the SDK says Date for one of the two). */
export type HealthLog = Omit<Health, 'Log'> & {
  Log?: Array<Omit<HealthcheckResult, 'Start'> & { Start?: string }>;
};

/** What inspect answers: Docker's type with honest times. */
export type ContainerInspect = Omit<ContainerInspectResponse, 'State'> & {
  State?: (Omit<ContainerState, 'Health'> & { Health?: HealthLog | null }) | null;
};

/** Image inspect, with the two fields API < 1.45 still shows. */
export type ImageInspectData = ImageInspect & { Container?: string; ContainerConfig?: unknown };

/** An event; the legacy fields `id`, `status` and `from` are added at the edge. */
export type Event = EventMessage;
