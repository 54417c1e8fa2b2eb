/** NetworkSettings of a container, running or not, as inspect and list show them. */
import type { EndpointSettings } from '@docker/node-sdk';
import type { ContainerDeps } from './deps.ts';
import type { ContainerInspect } from './inspect.ts';
import { type ContainerRecord, NEVER } from './types.ts';

type NetworkDeps = Pick<ContainerDeps, 'network'>;

/** What Docker shows of a network a container is not on now. */
const ENDPOINT_ZERO = {
  IPAMConfig: null,
  Links: null,
  Aliases: null,
  MacAddress: '',
  DriverOpts: null,
  GwPriority: 0,
  NetworkID: '',
  EndpointID: '',
  Gateway: '',
  IPAddress: '',
  IPPrefixLen: 0,
  IPv6Gateway: '',
  GlobalIPv6Address: '',
  GlobalIPv6PrefixLen: 0,
  DNSNames: null,
} as unknown as EndpointSettings;

/** Names of the networks a container asked for. */
export function networkNames(record: ContainerRecord): string[] {
  const mode = record.hostConfig.NetworkMode ?? 'bridge';
  if (mode.startsWith('container:')) return [];
  const first = record.leftNetworkMode ? [] : [mode];
  return [...new Set([...first, ...Object.keys(record.endpoints)])];
}

/** The networks of a container: with their addresses while it runs, else as it asked for them. */
export function containerNetworks(
  deps: NetworkDeps,
  record: ContainerRecord,
): Record<string, EndpointSettings> {
  const live = deps.network.settings(record.id)?.Networks;
  const endpoints =
    live ?? Object.fromEntries(networkNames(record).map((name) => [name, record.endpoints[name] ?? {}]));
  return Object.fromEntries(
    Object.entries(endpoints).map(([name, endpoint]) => [
      name,
      {
        ...ENDPOINT_ZERO,
        NetworkID: (record.state.startedAt !== NEVER && deps.network.idOf(name)) || '',
        ...endpoint,
      },
    ]),
  );
}

/** The networks as a list shows them: Docker leaves out what names the container there. */
export function listedNetworks(deps: NetworkDeps, record: ContainerRecord): Record<string, EndpointSettings> {
  const { Links, Aliases, DNSNames } = ENDPOINT_ZERO;
  return Object.fromEntries(
    Object.entries(containerNetworks(deps, record)).map(([name, endpoint]) => [
      name,
      { ...endpoint, Links, Aliases, DNSNames },
    ]),
  );
}

export function networkSettings(
  deps: NetworkDeps,
  record: ContainerRecord,
): ContainerInspect['NetworkSettings'] {
  const Networks = containerNetworks(deps, record);
  const live = deps.network.settings(record.id);
  if (live) return { ...live, Networks };
  return {
    Bridge: '',
    SandboxID: '',
    SandboxKey: '',
    Ports: {},
    HairpinMode: false,
    LinkLocalIPv6Address: '',
    LinkLocalIPv6PrefixLen: 0,
    SecondaryIPAddresses: null,
    SecondaryIPv6Addresses: null,
    EndpointID: '',
    Gateway: '',
    GlobalIPv6Address: '',
    GlobalIPv6PrefixLen: 0,
    IPAddress: '',
    IPPrefixLen: 0,
    IPv6Gateway: '',
    MacAddress: Networks.bridge?.MacAddress ?? '',
    Networks,
  } as ContainerInspect['NetworkSettings'];
}

/** True once a start was tried, whatever became of it. */
export const hasRun = ({ state }: ContainerRecord): boolean =>
  state.startedAt !== NEVER || state.error !== '';
