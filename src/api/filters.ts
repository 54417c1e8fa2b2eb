/** The `filters` query parameter: both of Docker's JSON forms, and the names each operation takes. */
import { invalidParameter } from '../errdefs/index.ts';
import type { Filters } from './types.ts';

/** Accepted names by operation; an operation without an entry takes any (events do). */
const ACCEPTED: Readonly<Record<string, readonly string[]>> = {
  ContainerList: [
    'ancestor',
    'before',
    'exited',
    'expose',
    'health',
    'id',
    'is-task',
    'isolation',
    'label',
    'name',
    'network',
    'publish',
    'since',
    'status',
    'volume',
  ],
  ContainerPrune: ['label', 'label!', 'until'],
  ImageList: ['before', 'dangling', 'label', 'label!', 'reference', 'since', 'until'],
  ImagePrune: ['dangling', 'label', 'label!', 'until'],
  ImageSearch: ['is-automated', 'is-official', 'stars'],
  NetworkList: ['dangling', 'driver', 'id', 'label', 'name', 'scope', 'type'],
  NetworkPrune: ['label', 'label!', 'until'],
  VolumeList: ['dangling', 'driver', 'label', 'name'],
  VolumePrune: ['all', 'label', 'label!'],
};

/** Names whose one value must read as a boolean. */
const BOOLEAN = new Set(['all', 'dangling', 'is-automated', 'is-official', 'is-task']);
const TRUTHS = new Set(['1', 'true', '0', 'false']);

/**
 * Decodes `{"name":["value"]}` or `{"name":{"value":true}}`; an empty or absent parameter is no filter.
 * Throws InvalidParameter `invalid filter…` as Docker does.
 */
export function parseFilters(text: string | undefined, operation: string): Filters {
  if (text === undefined || text === '') return {};
  const decoded = decode(text);
  const accepted = ACCEPTED[operation];
  for (const [name, values] of Object.entries(decoded)) {
    if (accepted && !accepted.includes(name)) throw invalidParameter(`invalid filter '${name}'`);
    if (accepted && BOOLEAN.has(name)) checkBoolean(name, values);
  }
  return decoded;
}

function decode(text: string): Record<string, string[]> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw invalidParameter('invalid filter');
  }
  if (parsed === null) return {};
  if (typeof parsed !== 'object' || Array.isArray(parsed)) throw invalidParameter('invalid filter');
  const out: Record<string, string[]> = Object.create(null);
  for (const [name, value] of Object.entries(parsed)) {
    if (value === null) continue;
    if (Array.isArray(value) && value.every((v) => typeof v === 'string')) {
      out[name] = [...new Set(value)];
    } else if (isBooleanMap(value)) {
      out[name] = Object.keys(value);
    } else {
      throw invalidParameter('invalid filter');
    }
  }
  return out;
}

function isBooleanMap(value: unknown): value is Record<string, boolean> {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every((v) => typeof v === 'boolean')
  );
}

function checkBoolean(name: string, values: readonly string[]): void {
  const truths = new Set(values.filter((v) => TRUTHS.has(v)).map((v) => v === '1' || v === 'true'));
  if (truths.size !== 1) {
    throw invalidParameter(`invalid filter '${name}${values.length > 0 ? `=[${values.join(' ')}]` : ''}'`);
  }
}
