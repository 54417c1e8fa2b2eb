/** `--ulimit` (HostConfig.Ulimits) as the spec's rlimits. */
import { invalidParameter } from '../errdefs/index.ts';
import type { SpecRlimit, Uint64 } from './spec-types.ts';

/** One limit as Docker has it; -1 is unlimited. */
export interface Ulimit {
  Name?: string;
  Soft?: number;
  Hard?: number;
}

const NAMES = new Set(
  'core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack'.split(
    ' ',
  ),
);

/** RLIM_INFINITY, which JavaScript's numbers cannot hold. */
const INFINITY = rawJson('18446744073709551615');

/**
 * More open files than this are not inherited: programs that close every descriptor up to the limit take minutes
 * (the daemon's own hard limit may be a thousand million).
 */
const NOFILE_INHERITED_MAX = 1048576;

function rawJson(text: string): Uint64 {
  // ES2025 proposal JSON.parse source text access; V8 has it, TypeScript's library not yet.
  const json = JSON as typeof JSON & { rawJSON(text: string): { readonly rawJSON: string } };
  return json.rawJSON(text);
}

/** What {@link specRlimits} goes by. */
export interface RlimitFacts {
  hardLimits: ReadonlyMap<string, number>;
  /** Whether hard limits can be raised (CAP_SYS_RESOURCE). */
  mayRaise: boolean;
}

/**
 * The limits of a process. Where the machine does not let us raise a hard limit, the limit is lowered to what there is,
 * with a warning, since the runtime could not start the container at all.
 */
export function specRlimits(
  ulimits: readonly Ulimit[],
  { hardLimits, mayRaise }: RlimitFacts,
): { rlimits: SpecRlimit[]; warnings: string[] } {
  const warnings: string[] = [];
  const rlimits = ulimits.map(({ Name: name = '', Soft: soft = 0, Hard: hard = 0 }) => {
    if (!NAMES.has(name)) throw invalidParameter(`invalid ulimit type: ${name}`);
    const wanted = { soft: toLimit(soft), hard: toLimit(hard) };
    if (wanted.soft > wanted.hard) {
      throw invalidParameter(`ulimit soft limit must be less than or equal to hard limit: ${soft} > ${hard}`);
    }
    const max = mayRaise ? Number.POSITIVE_INFINITY : (hardLimits.get(name) ?? Number.POSITIVE_INFINITY);
    if (wanted.hard > max) {
      warnings.push(
        `ulimit ${name}: the hard limit cannot be raised above ${max} without CAP_SYS_RESOURCE. It is ${max} instead.`,
      );
    }
    return rlimit(name, Math.min(wanted.soft, max), Math.min(wanted.hard, max));
  });
  const inherited = hardLimits.get('nofile') ?? 0;
  if (inherited > NOFILE_INHERITED_MAX && !ulimits.some(({ Name }) => Name === 'nofile')) {
    rlimits.push(rlimit('nofile', NOFILE_INHERITED_MAX, NOFILE_INHERITED_MAX));
  }
  return { rlimits, warnings };
}

const toLimit = (value: number): number => (value < 0 ? Number.POSITIVE_INFINITY : value);
const toSpec = (value: number): Uint64 => (value === Number.POSITIVE_INFINITY ? INFINITY : value);

function rlimit(name: string, soft: number, hard: number): SpecRlimit {
  return { type: `RLIMIT_${name.toUpperCase()}`, soft: toSpec(soft), hard: toSpec(hard) };
}
