/**
 * Seccomp filters (man 2 seccomp) compiled by libseccomp in this process: what every OCI runtime does at each start of a
 * container (2 to 12 ms), done once.
 */
import fs from 'node:fs';
import { system } from '../errdefs/index.ts';
import { closeFd } from './fd.ts';
import { check, libcFunction, openLibrary } from './libc.ts';

/** A rule in libseccomp's names, as the OCI runtime spec has them. */
export interface SeccompFilterRule {
  names: readonly string[];
  /** `SCMP_ACT_ALLOW`, … */
  action: string;
  /** Of `SCMP_ACT_ERRNO` and `SCMP_ACT_TRACE`; default `EPERM`. */
  errnoRet?: number;
  /** All must hold. */
  args?: readonly { index: number; value: number; valueTwo?: number; op: string }[];
}

/** What to compile. */
export interface SeccompFilterSource {
  defaultAction: string;
  defaultErrnoRet?: number;
  /** `SCMP_ARCH_X86_64`, …; the machine's own is always in. */
  architectures?: readonly string[];
  syscalls?: readonly SeccompFilterRule[];
}

const EPERM = 1;
const ENOSYS = 38;

const ACTIONS: Readonly<Record<string, number>> = {
  SCMP_ACT_KILL: 0,
  SCMP_ACT_KILL_THREAD: 0,
  SCMP_ACT_KILL_PROCESS: 0x80000000,
  SCMP_ACT_TRAP: 0x00030000,
  SCMP_ACT_ERRNO: 0x00050000,
  SCMP_ACT_TRACE: 0x7ff00000,
  SCMP_ACT_LOG: 0x7ffc0000,
  SCMP_ACT_ALLOW: 0x7fff0000,
};
const WITH_ERRNO = new Set(['SCMP_ACT_ERRNO', 'SCMP_ACT_TRACE']);
const OPERATORS = ['NE', 'LT', 'LE', 'EQ', 'GE', 'GT', 'MASKED_EQ'].map((name) => `SCMP_CMP_${name}`);

const SCMP_FLTATR_CTL_OPTIMIZE = 8;
const OPTIMIZE_BINARY_TREE = 2;
const NR_SCMP_ERROR = -1;
const EEXIST = 17;

/**
 * System calls that libseccomp may be too old to know. New ones have the same number on all architectures since 424
 * (kernel: scripts/syscall.tbl).
 */
const NEW_SYSCALLS: Readonly<Record<string, number>> = {
  memfd_secret: 447,
  process_mrelease: 448,
  futex_waitv: 449,
  set_mempolicy_home_node: 450,
  cachestat: 451,
  fchmodat2: 452,
  map_shadow_stack: 453,
  futex_wake: 454,
  futex_wait: 455,
  futex_requeue: 456,
  statmount: 457,
  listmount: 458,
  lsm_get_self_attr: 459,
  lsm_set_self_attr: 460,
  lsm_list_modules: 461,
  mseal: 462,
  setxattrat: 463,
  getxattrat: 464,
  listxattrat: 465,
  removexattrat: 466,
};
const NEWEST = Math.max(...Object.values(NEW_SYSCALLS));

type Context = object | null;

/** libseccomp's functions; undefined when the library is missing. */
function openSeccomp() {
  const func = openLibrary('libseccomp.so.2');
  if (func === undefined) return undefined;
  return {
    init: func<[number], Context>('void *seccomp_init(uint32_t action)'),
    release: func<[Context], void>('void seccomp_release(void *ctx)'),
    archResolve: func<[string]>('uint32_t seccomp_arch_resolve_name(const char *name)'),
    archAdd: func<[Context, number]>('int seccomp_arch_add(void *ctx, uint32_t arch)'),
    attrSet: func<[Context, number, number]>('int seccomp_attr_set(void *ctx, int attr, uint32_t value)'),
    resolve: func<[string]>('int seccomp_syscall_resolve_name(const char *name)'),
    ruleAdd: func<[Context, number, number, number, Buffer | null]>(
      'int seccomp_rule_add_array(void *ctx, uint32_t action, int syscall, unsigned int count, const void *args)',
    ),
    exportBpf: func<[Context, number]>('int seccomp_export_bpf(void *ctx, int fd)'),
  };
}
type Library = NonNullable<ReturnType<typeof openSeccomp>>;

const memfdCreate = libcFunction<[string, number]>('int memfd_create(const char *name, unsigned int flags)');
const MFD_CLOEXEC = 1;

let library: { lib: Library | undefined } | undefined;

/** Compiles `source` to the kernel's BPF program; undefined when libseccomp is not there or a part is not supported. */
export function compileSeccompFilter(source: SeccompFilterSource): Buffer | undefined {
  library ??= { lib: openSeccomp() };
  const { lib } = library;
  const rules = source.syscalls ?? [];
  const supported = [source.defaultAction, ...rules.map(({ action }) => action)].every((a) => a in ACTIONS);
  if (lib === undefined || !supported) return undefined;
  const defaultAction = actionValue(source.defaultAction, source.defaultErrnoRet);
  const context = lib.init(defaultAction);
  if (context === null) throw system('seccomp_init failed');
  try {
    must('seccomp_attr_set', lib.attrSet(context, SCMP_FLTATR_CTL_OPTIMIZE, OPTIMIZE_BINARY_TREE));
    for (const architecture of source.architectures ?? []) addArchitecture(lib, context, architecture);
    const unknown: NewRule[] = [];
    for (const rule of rules) addRule(lib, context, rule, defaultAction, unknown);
    const program = exportProgram(lib, context);
    return Buffer.concat([newSyscallsPrologue(source, unknown), program]);
  } finally {
    lib.release(context);
  }
}

