/**
 * The C library by FFI (koffi), and the one way its failures become errors. Everything in this room
 * that talks to the kernel goes through {@link libcFunction} and {@link check}.
 */
import { constants } from 'node:os';
import koffi from 'koffi';
import { type ErrorKind, WharfError } from '../errdefs/index.ts';

const libc = koffi.load('libc.so.6');

const ERRNO_NAMES = new Map<number, string>(
  Object.entries(constants.errno).map(([name, code]) => [code, name]),
);

const KINDS: Readonly<Record<string, ErrorKind>> = {
  ENOENT: 'NotFound',
  EEXIST: 'Conflict',
  EPERM: 'Forbidden',
  EACCES: 'Forbidden',
  EINVAL: 'InvalidParameter',
  ENOSYS: 'NotImplemented',
};

/** A failed system call: `code` is the errno's name (`ENOENT`), as in Node's own system errors. */
export class SyscallError extends WharfError {
  readonly errno: number;
  readonly syscall: string;
  readonly path: string | undefined;

  constructor(syscall: string, errno: number, path?: string) {
    const code = ERRNO_NAMES.get(errno) ?? `errno ${errno}`;
    super(KINDS[code] ?? 'System', `${syscall}${path === undefined ? '' : ` ${path}`}: ${code}`, { code });
    this.name = 'SyscallError';
    this.errno = errno;
    this.syscall = syscall;
    this.path = path;
  }
}

/** True when `err` is a system call's failure (ours or Node's) with one of the errno names `codes`. */
export function isErrno(err: unknown, ...codes: string[]): boolean {
  const code = err instanceof Error && 'code' in err ? err.code : undefined;
  return typeof code === 'string' && codes.includes(code);
}

/** Declares a function of libc by its C prototype, e.g. `int umount2(const char *target, int flags)`. */
export function libcFunction<Args extends unknown[], Result = number>(
  prototype: string,
): (...args: Args) => Result {
  return libc.func(prototype) as unknown as (...args: Args) => Result;
}

/** Opens another shared library; undefined when the machine lacks it. Declares functions as {@link libcFunction}. */
export function openLibrary(
  soname: string,
): (<Args extends unknown[], Result = number>(prototype: string) => (...args: Args) => Result) | undefined {
  try {
    const library = koffi.load(soname);
    return <Args extends unknown[], Result = number>(prototype: string) =>
      library.func(prototype) as unknown as (...args: Args) => Result;
  } catch {
    return undefined;
  }
}

/** Returns `result`, or throws the {@link SyscallError} of the current errno when it is -1. Call it at once. */
export function check(syscall: string, result: number, path?: string): number {
  if (result === -1) throw new SyscallError(syscall, koffi.errno(), path);
  return result;
}

/** The errno of the last call, for where a failure is expected and an exception would only cost time. Call it at once. */
export function lastErrno(): number {
  return koffi.errno();
}
