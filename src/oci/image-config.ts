/** The image configuration (OCI image-spec config.md with Docker's extensions); its digest is the image's ID. */
import { invalidParameter } from '../errdefs/index.ts';
import { isObject, type JsonObject, parseJsonObject } from './descriptor.ts';
import { type Digest, isDigest } from './digest.ts';
import type { Platform } from './platform.ts';

/** The bound on a config's size, in bytes. */
export const CONFIG_MAX_BYTES = 8 << 20;

/** Docker's health check; times in nanoseconds. */
export interface Healthcheck {
  Test?: string[];
  Interval?: number;
  Timeout?: number;
  StartPeriod?: number;
  StartInterval?: number;
  Retries?: number;
}

/** What a container of the image starts with (config.md `config`, and Docker's fields). */
export interface ContainerDefaults {
  User?: string;
  ExposedPorts?: Record<string, object>;
  Env?: string[];
  Entrypoint?: string[] | null;
  Cmd?: string[] | null;
  Volumes?: Record<string, object> | null;
  WorkingDir?: string;
  Labels?: Record<string, string> | null;
  StopSignal?: string;
  StopTimeout?: number;
  ArgsEscaped?: boolean;
  Healthcheck?: Healthcheck;
  OnBuild?: string[] | null;
  Shell?: string[];
}

export interface HistoryEntry {
  readonly created?: string;
  readonly author?: string;
  readonly created_by?: string;
  readonly comment?: string;
  readonly empty_layer?: boolean;
}

export interface ImageConfig {
  readonly created?: string;
  readonly author?: string;
  readonly architecture: string;
  readonly os: string;
  readonly variant?: string;
  readonly 'os.version'?: string;
  readonly 'os.features'?: readonly string[];
  readonly config?: Readonly<ContainerDefaults>;
  readonly rootfs: { readonly type: 'layers'; readonly diff_ids: readonly Digest[] };
  readonly history?: readonly HistoryEntry[];
  /** Docker's: the version of the engine that made it, the message of a commit or import, … */
  readonly docker_version?: string;
  readonly comment?: string;
  readonly container?: string;
  readonly container_config?: unknown;
}

/** Parses and checks an untrusted image config. Fields of a wrong type are an InvalidParameter. */
export function parseImageConfig(bytes: Uint8Array | string): ImageConfig {
  if (bytes.length > CONFIG_MAX_BYTES) throw invalidParameter('invalid image config: larger than 8 MiB');
  const doc = parseJsonObject(bytes, 'image config');
  if (!isObject(doc.rootfs)) {
    throw invalidParameter('invalid image JSON, no RootFS key');
  }
  const diffIds: unknown = doc.rootfs.diff_ids ?? [];
  if (!Array.isArray(diffIds) || !diffIds.every(isDigest)) {
    throw invalidParameter('invalid image config: bad diff_ids');
  }
  const history: unknown = doc.history ?? [];
  if (!Array.isArray(history) || !history.every(isObject)) {
    throw invalidParameter('invalid image config: bad history');
  }
  for (const key of ['created', 'author', 'architecture', 'os', 'variant', 'comment']) {
    if (doc[key] !== undefined && doc[key] !== null && typeof doc[key] !== 'string') {
      throw invalidParameter(`invalid image config: ${key} is not a string`);
    }
  }
  const config = doc.config === undefined || doc.config === null ? undefined : checkDefaults(doc.config);
  const { config: _raw, ...rest } = doc;
  // The fields were checked just now: from here on the document has the type's shape.
  const checked = rest as unknown as ImageConfig;
  return {
    ...checked,
    architecture: typeof doc.architecture === 'string' ? doc.architecture : '',
    os: typeof doc.os === 'string' ? doc.os : '',
    rootfs: { type: 'layers', diff_ids: diffIds },
    history,
    ...(config === undefined ? {} : { config }),
  };
}

type Check = (value: unknown) => boolean;
const isString: Check = (v) => typeof v === 'string';
const isNumber: Check = (v) => typeof v === 'number' && Number.isFinite(v);
const isStrings: Check = (v) => Array.isArray(v) && v.every(isString);
const isStringMap: Check = (v) => isObject(v) && Object.values(v).every(isString);
const CHECKS: Readonly<Record<string, Check>> = {
  User: isString,
  WorkingDir: isString,
  StopSignal: isString,
  StopTimeout: isNumber,
  Env: isStrings,
  Entrypoint: isStrings,
  Cmd: isStrings,
  OnBuild: isStrings,
  Shell: isStrings,
  Labels: isStringMap,
  ExposedPorts: isObject,
  Volumes: isObject,
  Healthcheck: isObject,
  ArgsEscaped: (v) => typeof v === 'boolean',
};

function checkDefaults(value: unknown): ContainerDefaults {
  if (!isObject(value)) throw invalidParameter('invalid image config: config is not an object');
  const out: Record<string, unknown> = { ...value };
  for (const [key, check] of Object.entries(CHECKS)) {
    if (out[key] === undefined) continue;
    if (out[key] === null) delete out[key];
    else if (!check(out[key])) throw invalidParameter(`invalid image config: bad ${key}`);
  }
  return out;
}

/** The platform an image config is for. */
export function configPlatform(config: ImageConfig): Platform {
  return {
    os: config.os === '' ? 'linux' : config.os,
    architecture: config.architecture,
    ...(config.variant === undefined || config.variant === '' ? {} : { variant: config.variant }),
    ...(config['os.version'] === undefined ? {} : { 'os.version': config['os.version'] }),
  };
}

/** The bytes of a config of ours. */
export function encodeImageConfig(config: ImageConfig | JsonObject): Buffer {
  return Buffer.from(JSON.stringify(config));
}
