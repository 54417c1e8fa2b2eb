/** Limits and devices: `--cpus`, `--ulimit`, `--device`, `--gpus`, block-I/O throttles. */
import type {
  DeviceMapping,
  DeviceRequest,
  ResourcesBlkioWeightDeviceInner,
  ResourcesUlimitsInner,
  ThrottleDevice,
} from '@docker/node-sdk';
import { ramInBytes } from '../format/units.ts';
import { cut, parseCsvLine } from './csv.ts';

/** `--cpus 1.5` in billionths of a CPU. @throws Error with docker's words */
export function parseCpus(value: string): number {
  const match = /^\+?(?:(\d+)\/(\d+)|(\d*\.?\d*(?:[eE][+-]?\d+)?))$/.exec(value);
  if (!match || value === '' || value === '.')
    throw new Error(`failed to parse ${value} as a rational number`);
  const nano = match[1] === undefined ? Number(value) * 1e9 : (Number(match[1]) / Number(match[2])) * 1e9;
  const rounded = Math.round(nano);
  if (!Number.isFinite(nano)) throw new Error(`failed to parse ${value} as a rational number`);
  if (Math.abs(nano - rounded) > 1e-3) throw new Error('value is too precise');
  return rounded;
}

const ULIMITS = new Set([
  'core',
  'cpu',
  'data',
  'fsize',
  'locks',
  'memlock',
  'msgqueue',
  'nice',
  'nofile',
  'nproc',
  'rss',
  'rtprio',
  'rttime',
  'sigpending',
  'stack',
]);

/** `--ulimit nofile=1024:2048`. */
export function parseUlimit(value: string): ResourcesUlimitsInner {
  const [name, limits] = cut(value, '=');
  if (name === '' || !limits) throw new Error(`invalid ulimit argument: ${value}`);
  if (!ULIMITS.has(name)) throw new Error(`invalid ulimit type: ${name}`);
  const numbers = limits.split(':').map((text) => {
    if (!/^-?\d+$/.test(text))
      throw new Error(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
    return Number(text);
  });
  const [soft = 0, hard = soft, ...more] = numbers;
  if (more.length)
    throw new Error(`too many limit value arguments - ${limits}, can only have up to two, \`soft[:hard]\``);
  if (hard !== -1 && (soft > hard || soft === -1)) {
    throw new Error(`ulimit soft limit must be less than or equal to hard limit: ${soft} > ${hard}`);
  }
  return { Name: name, Soft: soft, Hard: hard };
}

/** A device of the Container Device Interface: `vendor.com/class=name`. */
const CDI = /^[a-zA-Z][\w.-]*\/[a-zA-Z][\w.-]*=[\w.:-]+$/;

const isMode = (mode: string): boolean =>
  mode !== '' && /^[rwm]+$/.test(mode) && new Set(mode).size === mode.length;

/** Checks `--device` at the flag. */
export function checkDevice(value: string): string {
  if (CDI.test(value)) return value;
  const parts = value.split(':');
  const last = parts.at(-1) ?? '';
  const paths = parts.length === 3 || (parts.length === 2 && isMode(last)) ? parts.slice(0, -1) : parts;
  if (value === '' || parts.length > 3 || (parts.length === 3 && !isMode(last))) {
    throw new Error(parts.length === 3 ? `bad mode specified: ${last}` : `bad format for path: ${value}`);
  }
  const target = paths.at(-1) ?? '';
  if (!target.startsWith('/')) throw new Error(`${target} is not an absolute path`);
  return value;
}

/** `--device` values: nodes to map, and devices that CDI resolves. */
export function parseDevices(values: readonly string[]): {
  devices: DeviceMapping[];
  requests: DeviceRequest[];
} {
  const devices: DeviceMapping[] = [];
  const cdi = values.filter((value) => CDI.test(value));
  for (const value of values) {
    if (CDI.test(value)) continue;
    const [source = '', second, third] = value.split(':');
    const mode = third ?? (second !== undefined && isMode(second) ? second : 'rwm');
    const target = second !== undefined && !(third === undefined && isMode(second)) ? second : source;
    devices.push({ PathOnHost: source, PathInContainer: target, CgroupPermissions: mode });
  }
  return { devices, requests: cdi.length ? [{ Driver: 'cdi', DeviceIDs: cdi }] : [] };
}

/** `--gpus all`, `--gpus 2`, `--gpus '"device=0,1"'`, `--gpus capabilities=…,driver=…`. */
export function parseGpus(value: string): DeviceRequest {
  const request: { -readonly [K in keyof DeviceRequest]: DeviceRequest[K] } = {};
  const seen = new Set<string>();
  for (const field of parseCsvLine(value)) {
    const [key, given] = cut(field, '=');
    const name = given === undefined ? 'count' : key;
    const text = given ?? key;
    if (seen.has(name)) throw new Error(`gpu request key '${name}' can be specified only once`);
    seen.add(name);
    if (name === 'driver') request.Driver = text;
    else if (name === 'count') request.Count = text === 'all' ? -1 : gpuCount(text);
    else if (name === 'device') request.DeviceIDs = text.split(',');
    else if (name === 'capabilities') request.Capabilities = [[...text.split(','), 'gpu']];
    else if (name === 'options')
      request.Options = Object.fromEntries(
        text.split(',').map((o) => [cut(o, '=')[0], cut(o, '=')[1] ?? '']),
      );
    else throw new Error(`unexpected key '${key}' in '${field}'`);
  }
  if (request.Count === undefined && request.DeviceIDs === undefined) request.Count = 1;
  request.Capabilities ??= [['gpu']];
  return request;
}

function gpuCount(text: string): number {
  if (!/^[+-]?\d+$/.test(text))
    throw new Error(`invalid count (${text}): value must be either "all" or an integer: invalid syntax`);
  return Number(text);
}

/** `--blkio-weight-device /dev/sda:200`. */
export function parseWeightDevice(value: string): ResourcesBlkioWeightDeviceInner {
  const [path, text] = cut(value, ':');
  if (!path || text === undefined) throw new Error(`bad format: ${value}`);
  if (!path.startsWith('/dev/')) throw new Error(`bad format for device path: ${value}`);
  const weight = Number(text);
  if (!/^\d+$/.test(text) || (weight > 0 && (weight < 10 || weight > 1000)))
    throw new Error(`invalid weight for device: ${value}`);
  return { Path: path, Weight: weight };
}

/** `--device-read-bps /dev/sda:1mb`. @param unit whether rates are bytes (with suffixes) or operations */
export function parseThrottle(value: string, unit: 'bytes' | 'operations'): ThrottleDevice {
  const [path, text] = cut(value, ':');
  if (!path || text === undefined) throw new Error(`bad format: ${value}`);
  if (!path.startsWith('/dev/')) throw new Error(`bad format for device path: ${value}`);
  if (unit === 'operations') {
    if (!/^\d+$/.test(text))
      throw new Error(
        `invalid rate for device: ${value}. The correct format is <device-path>:<number>. Number must be a positive integer`,
      );
    return { Path: path, Rate: Number(text) };
  }
  try {
    return { Path: path, Rate: ramInBytes(text) };
  } catch {
    throw new Error(
      `invalid rate for device: ${value}. The correct format is <device-path>:<number>[<unit>]. Number must be a positive integer. Unit is optional and can be kb, mb, or gb`,
    );
  }
}
