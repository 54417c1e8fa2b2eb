/** Streams of a container's stdio: attach (hijacked and WebSocket), logs, stats. */
import { pipeline } from 'node:stream';
import { invalidParameter } from '../../errdefs/index.ts';
import type { AttachOptions, Backends, ContainerBackend } from '../backends.ts';
import { drain } from '../body.ts';
import { join, MULTIPLEXED_STREAM, RAW_STREAM } from '../hijack.ts';
import { backend, optional } from '../presence.ts';
import { systemErrorFrame } from '../progress.ts';
import type { ApiRequest } from '../request.ts';
import type { Route } from '../router.ts';
import { shapeAnswer } from '../shapes.ts';
import { handshakeAnswer, WebSocketStream } from '../websocket.ts';

/** The routes that stream to and from a container. */
export function attachRoutes(backends: Backends): Route[] {
  const containers = (): ContainerBackend => backend(backends, 'containers');
  return [
    {
      operation: 'ContainerAttach',
      method: 'POST',
      path: '/containers/{id}/attach',
      hijack: true,
      handler: (r) => attach(r, containers()),
    },
    {
      operation: 'ContainerAttachWebsocket',
      method: 'GET',
      path: '/containers/{id}/attach/ws',
      hijack: true,
      handler: (r) => attachWebSocket(r, containers()),
    },
    {
      operation: 'ContainerLogs',
      method: 'GET',
      path: '/containers/{id}/logs',
      handler: (r) => logs(r, containers()),
    },
    {
      operation: 'ContainerStats',
      method: 'GET',
      path: '/containers/{id}/stats',
      handler: (r) => stats(r, containers()),
    },
  ];
}

/** The content type of a process's stream in the client's version. */
export const streamType = (r: ApiRequest, tty: boolean): string =>
  tty || !r.has('multiplexedType') ? RAW_STREAM : MULTIPLEXED_STREAM;

function attachOptions(r: ApiRequest, streams: boolean | undefined, multiplexed: boolean): AttachOptions {
  const detachKeys = r.query.get('detachKeys');
  return {
    stdin: streams ?? r.query.bool('stdin'),
    stdout: streams ?? r.query.bool('stdout'),
    stderr: streams ?? r.query.bool('stderr'),
    logs: r.query.bool('logs'),
    stream: r.query.bool('stream'),
    multiplexed,
    ...(detachKeys === undefined ? {} : { detachKeys }),
    signal: r.signal,
  };
}

async function attach(r: ApiRequest, containers: ContainerBackend): Promise<void> {
  const options = attachOptions(r, undefined, true);
  const { stream, tty } = await containers.attach(r.param('id'), options);
  try {
    const connection = await r.hijack(streamType(r, tty));
    await join(connection, stream, {
      stdin: options.stdin && options.stream,
      hungUp: r.hungUp,
    });
  } finally {
    stream.destroy();
  }
}

async function attachWebSocket(r: ApiRequest, containers: ContainerBackend): Promise<void> {
  const answer = handshakeAnswer(r.req.headers);
  const options = attachOptions(r, r.has('webSocketStreams') ? undefined : true, false);
  const { stream } = await containers.attach(r.param('id'), options);
  try {
    await drain(r.req);
    const connection = r.takeUpgraded();
    if (!connection) throw invalidParameter('bad websocket handshake: no upgrade');
    connection.write(answer);
    const socket = new WebSocketStream(connection, { binary: r.has('binaryWebSocket') });
    await join(socket, stream, {
      stdin: options.stdin && options.stream,
      hungUp: r.hungUp,
    });
  } finally {
    stream.destroy();
  }
}

async function logs(r: ApiRequest, containers: ContainerBackend): Promise<void> {
  const [stdout, stderr] = [r.query.bool('stdout'), r.query.bool('stderr')];
  if (!stdout && !stderr) {
    throw invalidParameter('Bad parameters: you must choose at least one stream');
  }
  const since = r.query.timestamp('since');
  const until = r.query.get('until') === '0' ? undefined : r.query.timestamp('until');
  const tail = /^[0-9]+$/.test(r.query.get('tail') ?? '') ? Number(r.query.get('tail')) : undefined;
  const { stream, tty } = await containers.logs(r.param('id'), {
    stdout,
    stderr,
    follow: r.query.bool('follow'),
    timestamps: r.query.bool('timestamps'),
    details: r.query.bool('details'),
    ...(since === undefined ? {} : { since }),
    ...(until === undefined ? {} : { until }),
    ...(tail === undefined ? {} : { tail }),
    signal: r.signal,
  });
  const res = r.startStream(streamType(r, tty));
  await new Promise<void>((resolve) => {
    stream.pipe(res);
    stream.on('error', (err) => res.end(r.signal.aborted ? undefined : systemErrorFrame(err, !tty)));
    res.on('close', () => {
      stream.destroy();
      resolve();
    });
  });
}

async function stats(r: ApiRequest, containers: ContainerBackend): Promise<void> {
  const read = optional(containers, 'stats');
  const stream = r.query.bool('stream', true);
  const oneShot = r.has('statsOneShot') && r.query.bool('one-shot');
  const samples = await read(r.param('id'), { stream, oneShot, signal: r.signal });
  if (!stream) {
    for await (const sample of samples) {
      r.json(200, sample);
      return;
    }
    r.json(200, {});
    return;
  }
  const lines = async function* (): AsyncGenerator<string> {
    for await (const sample of samples) {
      yield `${JSON.stringify(shapeAnswer('ContainerStats', r.version, sample))}\n`;
    }
  };
  const res = r.startStream('application/json');
  await new Promise<void>((resolve) => pipeline(lines, res, () => resolve()));
}
