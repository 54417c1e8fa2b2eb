import { conflict, kindOf, messageOf, WharfError } from '../errdefs/index.ts';
import { hasEnded, RootedDir } from '../linux/index.ts';
import { diagnoseStartFailure, type ProgramFiles, RuntimeError } from '../runtime/index.ts';
import type { Container, ExecRequest } from './container.ts';
import { MountedFiles } from './mounted-files.ts';
import type { ContainerPaths } from './paths.ts';
import type { ContainerRecord } from './types.ts';

/** A failed start: what the client is told, and the exit code the container shows. */
export interface StartFailure {
  error: WharfError;
  exitCode: number;
}

/** Why a container did not start. A program that could not be executed is looked at where the runtime looked. */
export function explainStartFailure(
  err: unknown,
  record: ContainerRecord,
  paths: ContainerPaths,
): StartFailure {
  if (!(err instanceof RuntimeError)) return { error: asWharfError(err), exitCode: 128 };
  const { config } = record;
  return explain(err, () => new MountedFiles(paths.rootfs, paths.config), {
    argv: [record.path, ...record.args],
    env: config.Env ?? [],
    cwd: config.WorkingDir || '/',
  });
}

/** Why an exec did not start. */
export function explainExecFailure(err: unknown, container: Container, request: ExecRequest): StartFailure {
  // Whatever went wrong, it did because the container ended at this moment, which we may be told of a little later.
  if (!container.running || hasEnded(container.record.state.pid)) {
    return { error: conflict(`container ${container.id} is not running`, { cause: err }), exitCode: 126 };
  }
  if (!(err instanceof RuntimeError)) return { error: asWharfError(err), exitCode: 126 };
  const { config, state } = container.record;
  const failure = explain(err, () => RootedDir.open(`/proc/${state.pid}/root`), {
    argv: request.argv,
    env: [...request.env, ...(config.Env ?? [])],
    cwd: request.workingDir || config.WorkingDir || '/',
  });
  const message = failure.error.message.replace(
    /^.*OCI runtime create failed: /,
    'OCI runtime exec failed: exec failed: ',
  );
  return { ...failure, error: new WharfError(failure.error.kind, message, { cause: err }) };
}

function explain(
  err: RuntimeError,
  open: () => ProgramFiles & { close(): void },
  process: { argv: string[]; env: string[]; cwd: string },
): StartFailure {
  let root: ProgramFiles & { close(): void };
  try {
    root = open();
  } catch {
    return { error: err, exitCode: 128 };
  }
  try {
    const { message, exitCode } = diagnoseStartFailure(root, process, err.runtimeMessage);
    // Docker answers 400 for what is the request's fault: a program that cannot be executed.
    const kind = exitCode === 126 || exitCode === 127 ? 'InvalidParameter' : 'System';
    return { error: new WharfError(kind, message, { cause: err }), exitCode };
  } finally {
    root.close();
  }
}

function asWharfError(err: unknown): WharfError {
  return err instanceof WharfError ? err : new WharfError(kindOf(err), messageOf(err), { cause: err });
}
