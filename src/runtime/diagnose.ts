/**
 * Why a program could not be started. The kernel tells only an errno, and the runtime passes it on; the reason is in the
 * image, where we look as execve(2) does.
 */
import { readSync } from 'node:fs';
import { posix } from 'node:path';
import { closeFd, O, type RootedDir } from '../linux/index.ts';
import { foreignArchitecture, readInterpreter } from './executable.ts';

/** What a diagnosis asks of a container's files: a {@link RootedDir}, or one that knows what is mounted on it. */
export type ProgramFiles = Pick<RootedDir, 'exists' | 'lstatIfExists' | 'open' | 'readlink' | 'stat'>;

/** The process that did not start. */
export interface FailedProcess {
  argv: readonly string[];
  env: readonly string[];
  cwd: string;
}

/** The cause for the client (in words that Docker's CLI makes its own exit code from), and the exit code. */
export interface StartFailureDiagnosis {
  message: string;
  /** 127: not found; 126: found, and cannot be executed; 128: something else than the program. */
  exitCode: 126 | 127 | 128;
}

interface Cause {
  text: string;
  exitCode: 126 | 127;
}

const PREFIX =
  'failed to create task for container: failed to create shim task: OCI runtime create failed: ' +
  'unable to start container process: ';
const HEAD_SIZE = 4096;
/** binfmt_script and binfmt_elf follow that many interpreters (kernel: fs/exec.c). */
const MAX_DEPTH = 5;

/** Looks into the container's root for the cause of `runtimeMessage`. Never throws. */
export function diagnoseStartFailure(
  root: ProgramFiles,
  process: FailedProcess,
  runtimeMessage: string,
): StartFailureDiagnosis {
  let cause: Cause | undefined;
  try {
    cause = isAboutProgram(runtimeMessage) ? findCause(root, process) : undefined;
  } catch {
    // The image is as it is; the runtime's message must do.
  }
  if (cause !== undefined) return { message: PREFIX + cause.text, exitCode: cause.exitCode };
  return (
    workingDirectoryCause(process, runtimeMessage) ?? {
      message: PREFIX + runtimeMessage,
      exitCode: exitCodeOf(runtimeMessage),
    }
  );
}

/** runc's words for a working directory that cannot be entered; as in Docker, an exec there ends with 127, or 126. */
function workingDirectoryCause({ cwd }: FailedProcess, message: string): StartFailureDiagnosis | undefined {
  const reason = /\bchdir\b.*: ([^:]+)$/.exec(message)?.[1]?.toLowerCase();
  if (reason === undefined) return undefined;
  return {
    message: `${PREFIX}chdir to cwd (${JSON.stringify(cwd)}) set in config.json failed: ${reason}`,
    exitCode: reason.startsWith('no such file') ? 127 : 126,
  };
}

