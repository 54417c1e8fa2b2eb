/**
 * A process of a container in the form that the shim runs by itself (shim/join.h): what `crun exec` would make of the
 * same OCI process, without the 6 ms of processor time that starting it costs. Whatever of a container the shim does not
 * do exactly as crun does it has no plan, and is left to the runtime.
 */
import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { CAPABILITIES } from './capabilities.ts';
import { CRUN_BPF_ANNOTATION } from './seccomp.ts';
import type { Spec, SpecProcess, SpecRlimit, SpecSeccomp } from './spec-types.ts';

/** The numbers of setrlimit(2), on all of the machines that Node runs on but MIPS and SPARC. */
const RLIMITS =
  'CPU FSIZE DATA STACK CORE RSS NPROC NOFILE MEMLOCK AS LOCKS SIGPENDING MSGQUEUE NICE RTPRIO RTTIME'.split(
    ' ',
  );
const INFINITY = 2n ** 64n - 1n;

const NAMESPACES = new Set(['pid', 'network', 'mount', 'ipc', 'uts', 'cgroup']);
/** All that the shim sees to, and what does not concern an exec. */
const PROCESS_FIELDS = new Set([
  ...['terminal', 'consoleSize', 'user', 'args', 'env', 'cwd', 'capabilities', 'rlimits'],
  ...['noNewPrivileges', 'oomScoreAdj'],
]);
const LINUX_FIELDS = new Set([
  ...['namespaces', 'devices', 'cgroupsPath', 'resources', 'sysctl', 'seccomp', 'rootfsPropagation'],
  ...['maskedPaths', 'readonlyPaths'],
]);
const USER_FIELDS = new Set(['uid', 'gid', 'additionalGids']);

/**
 * The plan for `process` in the running container of `spec` (its config.json); undefined when only the runtime can do it.
 * @param runtime as the container's shim knows it
 */
export function execPlan(
  spec: Spec,
  process: SpecProcess,
  runtime: { path: string; stateDirectory: string },
): Buffer | undefined {
  if (basename(runtime.path) !== 'crun' || !isPlain(spec) || !isPlainProcess(process)) return undefined;
  const limits = (process.rlimits ?? []).map(limit);
  const sets = capabilitySets(process);
  const filter = seccompProgram(spec.linux.seccomp, runtime.stateDirectory);
  if (limits.includes(undefined) || sets === undefined || filter === undefined) return undefined;
  const { uid, gid, additionalGids = [] } = process.user;
  const lines = [
    `d${process.cwd}`,
    `u${uid}`,
    `g${gid}`,
    ...additionalGids.map((group) => `G${group}`),
    ...sets,
    ...(filter === '' ? [] : [`s${filter}`]),
    ...(process.noNewPrivileges === true ? ['n'] : []),
    ...process.args.map((argument) => `a${argument}`),
    ...process.env.map((variable) => `e${variable}`),
    ...limits.map((text) => `l${text}`),
  ];
  if (lines.some((line) => line.includes('\0'))) return undefined;
  return Buffer.from(`${lines.join('\0')}\0`);
}

const only = (object: object, fields: ReadonlySet<string>): boolean =>
  Object.keys(object).every((key) => fields.has(key));

function isPlain({ linux, annotations = {} }: Spec): boolean {
  const types = linux.namespaces.map(({ type }) => type);
  return (
    only(linux, LINUX_FIELDS) &&
    types.every((type) => NAMESPACES.has(type)) &&
    // With a pid namespace of others, or the host's, they could look into the process before it is confined.
    linux.namespaces.some(({ type, path }) => type === 'pid' && path === undefined) &&
    types.includes('mount') &&
    Object.keys(annotations).every((key) => key === CRUN_BPF_ANNOTATION || !/^(run\.oci|module\.)/.test(key))
  );
}

function isPlainProcess(process: SpecProcess): boolean {
  const names = process.env.map((variable) => variable.slice(0, variable.indexOf('=')));
  const { bounding, permitted } = process.capabilities;
  return (
    only(process, PROCESS_FIELDS) &&
    only(process.user, USER_FIELDS) &&
    process.terminal !== true &&
    process.args.length > 0 &&
    process.cwd.startsWith('/') &&
    process.env.every((variable) => variable.indexOf('=') > 0) &&
    new Set(names).size === names.length &&
    names.includes('HOME') && // the runtime looks it up
    // What may trace could reach the shim's program file through the process (as in CVE-2019-5736); crun is a sealed copy.
    ![...bounding, ...permitted].includes('CAP_SYS_PTRACE')
  );
}

function limit({ type, soft, hard }: SpecRlimit): string | undefined {
  const number = RLIMITS.indexOf(type.replace('RLIMIT_', ''));
  const values = [soft, hard].map((value) => {
    const exact = BigInt(typeof value === 'number' ? value : value.rawJSON);
    return exact > INFINITY ? INFINITY : exact;
  });
  // JSON.parse has rounded what is beyond, all but infinity.
  const isExact = values.every((value) => value === INFINITY || value <= BigInt(Number.MAX_SAFE_INTEGER));
  return number < 0 || !isExact ? undefined : `${number} ${values.join(' ')}`;
}

function capabilitySets({ capabilities }: SpecProcess): string[] | undefined {
  const { bounding, effective, permitted, inheritable = [], ambient = [] } = capabilities;
  const sets = { b: bounding, e: effective, p: permitted, i: inheritable, m: ambient };
  const lines: string[] = [];
  for (const [letter, names] of Object.entries(sets)) {
    const bits = names.map((name) => CAPABILITIES.indexOf(name));
    if (bits.includes(-1)) return undefined;
    lines.push(`C${letter}${bits.reduce((set, bit) => set | (1n << BigInt(bit)), 0n).toString(16)}`);
  }
  return lines;
}

/** The file with the program crun compiled or was given at the start; empty: none is loaded; undefined: only crun knows. */
function seccompProgram(seccomp: SpecSeccomp | undefined, stateDirectory: string): string | undefined {
  if (seccomp === undefined) return '';
  const notifies = [seccomp.defaultAction, ...(seccomp.syscalls ?? []).map(({ action }) => action)];
  if (seccomp.flags !== undefined || seccomp.listenerPath !== undefined) return undefined;
  if (notifies.includes('SCMP_ACT_NOTIFY')) return undefined;
  const file = `${stateDirectory}/seccomp.bpf`;
  return existsSync(file) ? file : undefined;
}
