import type { Duplex, Readable } from 'node:stream';
import { conflict, invalidParameter } from '../errdefs/index.ts';
import type { LogPosition, ProcessStream } from '../runtime/index.ts';
import type { Container } from './container.ts';
import type { ContainerDeps } from './deps.ts';
import { DetachableStream, parseDetachKeys } from './detach-keys.ts';
import type { Lifecycle } from './lifecycle.ts';
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
  if (!request.stream) {
    const sources = request.logs ? [readLog(lifecycle, container, request)] : [];
    return { stream: new SessionStream({ sources }), tty };
  }
  // A run that has just ended takes its bundle down first, as does creation; one that goes on is attached to as it is.
  if (!container.running) {
    await container.lock.run(() => undefined);
    await container.gone;
  }
  if (container.removing) throw conflict(`container ${record.id} is being removed`);
  if (request.logs) lifecycle.logs.readable(record);
  const { log, live } = await openStreams(lifecycle, container, request);
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

/** The live streams and, when asked for, the log up to where these begin: the shim says where that is. */
async function openStreams(
  lifecycle: Lifecycle,
  container: Container,
  request: AttachRequest,
): Promise<{ live: ProcessStream; log?: Readable }> {
  const { stdout, stderr } = request;
  const stdin = request.stdin && (container.record.config.OpenStdin ?? false);
  const shim = lifecycle.shim(container);
  if (!request.logs) return { live: await shim.attach({ stdin, stdout, stderr }) };
  const { stream: live, position } = await shim.attachToLog({ stdin, stdout, stderr });
  return { live, log: readLog(lifecycle, container, request, position) };
}

function readLog(
  lifecycle: Lifecycle,
  container: Container,
  { stdout, stderr, signal }: AttachRequest,
  end?: LogPosition,
): Readable {
  const options = { stdout, stderr, follow: false, timestamps: false, signal, ...(end ? { end } : {}) };
  const { stream } = lifecycle.logs.read(container.record, options);
  stream.read(0); // opens it: what is written from now on is not in it
  return stream;
}
