/**
 * The log drivers there are, what a container may ask of them, and what that means for its log on this machine.
 *
 * Every driver but `none` writes a file, by the container's shim. For `json-file` and `local` it is the log; for those that
 * send to a server it is what has not been delivered yet and, unless `cache-disabled`, what `docker logs` reads.
 */
import { invalidParameter, messageOf } from '../errdefs/index.ts';
import { FLUENTD_KEYS, parseFluentdOptions } from './fluentd-options.ts';
import { GELF_KEYS, parseGelfOptions } from './gelf-options.ts';
import { extraAttributes, type LogInfo, logTag } from './log-info.ts';
import { parseSyslogOptions, SYSLOG_KEYS } from './syslog-options.ts';
import { humanSize, parseBool, parseInteger, ramSize } from './values.ts';

type Config = Readonly<Record<string, string>>;

interface DriverFacts {
  keys: readonly string[];
  /** Checks the values. @throws Error in moby's words */
  check?: (config: Config) => void;
  /** It is done before anything is said of unknown options. */
  first?: boolean;
  /** How moby says that it does not know an option. */
  unknown: (key: string) => string;
  /** It sends to a server. */
  remote: boolean;
}

const COMMON = ['env', 'env-regex', 'labels', 'labels-regex', 'tag'];
const FILE_KEYS = ['max-size', 'max-file', 'compress'];
/** For every driver. */
const BUILT_IN = ['mode', 'max-buffer-size'];
/** The options of `local`, for the cache of the drivers that send. */
const CACHE_KEYS = ['disabled', ...FILE_KEYS, ...COMMON].map((key) => `cache-${key}`);

const unknownFor =
  (driver: string) =>
  (key: string): string =>
    `unknown log opt '${key}' for ${driver} log driver`;

const DRIVERS: Readonly<Record<string, DriverFacts>> = {
  fluentd: {
    keys: FLUENTD_KEYS,
    check: parseFluentdOptions,
    unknown: unknownFor('fluentd'),
    remote: true,
  },
  gelf: {
    keys: GELF_KEYS,
    check: parseGelfOptions,
    first: true,
    unknown: (key) => `unknown log opt ${JSON.stringify(key)} for gelf log driver`,
    remote: true,
  },
  journald: { keys: [], unknown: unknownFor('journald'), remote: true },
  'json-file': { keys: FILE_KEYS, unknown: unknownFor('json-file'), remote: false },
  local: {
    keys: FILE_KEYS,
    check: (config) => void fileLimits('local', config),
    unknown: (key) => `unknown log opt '${key}' for log driver local`,
    remote: false,
  },
  syslog: { keys: SYSLOG_KEYS, check: parseSyslogOptions, unknown: unknownFor('syslog'), remote: true },
};

/** Names of the log drivers, `none` left out, as `docker info` has them. */
export const LOG_DRIVERS: readonly string[] = Object.keys(DRIVERS);

/** A container's LogConfig, or the daemon's default. */
export interface LogConfig {
  Type?: string;
  Config?: Record<string, string>;
}

/** The container's LogConfig with the daemon's defaults put in, as moby does it. */
export function mergeLogConfig(asked: LogConfig | undefined, defaults: LogConfig): Required<LogConfig> {
  const type = asked?.Type || defaults.Type || 'json-file';
  const config = { ...asked?.Config };
  for (const [key, value] of Object.entries(defaults.Config ?? {})) {
    const applies = type === (defaults.Type || 'json-file') || CACHE_KEYS.includes(key);
    if (applies) config[key] ??= value;
  }
  return { Type: type, Config: config };
}

/** @throws InvalidParameter in moby's words */
export function validateLogConfig({ Type: driver = '', Config: config = {} }: LogConfig): void {
  if (driver === 'none') return;
  const facts = DRIVERS[driver];
  try {
    checkBuiltIn(config);
    if (facts?.first) facts.check?.(config);
    if (facts === undefined) throw new Error(`logger: no log driver named '${driver}' is registered`);
    const known = [...COMMON, ...BUILT_IN, ...CACHE_KEYS, ...facts.keys];
    const unknown = Object.keys(config).find((key) => !known.includes(key));
    if (unknown !== undefined) throw new Error(facts.unknown(unknown));
    facts.check?.(config);
    if (driver === 'json-file') fileLimits(driver, config);
    if (facts.remote) fileLimits('local', cacheConfig(config));
  } catch (err) {
    throw invalidParameter(messageOf(err), { cause: err });
  }
}

function checkBuiltIn(config: Config): void {
  const { mode = '' } = config;
  if (!['', 'blocking', 'non-blocking'].includes(mode))
    throw new Error(`logger: logging mode not supported: ${mode}`);
  const buffer = config['max-buffer-size'];
  if (buffer !== undefined) {
    if (mode !== 'non-blocking')
      throw new Error("logger: max-buffer-size option is only supported with 'mode=non-blocking'");
    wrap('error parsing option max-buffer-size', () => ramSize(buffer));
  }
  const disabled = config['cache-disabled'];
  if (disabled) {
    try {
      parseBool(disabled);
    } catch {
      throw new Error(`invalid value for option cache-disabled: ${disabled}`);
    }
  }
}

function wrap<T>(context: string, parse: () => T): T {
  try {
    return parse();
  } catch (err) {
    throw new Error(`${context}: ${messageOf(err)}`);
  }
}

/** How a log's files are rotated. */
export interface FileLimits {
  /** Bytes at which a new file is begun; 0: never. */
  maxSize: number;
  /** The current one included. */
  maxFiles: number;
  /** Rotated files are compressed. */
  compress: boolean;
}