function must(what: string, result: number): void {
  if (result < 0) throw system(`${what}: error ${-result}`);
}

function actionValue(action: string, errno = EPERM): number {
  const base = ACTIONS[action] ?? 0;
  return WITH_ERRNO.has(action) ? (base | (errno & 0xffff)) >>> 0 : base;
}

function addArchitecture(lib: Library, context: Context, name: string): void {
  const token = lib.archResolve(name.replace(/^SCMP_ARCH_/, '').toLowerCase());
  if (token === 0) throw system(`seccomp: unknown architecture ${name}`);
  const result = lib.archAdd(context, token);
  if (result !== -EEXIST) must('seccomp_arch_add', result);
}

/** What to do with a system call libseccomp has no name for. */
interface NewRule {
  number: number;
  action: number;
}

function addRule(
  lib: Library,
  context: Context,
  rule: SeccompFilterRule,
  defaultAction: number,
  unknown: NewRule[],
): void {
  const action = actionValue(rule.action, rule.errnoRet);
  if (action === defaultAction) return;
  const conditions = encodeArgs(rule.args ?? []);
  for (const name of rule.names) {
    const number = lib.resolve(name);
    if (number === NR_SCMP_ERROR) {
      const known = NEW_SYSCALLS[name];
      if (known !== undefined && conditions.length === 0) unknown.push({ number: known, action });
      continue; // a call of another architecture, or too new for everybody: the default holds
    }
    if (conditions.length === 0) must(`seccomp rule ${name}`, lib.ruleAdd(context, action, number, 0, null));
    for (const { count, args } of conditions) {
      must(`seccomp rule ${name}`, lib.ruleAdd(context, action, number, count, args));
    }
  }
}

/**
 * `struct scmp_arg_cmp[]`. One rule compares each argument once; where the profile compares one twice, each condition
 * becomes a rule of its own, so that any of them suffices (as runc and crun have it).
 */
function encodeArgs(args: NonNullable<SeccompFilterRule['args']>): { count: number; args: Buffer }[] {
  const encoded = args.map(({ index, value, valueTwo = 0, op }) => {
    const operator = OPERATORS.indexOf(op) + 1;
    if (operator === 0 || index < 0 || index > 5)
      throw system(`seccomp: invalid condition ${op} on argument ${index}`);
    const buffer = Buffer.alloc(24);
    buffer.writeUInt32LE(index, 0);
    buffer.writeUInt32LE(operator, 4);
    buffer.writeBigUInt64LE(BigInt(value), 8);
    buffer.writeBigUInt64LE(BigInt(valueTwo), 16);
    return buffer;
  });
  if (encoded.length === 0) return [];
  const repeated = new Set(args.map(({ index }) => index)).size < args.length;
  if (repeated) return encoded.map((one) => ({ count: 1, args: one }));
  return [{ count: encoded.length, args: Buffer.concat(encoded) }];
}

function exportProgram(lib: Library, context: Context): Buffer {
  const fd = check('memfd_create', memfdCreate('seccomp', MFD_CLOEXEC));
  try {
    must('seccomp_export_bpf', lib.exportBpf(context, fd));
    const program = Buffer.alloc(fs.fstatSync(fd).size);
    fs.readSync(fd, program, 0, program.length, 0);
    return program;
  } finally {
    closeFd(fd);
  }
}

const BPF_LD_ABS_W = 0x20;
const BPF_JEQ = 0x15;
const BPF_JGE = 0x35;
const BPF_JGT = 0x25;
const BPF_RET = 0x06;
const X32_BIT = 0x40000000;

function instruction(code: number, k: number, jt = 0, jf = 0): Buffer {
  const out = Buffer.alloc(8); // struct sock_filter
  out.writeUInt16LE(code, 0);
  out.writeUInt8(jt, 2);
  out.writeUInt8(jf, 3);
  out.writeUInt32LE(k >>> 0, 4);
  return out;
}

/**
 * Goes before the program: the rules of new system calls by number; and, where the default is to refuse, ENOSYS for
 * those newer than any we know, since C libraries fall back to an older call on that only.
 */
function newSyscallsPrologue(source: SeccompFilterSource, rules: readonly NewRule[]): Buffer {
  const refuses = source.defaultAction === 'SCMP_ACT_ERRNO' && source.defaultErrnoRet !== ENOSYS;
  if (rules.length === 0 && !refuses) return Buffer.alloc(0);
  const out = [instruction(BPF_LD_ABS_W, 0)]; // seccomp_data.nr
  for (const { number, action } of rules) {
    out.push(instruction(BPF_JEQ, number, 0, 1), instruction(BPF_RET, action));
  }
  if (refuses) {
    out.push(
      instruction(BPF_JGE, X32_BIT, 2, 0), // x32's numbers are the program's business
      instruction(BPF_JGT, NEWEST, 0, 1),
      instruction(BPF_RET, actionValue('SCMP_ACT_ERRNO', ENOSYS)),
    );
  }
  return Buffer.concat(out);
}
