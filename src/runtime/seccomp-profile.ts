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

/** seccomp(2), by libseccomp's names. KILL is KILL_THREAD. */
const ACTIONS = [
  'KILL',
  'KILL_PROCESS',
  'KILL_THREAD',
  'TRAP',
  'ERRNO',
  'TRACE',
  'ALLOW',
  'LOG',
  'NOTIFY',
].map((name) => `SCMP_ACT_${name}`);
const OPERATORS = ['NE', 'LT', 'LE', 'EQ', 'GE', 'GT', 'MASKED_EQ'].map((name) => `SCMP_CMP_${name}`);
const ARCHES =
  'X86 X86_64 X32 ARM AARCH64 MIPS MIPS64 MIPS64N32 MIPSEL MIPSEL64 MIPSEL64N32 PPC PPC64 PPC64LE RISCV64 S390 S390X LOONGARCH64 M68K SH SHEB PARISC PARISC64'
    .split(' ')
    .map((name) => `SCMP_ARCH_${name}`);

/** A listener decides about the call (man 2 seccomp_unotify). */
export const NOTIFY = 'SCMP_ACT_NOTIFY';

/** runc's words. */
function oneOf(known: readonly string[], kind: string): (value: unknown, what: string) => string {
  return (value, what) => {
    const name = text(value ?? '', what);
    if (known.includes(name)) return name;
    throw invalidParameter(`string ${name} is not a valid ${kind} for seccomp`);
  };
}

const action = oneOf(ACTIONS, 'action');
const operator = oneOf(OPERATORS, 'operator');
const architecture = oneOf(ARCHES, 'arch');

function optional<K extends string, T>(
  key: K,
  value: unknown,
  what: string,
  read: (value: unknown, what: string) => T,
): Partial<Record<K, T>> {
  if (value === undefined || value === null) return {};
  return { [key]: read(value, what) } as Partial<Record<K, T>>;
}

/** Undefined when the profile says nothing: Docker takes that for `unconfined`. @throws invalidParameter telling what is wrong where */
export function parseSeccompProfile(json: string): SeccompProfile | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch (err) {
    return fail(err instanceof Error ? err.message : String(err));
  }
  if (parsed === null) return undefined;
  const profile = object(parsed, 'the profile');
  if (!profile.defaultAction && list(profile.syscalls, 'syscalls', (rule) => rule).length === 0)
    return undefined;
  const strings = (value: unknown, what: string): string[] => list(value, what, text);
  const read: SeccompProfile = {
    defaultAction: action(profile.defaultAction, 'defaultAction'),
    ...optional('defaultErrnoRet', profile.defaultErrnoRet, 'defaultErrnoRet', natural),
    ...optional('architectures', profile.architectures, 'architectures', (value, what) =>
      list(value, what, architecture),
    ),
    ...optional('flags', profile.flags, 'flags', strings),
    ...optional('listenerPath', profile.listenerPath, 'listenerPath', text),
    ...optional('listenerMetadata', profile.listenerMetadata, 'listenerMetadata', text),
    archMap: list(profile.archMap, 'archMap', (item, what) => {
      const entry = object(item, what);
      return {
        architecture: architecture(entry.architecture, `${what}.architecture`),
        subArchitectures: list(entry.subArchitectures, `${what}.subArchitectures`, architecture),
      };
    }),
    syscalls: list(profile.syscalls, 'syscalls', parseRule),
  };
  const notifies = [read.defaultAction, ...read.syscalls.map(({ rule }) => rule.action)].includes(NOTIFY);
  if (notifies && !read.listenerPath) throw invalidParameter('listenerPath is not set');
  return read;
}

function parseRule(value: unknown, what: string): ProfileRule {
  const rule = object(value, what);
  const names = list(rule.names, `${what}.names`, text);
  if (rule.name !== undefined && rule.name !== '') {
    if (names.length > 0) {
      throw invalidParameter(
        "both 'name' and 'names' are specified in the seccomp profile, use either 'name' or 'names'",
      );
    }
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
  const op = operator(arg.op, `${what}.op`);
  if (index > 5) {
    throw invalidParameter(
      `error creating seccomp syscall condition: syscalls only have up to 6 arguments (${index} given)`,
    );
  }
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
  const given = text(value, `${what}.minKernel`);
  const match = /^(\d+)\.(\d+)$/.exec(given);
  if (match === null) {
    return fail(`invalid kernel version: ${JSON.stringify(given)}, expected "<kernel>.<major>"`);
  }
  return [Number(match[1]), Number(match[2])];
}
