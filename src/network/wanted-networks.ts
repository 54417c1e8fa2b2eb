/** Which networks a container asks for, what it may not ask, and how Docker says so. */
import type { EndpointSettings } from '@docker/node-sdk';
import { forbidden, kindOf, messageOf, WharfError } from '../errdefs/index.ts';
import type { Network, Networks } from './networks.ts';
import type { EndpointRecord, NetworkRecord, SandboxRecord } from './records.ts';
import type { AllocateRequest } from './types.ts';

/** The networks of a request with their settings: that of the network mode first, then by name. */
export function wantedNetworks(
  networks: Networks,
  request: AllocateRequest,
): Array<[Network, EndpointSettings]> {
  const mode =
    request.networkMode === 'default' || request.networkMode === '' ? 'bridge' : request.networkMode;
  // The network that was left may be gone since.
  const first = request.withoutMode ? undefined : networks.find(mode);
  const wanted = new Map<Network, EndpointSettings>(first ? [[first, {}]] : []);
  const rest = Object.entries(request.endpointsConfig ?? {})
    .map(([name, config]) => [networks.find(name === 'default' ? 'bridge' : name), config] as const)
    .sort(([a], [b]) => (a.record.name < b.record.name ? -1 : 1));
  for (const [network, config] of rest) wanted.set(network, config ?? {});
  if (wanted.size > 1 && [...wanted.keys()].some(({ record }) => record.driver !== 'bridge')) {
    throw forbidden(
      'container cannot be connected to multiple networks with one of the networks in private (none) or host mode',
    );
  }
  if (first === undefined) return [...wanted];
  const main = wanted.get(first) ?? {};
  wanted.set(first, {
    ...main,
    ...(request.macAddress && !main.MacAddress && { MacAddress: request.macAddress }),
    ...(request.links?.length && { Links: [...new Set([...(main.Links ?? []), ...request.links])] }),
  });
  return [...wanted];
}

/** May a running container that is on `others` be connected to `network`? */
export function checkConnect(
  container: string,
  network: NetworkRecord,
  others: readonly NetworkRecord[],
): void {
  if (network.driver !== 'bridge') {
    throw forbidden('container cannot be connected to host network or none network while it is running');
  }
  if (others.some((other) => other.driver === 'host')) {
    throw forbidden(
      'container sharing network namespace with another container or host cannot be connected to any other network',
    );
  }
  if (others.some((other) => other.driver === 'null')) {
    throw forbidden(
      'container cannot be connected to multiple networks with one of the networks in private (none) mode',
    );
  }
  if (others.some((other) => other.id === network.id)) {
    throw forbidden(`endpoint with name ${container} already exists in network ${network.name}`);
  }
}

/** Docker's words around a failure to publish a port. */
export function programmingFailure(sandbox: SandboxRecord, endpoint: EndpointRecord, err: unknown): unknown {
  if (!(err instanceof WharfError) || kindOf(err) !== 'System') return err;
  return new WharfError(
    'System',
    `driver failed programming external connectivity on endpoint ${sandbox.name} (${endpoint.id}): ${messageOf(err)}`,
    { ...(err.code !== undefined && { code: err.code }), cause: err },
  );
}
