import type { EndpointSettings } from '@docker/node-sdk';
import { isKind } from '../errdefs/index.ts';
import type { Container } from './container.ts';
import type { ContainerStore } from './container-store.ts';
import type { ContainerDeps } from './deps.ts';

/**
 * Remembers a network (by its name) for the container's next start, or forgets it with `undefined`: also the one that
 * NetworkMode names, which a container that was disconnected from it starts without, as in Docker.
 */
export function rememberEndpoint(
  deps: ContainerDeps,
  containers: ContainerStore<Container>,
  container: Container,
  network: string,
  endpoint: EndpointSettings | undefined,
): void {
  const { record } = container;
  if (endpoint) record.endpoints[network] = endpoint;
  else delete record.endpoints[network];
  if (networkName(deps, record.hostConfig.NetworkMode ?? 'bridge') === network) {
    record.leftNetworkMode = endpoint === undefined;
  }
  containers.save(container);
}

function networkName(deps: ContainerDeps, mode: string): string | undefined {
  if (mode.startsWith('container:')) return undefined;
  try {
    return deps.network.inspect(mode).Name;
  } catch (err) {
    if (isKind(err, 'NotFound')) return undefined;
    throw err;
  }
}
