import type { Duplex, Readable } from 'node:stream';
import { conflict, invalidParameter } from '../errdefs/index.ts';
import type { Container } from './container.ts';
import type { ContainerDeps } from './deps.ts';
import { DetachableStream, parseDetachKeys } from './detach-keys.ts';
import type { Lifecycle } from './lifecycle.ts';
import { logSettings } from './log-config.ts';
import { readLogs } from './logs.ts';
import { containerPaths } from './paths.ts';
import { SessionStream, unframe } from './session-stream.ts';

export interface AttachRequest {
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  /** Replay the log first. */
  logs: boolean;
  /** Go on with live output. */
  stream: boolean;
  detachKeys?: string;
  /** False: plain bytes even without a TTY. */
  multiplexed: boolean;
  signal: AbortSignal;
}

/** Attaches a client to a container's standard streams, also before it was started. */
export async function attach(
  deps: ContainerDeps,
  lifecycle: Lifecycle,
  container: Container,
  request: AttachRequest,
): Promise<{ stream: Duplex; tty: boolean }> {
  const { record } = container;
  const tty = record.config.Tty ?? false;
  const keys = parseDetachKeys(request.detachKeys);
  if (record.state.status === 'paused') {
    throw conflict(`container ${record.id} is paused, unpause the container before attach`);
  }
  if (container.removing) throw conflict(`container ${record.id} is being removed`);
  if (!request.stdin && !request.stdout && !request.stderr && !request.logs) {
    throw invalidParameter('nothing to attach: none of stdin, stdout and stderr was asked for');
  }
  const log = request.logs ? logReader(deps, container, request, tty) : undefined;
  if (!request.stream) return { stream: new SessionStream({ sources: log ? [log] : [] }), tty };
  // A run that has just ended takes its bundle down first, as does creation; one that goes on is attached to as it is.
  if (!container.running) {
    await container.lock.run(() => undefined);
    await container.gone;
  }
  if (container.removing) throw conflict(`container ${record.id} is being removed`);
  const live = await lifecycle.shim(container).attach({
    stdin: request.stdin && (record.config.OpenStdin ?? false),
    stdout: request.stdout,
    stderr: request.stderr,
  });
  deps.onEvent('attach', record);
  const sources = log ? [log, live] : [live];
  if (tty && request.stdin) {
    return {
      stream: new DetachableStream({ sources, sink: live }, keys, () => deps.onEvent('detach', record)),
      tty,
    };
  }
  if (!tty && !request.multiplexed)
    return { stream: new SessionStream({ sources, sink: live, decode: unframe() }), tty };
  return { stream: log ? new SessionStream({ sources, sink: live }) : live, tty };
}

function logReader(
  deps: ContainerDeps,
  container: Container,
  request: AttachRequest,
  tty: boolean,
): Readable {
  const path = containerPaths(deps.dataRoot, deps.execRoot, container.id).log;
  return readLogs({
    path,
    maxFiles: logSettings(container.record, path).logMaxFiles,
    stdout: request.stdout,
    stderr: request.stderr,
    follow: false,
    timestamps: false,
    tty,
    signal: request.signal,
  });
}
