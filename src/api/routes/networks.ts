/** Networks. */
import type { NetworkConnectRequest, NetworkCreateRequest, NetworkDisconnectRequest } from '@docker/node-sdk';
import { invalidParameter } from '../../errdefs/index.ts';
import type { Backends, NetworkBackend } from '../backends.ts';
import { networkConnectRequest, networkCreateRequest, networkDisconnectRequest } from '../body-types.ts';
import { backend, optional } from '../presence.ts';
import type { ApiRequest } from '../request.ts';
import type { Route } from '../router.ts';

/** The routes of networks. */
export function networkRoutes(backends: Backends): Route[] {
  const networks = (): NetworkBackend => backend(backends, 'networks');
  const list = async (r: ApiRequest): Promise<void> => {
    // Who is attached is told by inspect only.
    const all = await networks().list(r.filters());
    r.json(
      200,
      all.map((network) => ({ ...network, Containers: {} })),
    );
  };
  return [
    { operation: 'NetworkList', method: 'GET', path: '/networks', handler: list },
    { operation: 'NetworkList', method: 'GET', path: '/networks/', handler: list },
    {
      operation: 'NetworkCreate',
      method: 'POST',
      path: '/networks/create',
      handler: async (r) => {
        const request = await r.body<NetworkCreateRequest>(networkCreateRequest);
        if (!request) throw invalidParameter('invalid JSON: got EOF while reading request body');
        if (!r.has('enableIPv4')) delete request.EnableIPv4;
        r.json(201, await networks().create(request));
      },
    },
    {
      operation: 'NetworkPrune',
      method: 'POST',
      path: '/networks/prune',
      handler: async (r) => r.json(200, await optional(networks(), 'prune')(r.filters())),
    },
    {
      operation: 'NetworkConnect',
      method: 'POST',
      path: '/networks/{id}/connect',
      handler: async (r) => {
        const request = (await r.body<NetworkConnectRequest>(networkConnectRequest)) ?? {};
        await networks().connect(r.param('id'), request);
        r.empty(200);
      },
    },
    {
      operation: 'NetworkDisconnect',
      method: 'POST',
      path: '/networks/{id}/disconnect',
      handler: async (r) => {
        const request = (await r.body<NetworkDisconnectRequest>(networkDisconnectRequest)) ?? {};
        await networks().disconnect(r.param('id'), request);
        r.empty(200);
      },
    },
    {
      operation: 'NetworkInspect',
      method: 'GET',
      path: '/networks/{id}',
      handler: async (r) => {
        const scope = r.query.get('scope');
        const network = await networks().inspect(r.param('id'), {
          verbose: strictBool(r, 'verbose'),
          ...(scope === undefined ? {} : { scope }),
        });
        r.json(200, network);
      },
    },
    {
      operation: 'NetworkDelete',
      method: 'DELETE',
      path: '/networks/{id}',
      handler: async (r) => {
        await networks().remove(r.param('id'));
        r.empty(204);
      },
    },
  ];
}

/** The one boolean Docker reads by Go's stricter rules. */
function strictBool(r: ApiRequest, name: string): boolean {
  const value = r.query.get(name);
  if (value === undefined || /^(0|f|F|false|FALSE|False)$/.test(value)) return false;
  if (/^(1|t|T|true|TRUE|True)$/.test(value)) return true;
  throw invalidParameter(
    `invalid value for ${name}: ${value}: strconv.ParseBool: parsing ${JSON.stringify(value)}: invalid syntax`,
  );
}
