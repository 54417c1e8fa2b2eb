/**
 * API versions. All supported ones are `1.<minor>`, so a version is held as its minor number; what a
 * client may ask for is a path prefix `/v1.41` or nothing (the newest).
 */
import { invalidParameter } from '../errdefs/index.ts';

/** The minor number of a `1.x` API version. */
export type ApiVersion = number;

export const MIN_API_VERSION: ApiVersion = 24;
export const MAX_API_VERSION: ApiVersion = 51;

export const formatVersion = (version: ApiVersion): string => `1.${version}`;

const PREFIX = /^\/v([0-9.]+)(\/.*)$/;

/** Takes the version prefix off a path; `asked` is undefined when there is none. */
export function splitVersion(path: string): { asked: string | undefined; rest: string } {
  if (path.charCodeAt(1) !== 118 /* v */) return { asked: undefined, rest: path };
  const match = PREFIX.exec(path);
  return match ? { asked: match[1], rest: match[2] as string } : { asked: undefined, rest: path };
}

/** The version a request is served in. Throws InvalidParameter (400) outside the supported range. */
export function negotiate(asked: string | undefined): ApiVersion {
  if (asked === undefined) return MAX_API_VERSION;
  const [major = 0, minor = 0, ...more] = asked.split('.').map(Number);
  if (major < 1 || (major === 1 && minor < MIN_API_VERSION)) {
    throw invalidParameter(
      `client version ${asked} is too old. Minimum supported API version is ${formatVersion(MIN_API_VERSION)}, please upgrade your client to a newer version`,
    );
  }
  if (major > 1 || minor > MAX_API_VERSION || (minor === MAX_API_VERSION && more.some((n) => n > 0))) {
    throw invalidParameter(
      `client version ${asked} is too new. Maximum supported API version is ${formatVersion(MAX_API_VERSION)}`,
    );
  }
  return minor;
}

/**
 * Behaviour (not shape) that came with a version, per Docker's API version history. A handler asks
 * {@link hasFeature} by name, so that all version knowledge is here, in `shapes.ts` and `legacy-create.ts`.
 */
const FEATURES = {
  /** `wait` sends its headers at once and knows conditions. */
  waitConditions: 30,
  createPlatform: 41,
  pullPlatform: 32,
  statsOneShot: 41,
  buildOutputs: 40,
  /** Binary WebSocket frames. */
  binaryWebSocket: 28,
  /** `…multiplexed-stream` content type for framed output. */
  multiplexedType: 42,
  stopSignal: 42,
  sharedSize: 42,
  consoleSize: 42,
  diskUsageTypes: 42,
  webSocketStreams: 42,
  /** Volume prune takes only anonymous volumes unless `all` is asked. */
  pruneAnonymousOnly: 42,
  pushPlatform: 46,
  imageCreateEvents: 46,
  listManifests: 47,
  savePlatform: 48,
  inspectManifests: 48,
  historyPlatform: 48,
  enableIPv4: 48,
  reservedSpace: 48,
  inspectPlatform: 49,
  removePlatforms: 50,
} as const satisfies Record<string, ApiVersion>;

export type Feature = keyof typeof FEATURES;

export const hasFeature = (version: ApiVersion, feature: Feature): boolean => version >= FEATURES[feature];
