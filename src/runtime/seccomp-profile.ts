/** Reads seccomp profiles in Docker's format, which is the OCI spec's with conditions (`includes`, `excludes`, `archMap`). */
import { invalidParameter } from '../errdefs/index.ts';
import type { SeccompArg, SeccompRule, SpecSeccomp } from './spec-types.ts';

/** When a rule counts; empty lists set no condition. */
export interface RuleFilter {
  arches: readonly string[];
  caps: readonly string[];
  minKernel: readonly [number, number] | undefined;
}

export interface ProfileRule {
  rule: SeccompRule;
  includes: RuleFilter;
  excludes: RuleFilter;
}

export interface SeccompProfile extends Omit<SpecSeccomp, 'syscalls'> {
  archMap: { architecture: string; subArchitectures: string[] }[];
  syscalls: ProfileRule[];
}

type Json = Record<string, unknown>;

const fail = (what: string): never => {
  throw invalidParameter(`Decoding seccomp profile failed: ${what}`);
};

function object(value: unknown, what: string): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return fail(`${what} is no object`);
  return value as Json;
}

function list<T>(value: unknown, what: string, each: (item: unknown, what: string) => T): T[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) return fail(`${what} is no list`);
  return value.map((item, i) => each(item, `${what}[${i}]`));
}

function text(value: unknown, what: string): string {
  return typeof value === 'string' ? value : fail(`${what} is no string`);
}

function natural(value: unknown, what: string): number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0
    ? value
    : fail(`${what} is no natural number`);
}

const ACTION = /^SCMP_ACT_[A-Z_]+$/;

function action(value: unknown, what: string): string {
  const name = text(value, what);
  return ACTION.test(name) ? name : fail(`${what}: unknown action ${name}`);
}

function optional<K extends string, T>(
  key: K,
  value: unknown,
  what: string,
  read: (value: unknown, what: string) => T,
): Partial<Record<K, T>> {
  if (value === undefined || value === null) return {};
  return { [key]: read(value, what) } as Partial<Record<K, T>>;
}

/** @throws invalidParameter telling what is wrong where */
export function parseSeccompProfile(json: string): SeccompProfile {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch (err) {
    return fail(err instanceof Error ? err.message : String(err));
  }
  const profile = object(parsed, 'the profile');
  const strings = (value: unknown, what: string): string[] => list(value, what, text);
  return {
    defaultAction: action(profile.defaultAction, 'defaultAction'),
    ...optional('defaultErrnoRet', profile.defaultErrnoRet, 'defaultErrnoRet', natural),
    ...optional('architectures', profile.architectures, 'architectures', strings),
    ...optional('flags', profile.flags, 'flags', strings),
    ...optional('listenerPath', profile.listenerPath, 'listenerPath', text),
    ...optional('listenerMetadata', profile.listenerMetadata, 'listenerMetadata', text),
    archMap: list(profile.archMap, 'archMap', (item, what) => {
      const entry = object(item, what);
      return {
        architecture: text(entry.architecture, `${what}.architecture`),
        subArchitectures: strings(entry.subArchitectures, `${what}.subArchitectures`),
      };
    }),
    syscalls: list(profile.syscalls, 'syscalls', parseRule),
  };
}

function parseRule(value: unknown, what: string): ProfileRule {
  const rule = object(value, what);
  const names = list(rule.names, `${what}.names`, text);
  if (rule.name !== undefined && rule.name !== '') {
    if (names.length > 0)
      fail("both 'name' and 'names' are specified in the seccomp profile, use either 'name' or 'names'");
    names.push(text(rule.name, `${what}.name`));
  }
  const args = list(rule.args, `${what}.args`, parseArg);
  return {
    rule: {
      names,
      action: action(rule.action, `${what}.action`),
      ...optional('errnoRet', rule.errnoRet, `${what}.errnoRet`, natural),
      ...(args.length > 0 ? { args } : {}),
    },
    includes: parseFilter(rule.includes, `${what}.includes`),
    excludes: parseFilter(rule.excludes, `${what}.excludes`),
  };
}

function parseArg(value: unknown, what: string): SeccompArg {
  const arg = object(value, what);
  const index = natural(arg.index ?? 0, `${what}.index`);
  const op = text(arg.op, `${what}.op`);
  if (index > 5) fail(`${what}.index is above 5`);
  if (!/^SCMP_CMP_(NE|LT|LE|EQ|GE|GT|MASKED_EQ)$/.test(op)) fail(`${what}.op: unknown operator ${op}`);
  return {
    index,
    value: natural(arg.value ?? 0, `${what}.value`),
    valueTwo: natural(arg.valueTwo ?? 0, `${what}.valueTwo`),
    op,
  };
}

function parseFilter(value: unknown, what: string): RuleFilter {
  const filter = value === undefined || value === null ? {} : object(value, what);
  return {
    arches: list(filter.arches, `${what}.arches`, text),
    caps: list(filter.caps, `${what}.caps`, text),
    minKernel: filter.minKernel === undefined ? undefined : parseKernel(filter.minKernel, what),
  };
}

function parseKernel(value: unknown, what: string): readonly [number, number] {
  const match = /^(\d+)\.(\d+)$/.exec(text(value, `${what}.minKernel`));
  if (match === null) return fail(`${what}.minKernel: invalid kernel version`);
  return [Number(match[1]), Number(match[2])];
}
