/** `--restart`, `--health-*`, `--log-opt`, `--security-opt`, `--sysctl`, `--storage-opt`: the policies of a container. */
import { readFileSync } from 'node:fs';
import type { RestartPolicy } from '@docker/node-sdk';
import { messageOf } from '../errors.ts';
import { cut } from './csv.ts';

/** `on-failure:3` and the like. The daemon checks the name. */
export function parseRestart(value: string): RestartPolicy {
  if (value === '') return {};
  const [name, count] = cut(value, ':');
  if (count !== undefined && name === '')
    throw new Error('invalid restart policy format: no policy provided before colon');
  if (count !== undefined && !/^[+-]?\d+$/.test(count)) {
    throw new Error('invalid restart policy format: maximum retry count must be an integer');
  }
  return { Name: name as NonNullable<RestartPolicy['Name']>, MaximumRetryCount: Number(count ?? 0) };
}

/** Capabilities in the kernel's names, sorted. `ALL` stands for the rest of its list; adding wins over dropping. */
export function parseCapabilities(
  add: readonly string[],
  drop: readonly string[],
): { add: string[]; drop: string[] } {
  const clean = (list: readonly string[]): string[] => {
    const names = list.map((name) => name.trim().toUpperCase());
    if (names.includes('ALL')) return ['ALL'];
    return [...new Set(names.map((name) => (name.startsWith('CAP_') ? name : `CAP_${name}`)))].toSorted();
  };
  const added = clean(add);
  return { add: added, drop: clean(drop).filter((name) => !added.includes(name)) };
}

/** What `--security-opt` says, split into what the API keeps apart. */
export interface SecurityOptions {
  options: string[];
  /** `systempaths=unconfined`: nothing is masked or read-only under /proc and /sys. */
  unconfinedPaths: boolean;
}

/** Parses `--security-opt`; a seccomp profile is read here, since the daemon does not see our files. */
export function parseSecurityOptions(values: readonly string[]): SecurityOptions {
  const result: SecurityOptions = { options: [], unconfinedPaths: false };
  for (const value of values) {
    if (value === 'systempaths=unconfined') {
      result.unconfinedPaths = true;
      continue;
    }
    let [key, option] = cut(value, '=');
    if (option === undefined && key !== 'no-new-privileges') {
      // The older form with a colon.
      [key, option] = cut(value, ':');
      if (option === undefined) throw new Error(`Invalid --security-opt: ${JSON.stringify(value)}`);
    }
    if (key === 'seccomp' && option !== 'unconfined' && option !== 'builtin') {
      result.options.push(`seccomp=${readProfile(option ?? '')}`);
    } else result.options.push(value);
  }
  return result;
}

function readProfile(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (err) {
    const { code, message } = err as NodeJS.ErrnoException;
    throw new Error(
      `opening seccomp profile (${path}) failed: open ${path}: ${code === 'ENOENT' ? 'no such file or directory' : message}`,
    );
  }
  try {
    return JSON.stringify(JSON.parse(text));
  } catch (err) {
    throw new Error(`compacting json for seccomp profile (${path}) failed: ${messageOf(err)}`);
  }
}

/** `k=v` options of a log driver or of storage. @throws Error when the value is missing */
export function parseOptions(values: readonly string[], what: string): Record<string, string> {
  return Object.fromEntries(
    values.map((value) => {
      const [key, option] = cut(value, '=');
      if (option === undefined) throw new Error(`invalid ${what}`);
      return [key, option];
    }),
  );
}

const SYSCTLS = new Set([
  'kernel.msgmax',
  'kernel.msgmnb',
  'kernel.msgmni',
  'kernel.sem',
  'kernel.shmall',
  'kernel.shmmax',
  'kernel.shmmni',
  'kernel.shm_rmid_forced',
]);

/** Checks `--sysctl`: only what a namespace of the container holds. */
export function checkSysctl(value: string): string {
  const [name, setting] = cut(value, '=');
  if (setting === undefined) throw new Error(`sysctl '${value}' is not allowed`);
  if (SYSCTLS.has(name) || name.startsWith('net.') || name.startsWith('fs.mqueue.')) return value;
  throw new Error(`sysctl '${value}' is not allowed`);
}

/** Checks `-a`. */
export function checkAttach(value: string): string {
  const stream = value.toLowerCase();
  if (stream !== 'stdin' && stream !== 'stdout' && stream !== 'stderr')
    throw new Error('valid streams are STDIN, STDOUT and STDERR');
  return stream;
}

/** Checks a `--device-cgroup-rule`. */
export function checkDeviceRule(value: string): string {
  if (!/^[acb] ([0-9]+|\*):([0-9]+|\*) [rwm]{1,3}$/.test(value))
    throw new Error(`invalid device cgroup format '${value}'`);
  return value;
}
