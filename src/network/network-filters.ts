/** The filters of `network ls` and `network prune`. */
import { invalidParameter } from '../errdefs/index.ts';
import { PREDEFINED } from './network-create.ts';
import type { NetworkRecord } from './records.ts';

/** Key → accepted values, e.g. `{"driver": ["bridge"]}`. */
export type NetworkFilters = Readonly<Record<string, readonly string[]>>;

interface Candidate {
  record: NetworkRecord;
  /** Has it containers? */
  used: boolean;
}

type Test = (candidate: Candidate, value: string) => boolean;

const LIST: Readonly<Record<string, Test>> = {
  driver: ({ record }, value) => record.driver === value,
  id: ({ record }, value) => record.id.startsWith(value),
  name: ({ record }, value) => record.name.includes(value),
  scope: (_, value) => value === 'local',
  label: ({ record }, value) => hasLabel(record, value),
  type: ({ record }, value) => {
    if (value !== 'builtin' && value !== 'custom')
      throw invalidParameter(`invalid filter: 'type'='${value}'`);
    return isBuiltin(record) === (value === 'builtin');
  },
  dangling: ({ record, used }, value) => (!used && !isBuiltin(record)) === truth('dangling', value),
};

const PRUNE: Readonly<Record<string, Test>> = {
  label: ({ record }, value) => hasLabel(record, value),
  'label!': ({ record }, value) => !hasLabel(record, value),
  until: ({ record }, value) => Date.parse(record.created) <= parseUntil(value),
};

/** True for the values of a key when one of them fits; labels must all fit. */
function fits(tests: Readonly<Record<string, Test>>, filters: NetworkFilters, candidate: Candidate): boolean {
  return Object.entries(filters).every(([key, values]) => {
    const test = tests[key];
    if (test === undefined) throw invalidParameter(`invalid filter '${key}'`);
    if (values.length === 0) return true;
    const holds = values.map((value) => test(candidate, value));
    return key.startsWith('label') ? holds.every(Boolean) : holds.some(Boolean);
  });
}

/** Which of `candidates` a list shows. Throws InvalidParameter for unknown filters. */
export const filterList = (candidates: readonly Candidate[], filters: NetworkFilters): NetworkRecord[] =>
  candidates.filter((candidate) => fits(LIST, filters, candidate)).map(({ record }) => record);

/** Which of `candidates` prune removes: unused networks of users that fit. */
export const filterPrune = (candidates: readonly Candidate[], filters: NetworkFilters): NetworkRecord[] =>
  candidates
    .filter((candidate) => fits(PRUNE, filters, candidate) && !candidate.used && !isBuiltin(candidate.record))
    .map(({ record }) => record);

const isBuiltin = (record: NetworkRecord): boolean => PREDEFINED.has(record.name);

function hasLabel({ labels }: NetworkRecord, filter: string): boolean {
  const at = filter.indexOf('=');
  return at === -1 ? Object.hasOwn(labels, filter) : labels[filter.slice(0, at)] === filter.slice(at + 1);
}

function truth(key: string, value: string): boolean {
  if (value === 'true' || value === '1') return true;
  if (value === 'false' || value === '0') return false;
  throw invalidParameter(`invalid value for filter '${key}', must be "true" (or "1"), or "false" (or "0")`);
}

const UNITS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

/** A Go duration before now (`10m`, `1h30m`), a Unix time in seconds, or an RFC 3339 time; in milliseconds. */
function parseUntil(text: string): number {
  if (/^(\d+(\.\d+)?(h|ms|m|s))+$/.test(text)) {
    const parts = text.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s)/g);
    return (
      Date.now() -
      [...parts].reduce((sum, [, n = '0', unit = 's']) => sum + Number(n) * (UNITS[unit] ?? 0), 0)
    );
  }
  const time = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : Date.parse(text);
  if (Number.isNaN(time)) throw invalidParameter(`invalid value for filter 'until': ${text}`);
  return time;
}
