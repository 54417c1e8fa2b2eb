/** The options of the driver `fluentd`. */
import { parseAddress, parseBool, parseDuration, ramSize } from './values.ts';

export interface FluentdOptions {
  target: { kind: 'tcp' | 'tls'; host: string; port: number } | { kind: 'unix'; path: string };
  /** The container starts also when the server cannot be reached. */
  async: boolean;
  /** Milliseconds after which a connection is made anew; 0: never. */
  reconnectInterval: number;
  /** Milliseconds before the first further try. */
  retryWait: number;
  /** How often a message is tried again before it is given up; undefined: until it is delivered. */
  maxRetries: number | undefined;
  subSecond: boolean;
  requestAck: boolean;
  /** Milliseconds; 0: no limit. */
  writeTimeout: number;
  readTimeout: number;
}

export const FLUENTD_KEYS: readonly string[] = [
  'fluentd-address',
  'fluentd-async',
  'fluentd-async-reconnect-interval',
  'fluentd-buffer-limit',
  'fluentd-max-retries',
  'fluentd-request-ack',
  'fluentd-retry-wait',
  'fluentd-sub-second-precision',
  'fluentd-write-timeout',
  'fluentd-read-timeout',
];

const DEFAULT_HOST = '127.0.0.1';
const DEFAULT_PORT = 24224;
const MIN_INTERVAL = 100;
const MAX_INTERVAL = 10_000;
const MAX_RETRIES = 2 ** 31 - 1;

/** @throws Error in moby's words */
export function parseFluentdOptions(config: Readonly<Record<string, string>>): FluentdOptions {
  const bool = (key: string): boolean => Boolean(config[key]) && parseBool(config[key]!);
  const target = parseTarget(config['fluentd-address'] ?? '');
  if (config['fluentd-buffer-limit']) ramSize(config['fluentd-buffer-limit']);
  const wait = config['fluentd-retry-wait'];
  const retryWait = wait ? Math.max(1, parseDuration(wait)) : 1000;
  const maxRetries = parseRetries(config['fluentd-max-retries']);
  return {
    target,
    async: bool('fluentd-async'),
    reconnectInterval: parseInterval(config['fluentd-async-reconnect-interval']),
    retryWait,
    maxRetries,
    subSecond: bool('fluentd-sub-second-precision'),
    requestAck: bool('fluentd-request-ack'),
    writeTimeout: parseTimeout(config, 'fluentd-write-timeout'),
    readTimeout: parseTimeout(config, 'fluentd-read-timeout'),
  };
}

function parseTarget(text: string): FluentdOptions['target'] {
  if (text === '') return { kind: 'tcp', host: DEFAULT_HOST, port: DEFAULT_PORT };
  try {
    const { scheme, host, port, path } = parseAddress(text.includes('://') ? text : `tcp://${text}`);
    if (scheme === 'unix') {
      if (path.replace(/^\/+/, '') === '') throw new Error('path is empty');
      return { kind: 'unix', path };
    }
    if (scheme !== 'tcp' && scheme !== 'tls') throw new Error(`unsupported scheme: '${scheme}'`);
    if (path !== '') throw new Error('should not contain a path element');
    return { kind: scheme, host: host || DEFAULT_HOST, port: port ?? DEFAULT_PORT };
  } catch (err) {
    throw new Error(`invalid fluentd-address (${text}): ${err instanceof Error ? err.message : String(err)}`);
  }
}

function parseRetries(text: string | undefined): number | undefined {
  if (!text) return undefined;
  if (!/^\d+$/.test(text))
    throw new Error(`strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`);
  if (Number(text) > MAX_RETRIES) throw new Error('invalid fluentd-max-retries: value out of range');
  return Number(text);
}

function parseInterval(text: string | undefined): number {
  if (!text) return 0;
  const key = 'fluentd-async-reconnect-interval';
  const ms = wrapped(`invalid value for ${key}`, () => parseDuration(text));
  if (ms !== 0 && (ms < MIN_INTERVAL || ms > MAX_INTERVAL))
    throw new Error(
      `invalid value for ${key}: value (${JSON.stringify(text)}) must be between 100ms and 10s`,
    );
  return ms;
}

function parseTimeout(config: Readonly<Record<string, string>>, key: string): number {
  const text = config[key];
  if (!text) return 0;
  const ms = wrapped(`invalid value for ${key}: value must be a duration`, () => parseDuration(text));
  if (ms < 0) throw new Error(`invalid value for ${key}: value must be a duration that is non-negative`);
  return ms;
}

function wrapped<T>(context: string, parse: () => T): T {
  try {
    return parse();
  } catch (err) {
    throw new Error(`${context}: ${err instanceof Error ? err.message : String(err)}`);
  }
}
