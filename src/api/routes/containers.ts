/** Containers: their life, facts and files. Streams of their stdio are in `attach.ts`. */
import type { ContainerConfig, ContainerCreateRequest, ContainerUpdateRequest } from '@docker/node-sdk';
import { invalidParameter, messageOf, WharfError } from '../../errdefs/index.ts';
import type { Backends, ContainerBackend, StopOptions, WaitCondition } from '../backends.ts';
import { commitConfig, configFields, createRequest, updateRequest } from '../body-types.ts';
import { modernizeCreate } from '../legacy-create.ts';
import { backend, optional } from '../presence.ts';
import type { ApiRequest } from '../request.ts';
import type { Route } from '../router.ts';

/** The routes of containers but for attach and archive. */
export function containerRoutes(backends: Backends): Route[] {
  const containers = (): ContainerBackend => backend(backends, 'containers');
  const none = async (r: ApiRequest, done: unknown): Promise<void> => {
    await done;
    r.empty(204);
  };
  return [
    {
      operation: 'ContainerList',
      method: 'GET',
      path: '/containers/json',
      handler: async (r) => {
        const options = {
          all: r.query.bool('all'),
          limit: r.query.int('limit') ?? 0,
          size: r.query.bool('size'),
          filters: r.filters(),
        };
        r.json(200, await containers().list(options));
      },
    },
    {
      operation: 'ContainerCreate',
      method: 'POST',
      path: '/containers/create',
      handler: (r) => create(r, containers()),
    },
    {
      operation: 'ContainerInspect',
      method: 'GET',
      path: '/containers/{id}/json',
      handler: async (r) =>
        r.json(200, await containers().inspect(r.param('id'), { size: r.query.bool('size') })),
    },
    {
      operation: 'ContainerTop',
      method: 'GET',
      path: '/containers/{id}/top',
      handler: async (r) =>
        r.json(200, await containers().top(r.param('id'), r.query.get('ps_args') ?? '-ef')),
    },
    {
      operation: 'ContainerChanges',
      method: 'GET',
      path: '/containers/{id}/changes',
      handler: async (r) => {
        const changes = optional(containers(), 'changes');
        r.json(200, await changes(r.param('id')));
      },
    },
    {
      operation: 'ContainerStart',
      method: 'POST',
      path: '/containers/{id}/start',
      handler: (r) => {
        const { headers } = r.req;
        if (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 7) {
          throw invalidParameter(
            'starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24',
          );
        }
        if (r.query.get('checkpoint'))
          throw invalidParameter('checkpoint is only supported in experimental mode');
        const started = containers().start(r.param('id'));
        // No promise where none is needed: this is the path everyone waits for.
        if (started === undefined) r.empty(204);
        else return none(r, started);
      },
    },
    {
      operation: 'ContainerStop',
      method: 'POST',
      path: '/containers/{id}/stop',
      handler: (r) => none(r, containers().stop(r.param('id'), stopOptions(r))),
    },
    {
      operation: 'ContainerRestart',
      method: 'POST',
      path: '/containers/{id}/restart',
      handler: (r) => none(r, containers().restart(r.param('id'), stopOptions(r))),
    },
    {
      operation: 'ContainerKill',
      method: 'POST',
      path: '/containers/{id}/kill',
      handler: async (r) => {
        const id = r.param('id');
        try {
          await containers().kill(id, r.query.get('signal') ?? '', clientOf(r));
        } catch (err) {
          if (!(err instanceof WharfError)) throw err;
          const { kind, code, hint } = err;
          throw new WharfError(kind, `cannot kill container: ${id}: ${messageOf(err)}`, {
            cause: err,
            ...(code === undefined ? {} : { code }),
            ...(hint === undefined ? {} : { hint }),
          });
        }
        r.empty(204);
      },
    },
    {
      operation: 'ContainerPause',
      method: 'POST',
      path: '/containers/{id}/pause',
      handler: (r) => none(r, optional(containers(), 'pause')(r.param('id'))),
    },
    {
      operation: 'ContainerUnpause',
      method: 'POST',
      path: '/containers/{id}/unpause',
      handler: (r) => none(r, optional(containers(), 'unpause')(r.param('id'))),
    },
    {
      operation: 'ContainerRename',
      method: 'POST',
      path: '/containers/{id}/rename',
      handler: (r) => none(r, containers().rename(r.param('id'), r.query.get('name') ?? '')),
    },
    {
      operation: 'ContainerUpdate',
      method: 'POST',
      path: '/containers/{id}/update',
      handler: async (r) => {
        const update = optional(containers(), 'update');
        const changes = await r.body<ContainerUpdateRequest>(updateRequest);
        if (!changes) throw invalidParameter('invalid JSON: got EOF while reading request body');
        if (typeof changes.PidsLimit === 'number' && changes.PidsLimit <= 0) changes.PidsLimit = 0;
        r.json(200, await update(r.param('id'), changes));
      },
    },
    {
      operation: 'ContainerResize',
      method: 'POST',
      path: '/containers/{id}/resize',
      handler: async (r) => {
        await containers().resize(r.param('id'), terminalSize(r));
        r.empty(200);
      },
    },
    {
      operation: 'ContainerWait',
      method: 'POST',
      path: '/containers/{id}/wait',
      handler: (r) => wait(r, containers()),
    },
    {
      operation: 'ContainerExplain',
      method: 'GET',
      path: '/wharf/containers/{id}/explain',
      handler: async (r) => r.json(200, await optional(containers(), 'explain')(r.param('id'))),
    },
    {
      operation: 'ContainerPrune',
      method: 'POST',
      path: '/containers/prune',
      handler: async (r) => r.json(200, await optional(containers(), 'prune')(r.filters())),
    },
    {
      operation: 'ContainerDelete',
      method: 'DELETE',
      path: '/containers/{id}',
      handler: (r) =>
        none(
          r,
          containers().remove(r.param('id'), {
            force: r.query.bool('force'),
            volumes: r.query.bool('v'),
            link: r.query.bool('link'),
            client: clientOf(r),
          }),
        ),
    },
    {
      operation: 'ImageCommit',
      method: 'POST',
      path: '/commit',
      handler: async (r) => {
        const commit = optional(containers(), 'commit');
        const config = await r.body<ContainerConfig>(commitConfig);
        const text = (name: 'repo' | 'tag' | 'comment' | 'author') => {
          const value = r.query.get(name);
          return value === undefined ? {} : { [name]: value };
        };
        const id = await commit({
          container: r.query.get('container') ?? '',
          ...text('repo'),
          ...text('tag'),
          ...text('comment'),
          ...text('author'),
          pause: r.query.bool('pause', true),
          changes: r.query.all('changes'),
          ...(config && Object.keys(config).length > 0 ? { config } : {}),
        });
        r.json(201, { Id: id });
      },
    },
  ];
}

