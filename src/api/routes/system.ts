/** The engine itself: ping, version, info, disk usage, login. */
import { invalidParameter } from '../../errdefs/index.ts';
import { formatVersion, MAX_API_VERSION, MIN_API_VERSION } from '../api-version.ts';
import type { Backends, DiskUsageType, SystemBackend } from '../backends.ts';
import { readUntypedJson } from '../body.ts';
import { authConfig } from '../body-types.ts';
import { backend } from '../presence.ts';
import type { ApiRequest } from '../request.ts';
import type { Route } from '../router.ts';
import type { RegistryAuth } from '../types.ts';

const DISK_USAGE_TYPES: readonly DiskUsageType[] = ['container', 'image', 'volume', 'build-cache'];

/** The routes of the engine. `builderVersion` is what ping recommends for builds: `1` or `2` (BuildKit). */
export function systemRoutes(backends: Backends, builderVersion: '1' | '2'): Route[] {
  const system = (): SystemBackend => backend(backends, 'system');
  const pingHeaders = (r: ApiRequest): void => {
    r.res.setHeader('Cache-Control', 'no-cache, no-store, must-revalidate');
    r.res.setHeader('Pragma', 'no-cache');
    r.res.setHeader('Builder-Version', builderVersion);
    r.res.setHeader('Swarm', 'inactive');
    r.res.setHeader('Content-Type', 'text/plain; charset=utf-8');
  };
  return [
    {
      operation: 'SystemPing',
      method: 'GET',
      path: '/_ping',
      handler: (r) => {
        pingHeaders(r);
        r.res.setHeader('Content-Length', 2);
        r.res.end('OK');
      },
    },
    {
      operation: 'SystemPingHead',
      method: 'HEAD',
      path: '/_ping',
      handler: (r) => {
        pingHeaders(r);
        r.res.setHeader('Content-Length', 0);
        r.res.end();
      },
    },
    {
      operation: 'SystemVersion',
      method: 'GET',
      path: '/version',
      handler: async (r) => {
        const version = await system().version();
        const api = {
          ApiVersion: formatVersion(MAX_API_VERSION),
          MinAPIVersion: formatVersion(MIN_API_VERSION),
        };
        // `docker version` prints what the component Engine says of them.
        const Components = version.Components?.map((component) =>
          component.Name === 'Engine'
            ? { ...component, Details: { ...component.Details, ...api } }
            : component,
        );
        r.json(200, { ...version, ...(Components ? { Components } : {}), ...api });
      },
    },
    {
      operation: 'SystemInfo',
      method: 'GET',
      path: '/info',
      handler: async (r) => r.json(200, await system().info()),
    },
    {
      operation: 'SystemDataUsage',
      method: 'GET',
      path: '/system/df',
      handler: async (r) => {
        const asked = r.has('diskUsageTypes') ? r.query.all('type') : [];
        const unknown = asked.find((type) => !(DISK_USAGE_TYPES as readonly string[]).includes(type));
        if (unknown !== undefined) throw invalidParameter(`unknown object type: ${unknown}`);
        const types = asked.length > 0 ? (asked as DiskUsageType[]) : DISK_USAGE_TYPES;
        r.json(200, await system().diskUsage(new Set(types)));
      },
    },
    {
      operation: 'SystemAuth',
      method: 'POST',
      path: '/auth',
      handler: async (r) => {
        const config = (await readUntypedJson(r.req, authConfig)) as RegistryAuth;
        r.json(200, await system().auth(config, r.signal));
      },
    },
  ];
}
