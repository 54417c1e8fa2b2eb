/** A container's seccomp profile: Docker's default or one of the user's, in the OCI spec's form, with the compiled filter. */
import { createHash } from 'node:crypto';
import { invalidParameter } from '../errdefs/index.ts';
import { compileSeccompFilter, kernelVersion, machine } from '../linux/index.ts';
import { ALLOWED, ARCHITECTURES, CONDITIONAL, type ConditionalCalls } from './seccomp-default.ts';
import { type ProfileRule, parseSeccompProfile, type SeccompProfile } from './seccomp-profile.ts';
import type { SeccompArg, SeccompRule, SpecSeccomp } from './spec-types.ts';

/** A profile for one container. */
export interface ContainerSeccomp {
  spec: SpecSeccomp;
  /**
   * The filter's BPF program in base64, for crun's annotation {@link CRUN_BPF_ANNOTATION}; undefined where it could not
   * be compiled here (no libseccomp) and the runtime must do it, which takes it 12 ms at each start.
   */
  bpf: string | undefined;
}

/** crun(1): the BPF program to load instead of compiling `linux.seccomp`. Other runtimes ignore it. */
export const CRUN_BPF_ANNOTATION = 'run.oci.seccomp_bpf_data';

/** Profiles by capabilities and source. A daemon sees a handful; the bound is against a client that makes up many. */
const cache = new Map<string, ContainerSeccomp>();
const CACHE_MAX = 64;

/** `uname -m` in the names that Docker's profiles use. */
const ARCH_NAMES: Readonly<Record<string, string>> = {
  x86_64: 'amd64',
  aarch64: 'arm64',
  armv7l: 'arm',
  i686: 'x86',
};
const arch = (): string => ARCH_NAMES[machine()] ?? machine();

function cached(key: string, make: () => SpecSeccomp): ContainerSeccomp {
  const known = cache.get(key);
  if (known !== undefined) return known;
  const spec = make();
  // Flags are the runtime's to give to the kernel, a listener is its to connect.
  const plain = spec.flags === undefined && spec.listenerPath === undefined;
  const bpf = plain ? compileSeccompFilter(spec)?.toString('base64') : undefined;
  const result: ContainerSeccomp = { spec, bpf };
  if (cache.size >= CACHE_MAX) cache.delete(cache.keys().next().value ?? '');
  cache.set(key, result);
  return result;
}

/** Docker's default profile for a container with these capabilities; made once for each set of them. */
export function defaultSeccomp(capabilities: readonly string[]): ContainerSeccomp {
  return cached(`default ${[...capabilities].sort().join()}`, () => makeDefault(new Set(capabilities)));
}

function makeDefault(capabilities: ReadonlySet<string>): SpecSeccomp {
  const holding = CONDITIONAL.filter((calls) => holds(calls, capabilities));
  const plain = holding.filter(({ arg, errno }) => arg === undefined && errno === undefined);
  // One rule with all unconditional names is the cheapest to parse and compile.
  const names = [...new Set([...ALLOWED, ...plain.flatMap((calls) => calls.names)])];
  return {
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: 1,
    architectures: ARCHITECTURES[arch()] ?? [],
    syscalls: [
      { names, action: 'SCMP_ACT_ALLOW' },
      ...holding.filter((calls) => !plain.includes(calls)).map(toRule),
    ],
  };
}

function toRule({ names, arg, errno }: ConditionalCalls): SeccompRule {
  const args: { args?: readonly SeccompArg[] } = arg === undefined ? {} : { args: [arg] };
  return errno === undefined
    ? { names, action: 'SCMP_ACT_ALLOW', ...args }
    : { names, action: 'SCMP_ACT_ERRNO', errnoRet: errno, ...args };
}

function holds(calls: ConditionalCalls, capabilities: ReadonlySet<string>): boolean {
  return (
    (calls.capability === undefined || capabilities.has(calls.capability)) &&
    (calls.withoutCapability === undefined || !capabilities.has(calls.withoutCapability)) &&
    (calls.arches === undefined || calls.arches.includes(arch())) &&
    (calls.notArches === undefined || !calls.notArches.includes(arch())) &&
    (calls.minKernel === undefined || kernelAtLeast(calls.minKernel))
  );
}

function kernelAtLeast([major, minor]: readonly [number, number]): boolean {
  const [haveMajor = 0, haveMinor = 0] = kernelVersion().split(/[.-]/).map(Number);
  return haveMajor > major || (haveMajor === major && haveMinor >= minor);
}

/**
 * A profile of the user's, in Docker's format (JSON); undefined when it says nothing.
 * @throws invalidParameter when it is not one
 */
export function customSeccomp(json: string, capabilities: readonly string[]): ContainerSeccomp | undefined {
  const profile = parseSeccompProfile(json);
  if (profile === undefined) return undefined;
  const digest = createHash('sha256').update(json).digest('hex');
  return cached(`${digest} ${[...capabilities].sort().join()}`, () =>
    resolveProfile(profile, new Set(capabilities)),
  );
}

function resolveProfile(profile: SeccompProfile, capabilities: ReadonlySet<string>): SpecSeccomp {
  const { archMap, syscalls, ...rest } = profile;
  if (rest.architectures !== undefined && rest.architectures.length > 0 && archMap.length > 0) {
    throw invalidParameter(
      "both 'architectures' and 'archMap' are specified in the seccomp profile, use either 'architectures' or 'archMap'",
    );
  }
  const native = ARCHITECTURES[arch()]?.[0];
  const mapped = archMap.find(({ architecture }) => architecture === native);
  const architectures =
    mapped === undefined ? rest.architectures : [mapped.architecture, ...mapped.subArchitectures];
  return {
    ...rest,
    ...(architectures === undefined ? {} : { architectures }),
    syscalls: syscalls.filter((rule) => ruleHolds(rule, capabilities)).map(({ rule }) => rule),
  };
}

function ruleHolds({ includes, excludes }: ProfileRule, capabilities: ReadonlySet<string>): boolean {
  if (excludes.arches.includes(arch())) return false;
  if (excludes.caps.some((name) => capabilities.has(name))) return false;
  if (excludes.minKernel !== undefined && kernelAtLeast(excludes.minKernel)) return false;
  if (includes.arches.length > 0 && !includes.arches.includes(arch())) return false;
  if (!includes.caps.every((name) => capabilities.has(name))) return false;
  return includes.minKernel === undefined || kernelAtLeast(includes.minKernel);
}