/** `h` and `w` of a resize. */
export const terminalSize = (r: ApiRequest): { height: number; width: number } => ({
  height: r.query.size('h', 'height'),
  width: r.query.size('w', 'width'),
});

function stopOptions(r: ApiRequest): StopOptions {
  const signal = r.has('stopSignal') ? r.query.get('signal') : undefined;
  const timeout = r.query.int('t');
  return {
    ...(signal === undefined ? {} : { signal }),
    ...(timeout === undefined ? {} : { timeout }),
    client: clientOf(r),
  };
}

/** A client as it names itself, and where it is if that is another machine or port. */
function clientOf(r: ApiRequest): string {
  const agent = r.req.headers['user-agent'] ?? 'an unnamed client';
  const { remoteAddress } = r.req.socket;
  return (remoteAddress ? `${agent} at ${remoteAddress}` : agent).slice(0, 200);
}

async function create(r: ApiRequest, containers: ContainerBackend): Promise<void> {
  const config = await r.body<ContainerCreateRequest>(createRequest);
  if (!config) throw invalidParameter('invalid JSON: got EOF while reading request body');
  if (!configFields.some((field) => field in config)) {
    throw invalidParameter('config cannot be empty in order to create a container');
  }
  const warnings = modernizeCreate(config, r.version);
  const name = r.query.get('name');
  const platform = r.has('createPlatform') ? r.query.platformName('platform') : undefined;
  const created = await containers.create({
    config,
    ...(name === undefined ? {} : { name }),
    ...(platform === undefined ? {} : { platform }),
  });
  r.json(201, { ...created, Warnings: [...(created.Warnings ?? []), ...warnings] });
}

const CONDITIONS: ReadonlySet<string> = new Set(['not-running', 'next-exit', 'removed', 'healthy']);

async function wait(r: ApiRequest, containers: ContainerBackend): Promise<void> {
  const asked = (r.has('waitConditions') ? r.query.get('condition') : undefined) ?? 'not-running';
  if (!CONDITIONS.has(asked)) throw invalidParameter(`invalid condition: ${JSON.stringify(asked)}`);
  const { signal } = r;
  const pending = await containers.wait(r.param('id'), asked as WaitCondition, signal);
  if (!r.has('waitConditions')) {
    const { StatusCode } = await pending.result;
    r.json(200, { StatusCode });
    return;
  }
  const res = r.startStream('application/json');
  // From here a failure can only be told in the body, as Docker does it.
  const result = await pending.result.catch((err: unknown) => ({
    StatusCode: -1,
    Error: { Message: messageOf(err) },
  }));
  res.end(`${JSON.stringify(result)}\n`);
}
