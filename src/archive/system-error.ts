/** Failed system calls in the words that Docker's clients know. */
import { getSystemErrorMessage } from 'node:util';
import { kindOf, system, WharfError } from '../errdefs/index.ts';
import { SyscallError } from '../linux/index.ts';

/** Where the C library, and with it Go, says it otherwise than Node. */
const WORDS: Readonly<Record<string, string>> = {
  EBUSY: 'device or resource busy',
  EIO: 'input/output error',
  EISDIR: 'is a directory',
  ELOOP: 'too many levels of symbolic links',
  ENAMETOOLONG: 'file name too long',
  EXDEV: 'invalid cross-device link',
};

/**
 * A failed system call as `lstat /tmp/x: not a directory`; `verb` for the calls that look a path up. Other errors as
 * they are. NotFound stays what it is, all else is System.
 */
export function explainSystemError(err: unknown, path: string, verb: string): unknown {
  const isSystem = err instanceof SyscallError || (err instanceof Error && 'syscall' in err);
  if (!isSystem || !('errno' in err) || typeof err.errno !== 'number') return err;
  const code = 'code' in err && typeof err.code === 'string' ? err.code : '';
  const call = 'syscall' in err ? String(err.syscall) : '';
  const reason = WORDS[code] ?? getSystemErrorMessage(-Math.abs(err.errno));
  const text = `${call.startsWith('openat') ? verb : call} ${path}: ${reason}`;
  if (kindOf(err) === 'NotFound') return new WharfError('NotFound', text, { code, cause: err });
  return system(text, { code, cause: err });
}
