/** Endpoints: what a container asks for on a network, checked and leased; and how Docker shows them. */
import type { EndpointResource, EndpointSettings } from '@docker/node-sdk';
import { invalidParameter, system, WharfError } from '../errdefs/index.ts';
import { VETH_PREFIX } from './bridge-driver.ts';
import { formatIpv4, parseIpv4 } from './ipv4.ts';
import { macOfAddress, newId } from './network-create.ts';
import { type Network, prefixOf } from './networks.ts';
import type { EndpointRecord, NetworkRecord, SandboxRecord } from './records.ts';

/** The default bridge is the old one: no names, no chosen addresses. */
export const isDefaultBridge = (network: NetworkRecord): boolean =>
  network.driver === 'bridge' && network.name === 'bridge';

/** Leases an address on `network` (if it has any) and makes the endpoint's record. Throws with Docker's wording. */
export function leaseEndpoint(
  network: Network,
  interfaceName: string,
  config: EndpointSettings,
): EndpointRecord {
  const { record, addresses } = network;
  const wanted = config.IPAMConfig?.IPv4Address || undefined;
  if (config.IPAMConfig?.IPv6Address) throw invalidParameter('IPv6 is not enabled on this network');
  checkWishes(record, config, wanted);
  const id = newId();
  const common = {
    id,
    network: record.id,
    interfaceName,
    aliases: [...new Set(config.Aliases ?? [])],
    links: config.Links ?? [],
    ipamConfig: config.IPAMConfig ? { ...(wanted !== undefined && { IPv4Address: wanted }) } : null,
    driverOpts: config.DriverOpts ?? null,
    gatewayPriority: config.GwPriority ?? 0,
  };
  if (addresses === undefined) return { ...common, link: '', address: '', mac: '' };
  const address = takeAddress(network, wanted);
  return {
    ...common,
    link: `${VETH_PREFIX}${id.slice(0, 10)}`,
    address: formatIpv4(address),
    mac: config.MacAddress?.toLowerCase().replaceAll('-', ':') || macOfAddress(address),
  };
}

function checkWishes(record: NetworkRecord, config: EndpointSettings, wanted: string | undefined): void {
  const mac = config.MacAddress;
  if (mac && !/^[0-9a-f]{2}([:-][0-9a-f]{2}){5}$/i.test(mac)) {
    throw invalidParameter(`invalid MAC address: ${mac}`);
  }
  if (!record.bridge || isDefaultBridge(record)) {
    if (wanted)
      throw invalidParameter('user specified IP address is supported on user defined networks only');
    if ((config.Aliases ?? []).length > 0) {
      throw invalidParameter(
        'network-scoped alias is supported only for containers in user defined networks',
      );
    }
    return;
  }
  if (wanted && parseIpv4(wanted) === undefined) throw invalidParameter(`invalid IPv4 address: ${wanted}`);
  if (wanted && !record.bridge.userSubnet) {
    throw invalidParameter(
      'user specified IP address is supported only when connecting to networks with user configured subnets',
    );
  }
}

function takeAddress({ record, addresses }: Network, wanted: string | undefined): number {
  if (addresses === undefined) throw system(`network ${record.name} has no addresses`);
  const address = wanted === undefined ? undefined : parseIpv4(wanted);
  try {
    if (address === undefined) return addresses.take();
    addresses.claim(address);
    return address;
  } catch (err) {
    if (err instanceof WharfError && err.message.startsWith('no available IPv4')) {
      throw system(
        `no available IPv4 addresses on this network's address pools: ${record.name} (${record.id})`,
      );
    }
    throw err;
  }
}

/** Names under which others on a user's network find the container, in Docker's order. */
export function dnsNames(sandbox: SandboxRecord, endpoint: EndpointRecord): string[] {
  const short = sandbox.container.slice(0, 12);
  return [...new Set([sandbox.name, ...endpoint.aliases, short, sandbox.hostname])].filter(
    (name) => name !== '',
  );
}

/** An endpoint as EndpointSettings of a running container. */
export function endpointSettings(
  sandbox: SandboxRecord,
  endpoint: EndpointRecord,
  network: NetworkRecord,
): EndpointSettings {
  const { bridge } = network;
  const named = bridge !== undefined && !isDefaultBridge(network);
  return {
    IPAMConfig: endpoint.ipamConfig,
    // Those of the default bridge are HostConfig.Links.
    ...(endpoint.links.length > 0 && named && { Links: endpoint.links }),
    ...(endpoint.aliases.length > 0 && { Aliases: endpoint.aliases }),
    MacAddress: endpoint.mac,
    DriverOpts: endpoint.driverOpts,
    GwPriority: endpoint.gatewayPriority,
    NetworkID: endpoint.network,
    EndpointID: endpoint.id,
    Gateway: bridge && !network.internal ? bridge.gateway : '',
    IPAddress: endpoint.address,
    IPPrefixLen: bridge ? prefixOf(bridge.subnet).length : 0,
    IPv6Gateway: '',
    GlobalIPv6Address: '',
    GlobalIPv6PrefixLen: 0,
    ...(named && { DNSNames: dnsNames(sandbox, endpoint) }),
  };
}

/** An endpoint as NetworkInspect lists it. */
export function endpointResource(
  sandbox: SandboxRecord,
  endpoint: EndpointRecord,
  network: NetworkRecord,
): EndpointResource {
  const { bridge } = network;
  return {
    Name: sandbox.name,
    EndpointID: endpoint.id,
    MacAddress: endpoint.mac,
    IPv4Address: bridge ? `${endpoint.address}/${prefixOf(bridge.subnet).length}` : '',
    IPv6Address: '',
  };
}
