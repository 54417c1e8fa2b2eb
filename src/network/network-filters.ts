/** The filters of `network ls` and `network prune`. */
import { invalidParameter } from '../errdefs/index.ts';
import { hasLabel, parseTimestamp } from '../filters/index.ts';
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
  label: ({ record }, value) => hasLabel(record.labels, value),
  type: ({ record }, value) => {
    if (value !== 'builtin' && value !== 'custom')
      throw invalidParameter(`invalid filter: 'type'='${value}'`);
    return isBuiltin(record) === (value === 'builtin');
  },
  dangling: ({ record, used }, value) => (!used && !isBuiltin(record)) === truth('dangling', value),
};

const PRUNE: Readonly<Record<string, Test>> = {
  label: ({ record }, value) => hasLabel(record.labels, value),
  'label!': ({ record }, value) => !hasLabel(record.labels, value),
  until: ({ record }, value) => Date.parse(record.created) <= parseTimestamp(value),
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

function truth(key: string, value: string): boolean {
  if (value === 'true' || value === '1') return true;
  if (value === 'false' || value === '0') return false;
  throw invalidParameter(`invalid value for filter '${key}', must be "true" (or "1"), or "false" (or "0")`);
}
