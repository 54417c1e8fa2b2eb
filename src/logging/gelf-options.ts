/** The options of the driver `gelf`. */
import { parseAddress } from './values.ts';

export interface GelfOptions {
  protocol: 'udp' | 'tcp';
  host: string;
  port: number;
  compression: 'gzip' | 'zlib' | 'none';
  /** zlib's: -1 to 9. */
  level: number;
  /** How often a message is tried again before it is given up; undefined: until it is delivered. */
  maxReconnect: number | undefined;
  /** Milliseconds before the first try. */
  reconnectDelay: number;
}

export const GELF_KEYS: readonly string[] = [
  'gelf-address',
  'gelf-compression-level',
  'gelf-compression-type',
  'gelf-tcp-max-reconnect',
  'gelf-tcp-reconnect-delay',
];

/** @throws Error in moby's words */
export function parseGelfOptions(config: Readonly<Record<string, string>>): GelfOptions {
  const text = config['gelf-address'];
  if (!text) throw new Error('gelf-address is a required parameter');
  const { scheme, host, port } = parseAddress(text);
  if (scheme !== 'udp' && scheme !== 'tcp') throw new Error('gelf: endpoint needs to be TCP or UDP');
  if (port === undefined) throw new Error('gelf: please provide gelf-address as proto://host:port');
  const udp = scheme === 'udp';
  const level = config['gelf-compression-level'];
  const type = config['gelf-compression-type'];
  if ((level !== undefined || type !== undefined) && !udp)
    throw new Error('compression is only supported on UDP');
  if (level !== undefined && !/^(-1|[0-9])$/.test(level)) throw unknownValue(level, 'gelf-compression-level');
  if (type !== undefined && type !== 'gzip' && type !== 'zlib' && type !== 'none')
    throw unknownValue(type, 'gelf-compression-type');
  const retries = tcpInteger(config, 'gelf-tcp-max-reconnect', udp);
  const delay = tcpInteger(config, 'gelf-tcp-reconnect-delay', udp);
  return {
    protocol: scheme,
    host: host || 'localhost',
    port,
    compression: type ?? 'gzip',
    level: level === undefined ? 1 : Number(level),
    maxReconnect: retries,
    reconnectDelay: (delay ?? 1) * 1000,
  };
}

const unknownValue = (value: string, key: string): Error =>
  new Error(`unknown value ${JSON.stringify(value)} for log opt ${JSON.stringify(key)} for gelf log driver`);

function tcpInteger(config: Readonly<Record<string, string>>, key: string, udp: boolean): number | undefined {
  const value = config[key];
  if (value === undefined) return undefined;
  if (udp) throw new Error(`${JSON.stringify(key)} is only valid for TCP`);
  if (!/^\d+$/.test(value)) throw new Error(`${JSON.stringify(key)} must be a positive integer`);
  return Number(value);
}
