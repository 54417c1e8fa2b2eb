/** Files of a container as tar: `docker cp` and `docker export`. */
import { invalidParameter } from '../../errdefs/index.ts';
import type { Backends, ContainerBackend } from '../backends.ts';
import { backend, optional } from '../presence.ts';
import type { ApiRequest } from '../request.ts';
import type { Route } from '../router.ts';
import type { PathStat } from '../types.ts';

const TAR = 'application/x-tar';

/** The routes of a container's files. */
export function archiveRoutes(backends: Backends): Route[] {
  const containers = (): ContainerBackend => backend(backends, 'containers');
  return [
    {
      operation: 'ContainerExport',
      method: 'GET',
      path: '/containers/{id}/export',
      handler: async (r) => {
        const exported = await optional(containers(), 'export')(r.param('id'), { signal: r.signal });
        await r.sendStream(TAR, exported);
      },
    },
    {
      operation: 'ContainerArchiveInfo',
      method: 'HEAD',
      path: '/containers/{id}/archive',
      handler: async (r) => {
        const statPath = optional(containers(), 'statPath');
        setStat(r, await statPath(r.param('id'), pathOf(r)));
        r.empty(200);
      },
    },
    {
      operation: 'ContainerArchive',
      method: 'GET',
      path: '/containers/{id}/archive',
      handler: async (r) => {
        const getArchive = optional(containers(), 'getArchive');
        const { stat, stream } = await getArchive(r.param('id'), pathOf(r), { signal: r.signal });
        setStat(r, stat);
        await r.sendStream(TAR, stream);
      },
    },
    {
      operation: 'PutContainerArchive',
      method: 'PUT',
      path: '/containers/{id}/archive',
      handler: async (r) => {
        const putArchive = optional(containers(), 'putArchive');
        await putArchive(r.param('id'), pathOf(r), r.req, {
          allowOverwriteDirWithFile: !r.query.bool('noOverwriteDirNonDir'),
          copyUidGid: r.query.bool('copyUIDGID'),
          signal: r.signal,
        });
        r.empty(200);
      },
    },
  ];
}

function pathOf(r: ApiRequest): Buffer {
  const path = r.query.bytes('path');
  if (path === undefined) throw invalidParameter('bad parameter: path cannot be empty');
  return path;
}

function setStat(r: ApiRequest, stat: PathStat): void {
  r.res.setHeader('X-Docker-Container-Path-Stat', Buffer.from(JSON.stringify(stat)).toString('base64'));
}
