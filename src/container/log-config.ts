import { invalidParameter } from '../errdefs/index.ts';
import type { ContainerRecord } from './types.ts';

/** Bounded by default, unlike Docker's json-file: five files of 20 MB. */
const DEFAULT_MAX_SIZE = 20_000_000;
const DEFAULT_MAX_FILES = 5;

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1000, m: 1000 ** 2, g: 1000 ** 3, t: 1000 ** 4 };

export interface LogSettings {
  /** Null for the driver `none`. */
  logPath: string | null;
  logMaxSize: number;
  logMaxFiles: number;
  logAttrs?: Record<string, string>;
}

/** What the shim needs to know of a container's log, from its LogConfig. @throws InvalidParameter */
export function logSettings(record: ContainerRecord, path: string): LogSettings {
  const { Type: driver, Config: options = {} } = record.hostConfig.LogConfig ?? {};
  const attributes = logAttributes(record, options);
  return {
    logPath: driver === 'none' ? null : path,
    logMaxSize: options['max-size'] === undefined ? DEFAULT_MAX_SIZE : parseSize(options['max-size']),
    logMaxFiles: options['max-file'] === undefined ? DEFAULT_MAX_FILES : parseCount(options['max-file']),
    ...(Object.keys(attributes).length > 0 ? { logAttrs: attributes } : {}),
  };
}

/** The labels and variables that the options `labels` and `env` name, for `docker logs --details`. */
function logAttributes(
  record: ContainerRecord,
  options: Readonly<Record<string, string>>,
): Record<string, string> {
  const attributes: Record<string, string> = {};
  const labels = record.config.Labels ?? {};
  for (const key of (options.labels ?? '').split(',')) {
    if (Object.hasOwn(labels, key)) attributes[key] = labels[key]!;
  }
  const wanted = new Set((options.env ?? '').split(',').filter(Boolean));
  for (const variable of record.config.Env ?? []) {
    const at = variable.indexOf('=');
    if (at > 0 && wanted.has(variable.slice(0, at)))
      attributes[variable.slice(0, at)] = variable.slice(at + 1);
  }
  return attributes;
}

function parseSize(text: string): number {
  if (text === '-1') return 0;
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)b?$/i.exec(text.trim());
  if (!match) throw invalidParameter(`invalid size: '${text}'`);
  return Math.floor(Number(match[1]) * UNITS[match[2]!.toLowerCase()]!);
}

function parseCount(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1) throw invalidParameter('max-file cannot be less than 1');
  return count;
}