/** Mounts, limits and devices fail with errnos, too: then the program is not to blame. Its name, in quotes, does not count. */
function isAboutProgram(message: string): boolean {
  const words = message.replace(/`[^`]*`|"[^"]*"/g, '');
  return !/\b(mount|cgroup|namespace|sysctl|rlimit|seccomp|chdir|device|capabilit)/i.test(words);
}

function exitCodeOf(message: string): 126 | 127 | 128 {
  if (!isAboutProgram(message)) return 128;
  if (/not found|no such file or directory/i.test(message)) return 127;
  return /permission denied|exec format error|is a directory/i.test(message) ? 126 : 128;
}

function findCause(root: ProgramFiles, process: FailedProcess): Cause | undefined {
  const name = process.argv[0] ?? '';
  const quoted = `exec: ${JSON.stringify(name)}: `;
  if (name === '') return { text: `${quoted}executable file not found in $PATH`, exitCode: 127 };
  const found = name.includes('/') ? posix.resolve('/', process.cwd, name) : searchPath(root, process, name);
  if (found === undefined) {
    return { text: `${quoted}executable file not found in $PATH`, exitCode: 127 };
  }
  const cause = examine(root, found, 0);
  return cause === undefined ? undefined : { ...cause, text: quoted + cause.text };
}

/** As execvp(3): the first executable; else the first file of that name, which then is why it failed. */
function searchPath(root: ProgramFiles, { env, cwd }: FailedProcess, name: string): string | undefined {
  const path = env.find((entry) => entry.startsWith('PATH='))?.slice(5) ?? '';
  const candidates = path
    .split(':')
    .map((dir) => posix.resolve('/', cwd, dir, name))
    .filter((file) => root.exists(file));
  const files = candidates.filter((file) => root.stat(file).isFile());
  return files.find((file) => isExecutable(root, file)) ?? files[0];
}

const isExecutable = (root: ProgramFiles, file: string): boolean => (root.stat(file).mode & 0o111n) !== 0n;

/** What is wrong with the program `file`; undefined when nothing is to be seen. */
function examine(root: ProgramFiles, file: string, depth: number): Cause | undefined {
  const reached = reach(root, file);
  if (reached !== undefined) return reached;
  const stat = root.stat(file);
  if (stat.isDirectory()) return { text: 'is a directory: permission denied', exitCode: 126 };
  if (!stat.isFile()) return { text: 'permission denied: it is not a regular file', exitCode: 126 };
  if (!isExecutable(root, file)) {
    return { text: `permission denied: ${file} is not executable (no x in its mode)`, exitCode: 126 };
  }
  const head = readHead(root, file);
  if (head.length === 0) return { text: 'exec format error: the file is empty', exitCode: 126 };
  const foreign = foreignArchitecture(head);
  if (foreign !== undefined) {
    return {
      text: `exec format error: it is a program for ${foreign.program}, this machine is ${foreign.machine}`,
      exitCode: 126,
    };
  }
  return depth >= MAX_DEPTH ? undefined : examineInterpreter(root, file, head, depth);
}

function reach(root: ProgramFiles, file: string): Cause | undefined {
  if (root.exists(file)) return undefined;
  const link = root.lstatIfExists(file);
  if (link?.isSymbolicLink()) {
    const target = root.readlink(file).toString();
    return {
      text: `no such file or directory: it is a symlink to ${target}, which does not exist`,
      exitCode: 127,
    };
  }
  return { text: 'no such file or directory', exitCode: 127 };
}

function readHead(root: ProgramFiles, file: string): Buffer {
  const fd = root.open(file, O.RDONLY | O.NONBLOCK);
  try {
    const head = Buffer.alloc(HEAD_SIZE);
    return head.subarray(0, readSync(fd, head, 0, HEAD_SIZE, 0));
  } finally {
    closeFd(fd);
  }
}

function examineInterpreter(
  root: ProgramFiles,
  file: string,
  head: Buffer,
  depth: number,
): Cause | undefined {
  const fd = root.open(file, O.RDONLY | O.NONBLOCK);
  try {
    const interpreter = readInterpreter(fd, head);
    if (interpreter === undefined) {
      return {
        text: 'exec format error: it is neither a program for Linux nor a script with a #! line',
        exitCode: 126,
      };
    }
    return interpreter === null ? undefined : examineInterpreterFile(root, interpreter, depth);
  } finally {
    closeFd(fd);
  }
}

function examineInterpreterFile(
  root: ProgramFiles,
  { path, kind }: { path: string; kind: 'script' | 'loader' },
  depth: number,
): Cause | undefined {
  if (path.endsWith('\r')) {
    return {
      text:
        `no such file or directory: its first line ends in CRLF, so its interpreter is ${JSON.stringify(path)}; ` +
        'give the script Unix line endings',
      exitCode: 127,
    };
  }
  const what = kind === 'script' ? 'interpreter' : 'loader (dynamic linker)';
  if (!root.exists(path)) {
    return { text: `no such file or directory: its ${what} ${path} is not in the image`, exitCode: 127 };
  }
  const cause = examine(root, path, depth + 1);
  return cause === undefined ? undefined : { ...cause, text: `${cause.text} (its ${what} ${path})` };
}
