/** Learns how a container ends, by a wait that is in place before it starts. */
import type { ContainerWaitResponse } from '@docker/node-sdk';
import type { Cli } from '../../context.ts';
import { ApiError, CliError, messageOf } from '../../errors.ts';
import { containerPath } from './lifecycle.ts';

/** A wait that the daemon has accepted. */
export interface ExitWatch {
  /** The exit status; 125 when the daemon could not tell it. */
  status: Promise<number>;
}

/**
 * Starts waiting. Resolves when the daemon has taken the request, so that a start may follow.
 * @param condition `removed` with --rm, else `next-exit`, so that nothing of an earlier run counts
 */
export async function watchExit(
  cli: Cli,
  id: string,
  condition: 'next-exit' | 'removed' | 'not-running',
): Promise<ExitWatch> {
  const response = await cli.client.call('POST', containerPath(id, '/wait'), { query: { condition } });
  const status = (async (): Promise<number> => {
    let result: ContainerWaitResponse;
    try {
      result = JSON.parse((await response.body().text()) || 'null') ?? {
        Error: { Message: 'unexpected EOF' },
      };
    } catch (err) {
      result = { StatusCode: 125, Error: { Message: messageOf(err) } };
    }
    if (result.Error?.Message) {
      cli.err.line(`error waiting for container: ${result.Error.Message}`);
      return 125;
    }
    return result.StatusCode ?? 125;
  })();
  status.catch(() => {}); // told where it is awaited
  return { status };
}

/** The status that `run` ends with when a container could not be started: 127, 126 or 125. */
export function startFailure(err: unknown, trailer: string): CliError {
  const message = err instanceof Error ? err.message : String(err);
  const reason = err instanceof ApiError ? err.daemonMessage.replace(/\s+$/, '') : message;
  const text = err instanceof ApiError ? `Error response from daemon: ${reason}` : message;
  let exitCode = 125;
  if (
    /executable file not found|no such file or directory|system cannot find the file specified/.test(reason)
  )
    exitCode = 127;
  else if (/permission denied|not a directory|is a directory/.test(reason)) exitCode = 126;
  return new CliError(text, { exitCode, prefixed: true, trailer });
}
