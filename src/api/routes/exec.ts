/** Exec: processes started in a running container. */
import type { ExecConfig, ExecStartConfig } from '@docker/node-sdk';
import { invalidParameter, isKind, messageOf } from '../../errdefs/index.ts';
import type { AttachedStream, Backends, ExecBackend } from '../backends.ts';
import { execConfig, execStartRequest } from '../body-types.ts';
import { finishConnection, join } from '../hijack.ts';
import { backend } from '../presence.ts';
import type { ApiRequest } from '../request.ts';
import type { Route } from '../router.ts';
import { streamType } from './attach.ts';
import { terminalSize } from './containers.ts';

/** The routes of exec. */
export function execRoutes(backends: Backends): Route[] {
  const exec = (): ExecBackend => backend(backends, 'exec');
  return [
    {
      operation: 'ContainerExec',
      method: 'POST',
      path: '/containers/{id}/exec',
      handler: async (r) => {
        const config = (await r.body<ExecConfig>(execConfig)) ?? {};
        if (!config.Cmd || config.Cmd.length === 0) throw invalidParameter('No exec command specified');
        if (!r.has('consoleSize')) delete config.ConsoleSize;
        r.json(201, { Id: await exec().create(r.param('id'), config) });
      },
    },
    {
      operation: 'ExecStart',
      method: 'POST',
      path: '/exec/{id}/start',
      hijack: true,
      handler: (r) => start(r, exec()),
    },
    {
      operation: 'ExecResize',
      method: 'POST',
      path: '/exec/{id}/resize',
      handler: async (r) => {
        await exec().resize(r.param('id'), terminalSize(r));
        r.empty(200);
      },
    },
    {
      operation: 'ExecInspect',
      method: 'GET',
      path: '/exec/{id}/json',
      handler: async (r) => r.json(200, await exec().inspect(r.param('id'))),
    },
  ];
}

async function start(r: ApiRequest, exec: ExecBackend): Promise<void> {
  const config = (await r.body<ExecStartConfig>(execStartRequest)) ?? {};
  const detach = config.Detach ?? false;
  const tty = config.Tty ?? false;
  const [height, width] = config.ConsoleSize ?? [];
  let session: AttachedStream | null;
  try {
    session = await exec.start(r.param('id'), {
      detach,
      tty,
      ...(tty && r.has('consoleSize') && height !== undefined && width !== undefined
        ? { consoleSize: [height, width] as const }
        : {}),
      signal: r.signal,
    });
  } catch (err) {
    // Clients take a failed start from the stream and its exit code from inspect: only what they
    // could not know (no such exec, container not running) is a status.
    if (detach || isKind(err, 'NotFound', 'Conflict', 'NotImplemented')) throw err;
    await tellFailure(r, tty, `${messageOf(err)}\r\n`);
    return;
  }
  if (!session) {
    r.empty(200);
    return;
  }
  try {
    const connection = await r.hijack(streamType(r, tty));
    await join(connection, session.stream, { stdin: true, hungUp: r.hungUp });
  } finally {
    session.stream.destroy();
  }
}

async function tellFailure(r: ApiRequest, tty: boolean, message: string): Promise<void> {
  const connection = await r.hijack(streamType(r, tty));
  const text = Buffer.from(message);
  const head = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);
  head.writeUInt32BE(text.length, 4);
  connection.on('error', () => connection.destroy());
  connection.write(tty ? text : Buffer.concat([head, text]));
  finishConnection(connection);
}