/** Bounded by default, unlike Docker's json-file: five files of 20 MB. */
const JSON_FILE: FileLimits = { maxSize: 20_000_000, maxFiles: 5, compress: false };
const LOCAL: FileLimits = { maxSize: 20 * 1024 * 1024, maxFiles: 5, compress: true };

/** @throws Error in moby's words */
function fileLimits(driver: 'json-file' | 'local', config: Config): FileLimits {
  const limits = { ...(driver === 'local' ? LOCAL : JSON_FILE) };
  const value = <T>(key: string, parse: (text: string) => T, fallback: T): T => {
    const text = config[key];
    if (text === undefined) return fallback;
    const kind =
      key === 'compress' ? 'invalid boolean value for compress' : `invalid value for ${key}: ${text}`;
    return driver === 'local' ? wrap(kind, () => parse(text)) : parse(text);
  };
  // Docker's own default, and so a way to ask for it.
  limits.maxSize = config['max-size'] === '-1' ? 0 : value('max-size', humanSize, limits.maxSize);
  if (driver === 'json-file' && config['max-size'] !== '-1' && limits.maxSize <= 0)
    throw new Error('max-size must be a positive number');
  limits.maxFiles = value('max-file', parseInteger, limits.maxFiles);
  if (driver === 'json-file' && limits.maxFiles < 1) throw new Error('max-file cannot be less than 1');
  if (limits.maxFiles < 0) throw new Error('max-file must not be negative');
  limits.compress = value('compress', parseBool, limits.compress);
  const rotates = limits.maxFiles > 1 && limits.maxSize > 0;
  if (limits.compress && driver === 'json-file' && !rotates)
    throw new Error('compress cannot be true when max-file is less than 2 or max-size is not set');
  if (limits.compress && driver === 'local' && limits.maxFiles <= 1)
    throw new Error('compression cannot be enabled when max file count is 1');
  limits.maxFiles = Math.max(1, limits.maxFiles);
  return limits;
}

/** The options `cache-…` as those of `local`. */
function cacheConfig(config: Config): Config {
  return Object.fromEntries(
    CACHE_KEYS.flatMap((key) =>
      config[key] === undefined ? [] : [[key.slice('cache-'.length), config[key]]],
    ),
  );
}

/** What a driver that sends may leave undelivered here when nobody is to read it. */
const SPOOL = 8 * 1024 * 1024;

/** A container's log on this machine. */
export interface LogPlan extends FileLimits {
  driver: string;
  /** Null: there is none (`none`). */
  path: string | null;
  /** `docker logs` may read it. */
  readable: boolean;
  /** Put on each line, for `--details`. */
  attributes: Record<string, string>;
  /** Bytes that are no UTF-8 are kept (Docker's json-file replaces them). */
  exact: boolean;
  /** It goes to a server; `blocking`: what was not delivered is never dropped, the container waits instead. */
  delivery: 'blocking' | 'non-blocking' | undefined;
}

/** Where the log of a container may be. */
export interface LogPaths {
  jsonFile: string;
  local: string;
  cache: string;
}

/** @throws InvalidParameter */
export function planLog(driver: string, info: LogInfo, paths: LogPaths): LogPlan {
  try {
    return plan(driver, info, paths);
  } catch (err) {
    throw invalidParameter(messageOf(err), { cause: err });
  }
}

function plan(driver: string, info: LogInfo, paths: LogPaths): LogPlan {
  const { config } = info;
  const common = { driver, readable: true, exact: true, delivery: undefined };
  switch (driver) {
    case 'none': {
      const limits = { maxSize: 0, maxFiles: 1, compress: false };
      return { ...common, ...limits, path: null, readable: false, attributes: {} };
    }
    case 'json-file': {
      const attributes = attributesOf(info);
      return { ...common, ...fileLimits(driver, config), path: paths.jsonFile, exact: false, attributes };
    }
    case 'local':
      return { ...common, ...fileLimits(driver, config), path: paths.local, attributes: attributesOf(info) };
  }
  const cache = cacheConfig(config);
  const readable = cache.disabled ? !parseBool(cache.disabled) : true;
  const delivery = config.mode === 'non-blocking' ? 'non-blocking' : 'blocking';
  const limits = readable ? fileLimits('local', cache) : spoolLimits(config);
  return {
    ...common,
    ...limits,
    // What is being delivered and what is being written are two files at least.
    maxFiles: Math.max(2, limits.maxFiles),
    path: paths.cache,
    readable,
    attributes: attributesOf({ ...info, config: cache }),
    delivery,
  };
}

function spoolLimits(config: Config): FileLimits {
  const bytes = config['max-buffer-size'] === undefined ? SPOOL : ramSize(config['max-buffer-size']);
  return { maxSize: Math.max(64 * 1024, Math.ceil(bytes / 2)), maxFiles: 2, compress: false };
}

function attributesOf(info: LogInfo): Record<string, string> {
  const attributes = extraAttributes(info);
  // Only where it was asked for: unlike the drivers that send, files have no default tag.
  const tag = info.config.tag ? logTag(info, '') : '';
  if (tag !== '') attributes.tag = tag;
  return attributes;
}

/** Checks tag and regular expressions, which need the container's facts. @throws InvalidParameter */
export function checkLogInfo(info: LogInfo): void {
  try {
    extraAttributes(info);
    logTag(info, '');
  } catch (err) {
    throw invalidParameter(messageOf(err), { cause: err });
  }
}
