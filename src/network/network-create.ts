/** From a create request to a network's record: checks it and chooses what it left open. */
import { randomBytes } from 'node:crypto';
import type { IPAMConfig, NetworkCreateRequest } from '@docker/node-sdk';
import { forbidden, invalidParameter, notFound, notImplemented, system } from '../errdefs/index.ts';
import {
  contains,
  covers,
  formatIpv4,
  formatPrefix,
  overlaps,
  type Prefix,
  parseCidr,
  parseIpv4,
} from './ipv4.ts';
import type { BridgeConfig, Driver, NetworkRecord } from './records.ts';

const OPTION = 'com.docker.network.bridge.';
const MTU_OPTION = 'com.docker.network.driver.mtu';

/** Names of the networks that always are. */
export const PREDEFINED: ReadonlySet<string> = new Set(['bridge', 'host', 'none', 'default']);

/** What a new network may not collide with, and how a subnet is found when the request names none. */
export interface Surroundings {
  networks: readonly NetworkRecord[];
  mtu: number;
  freeSubnet: () => Prefix;
}

export const newId = (): string => randomBytes(32).toString('hex');

/** A locally administered MAC for a bridge, in Docker's range 02:42. */
export const newBridgeMac = (): string =>
  `02:42:${[...randomBytes(4)].map((byte) => byte.toString(16).padStart(2, '0')).join(':')}`;

/** The MAC of a container, made from its address: an address always has the same MAC, so no ARP cache is ever wrong. */
export const macOfAddress = (address: number): string =>
  `02:42:${[24, 16, 8, 0].map((shift) => ((address >>> shift) & 255).toString(16).padStart(2, '0')).join(':')}`;

/** Now, as Docker writes times. */
export const timestamp = (): string => new Date().toISOString().replace('Z', '000000Z');

/** Makes the record of a user's network. Throws with Docker's wording. */
export function networkOf(request: NetworkCreateRequest, around: Surroundings): NetworkRecord {
  const name = request.Name ?? '';
  if (!/\S/.test(name)) throw invalidParameter('invalid name: name is empty');
  if (PREDEFINED.has(name)) throw forbidden(`operation is not permitted on predefined ${name} network`);
  const driver = driverOf(request);
  const id = newId();
  const options = request.Options ?? {};
  const record: NetworkRecord = {
    id,
    name,
    driver,
    created: timestamp(),
    internal: request.Internal === true,
    attachable: request.Attachable === true,
    enableIPv6: false,
    options,
    labels: request.Labels ?? {},
    ipam: { Driver: 'default', Options: request.IPAM?.Options ?? {}, Config: [] },
  };
  const link = options[`${OPTION}name`] ?? `br-${id.slice(0, 12)}`;
  record.bridge = bridgeOf(request.IPAM?.Config ?? [], options, link, around);
  record.ipam.Config = ipamConfigOf(request.IPAM?.Config?.[0], record.bridge);
  return record;
}

function driverOf(request: NetworkCreateRequest): Driver {
  const driver = request.Driver || 'bridge';
  if (driver === 'host' || driver === 'null') {
    throw forbidden(`only one instance of "${driver}" network is allowed`);
  }
  if (driver === 'macvlan' || driver === 'ipvlan' || driver === 'overlay') {
    throw notImplemented(`network driver "${driver}" is not implemented`);
  }
  if (driver !== 'bridge') throw notFound(`plugin "${driver}" not found`);
  if (request.EnableIPv4 === false) throw notImplemented('networks without IPv4 are not implemented');
  if (request.EnableIPv6 === true) throw notImplemented('IPv6 networks are not implemented');
  if (request.ConfigOnly === true || request.ConfigFrom?.Network) {
    throw notImplemented('config-only networks are not implemented');
  }
  if (request.Ingress === true)
    throw notImplemented('ingress networks need swarm mode, which is not implemented');
  const ipam = request.IPAM?.Driver || 'default';
  if (ipam !== 'default') throw notFound(`plugin "${ipam}" not found`);
  return 'bridge';
}

/** What bridge and subnet a network has. Also for the default bridge, whose subnet comes as `configs`. */
export function bridgeOf(
  configs: readonly IPAMConfig[],
  options: Readonly<Record<string, string>>,
  link: string,
  around: Surroundings,
): BridgeConfig {
  if (configs.length > 1) throw notImplemented('several subnets in one network are not implemented');
  const config = configs[0];
  if (!/^[^\s/:]{1,15}$/.test(link)) throw invalidParameter(`invalid bridge name: ${JSON.stringify(link)}`);
  const twin = around.networks.find((network) => network.bridge?.link === link);
  if (twin) throw forbidden(`networks have same bridge name: ${link} is the bridge of network ${twin.name}`);
  const subnet = subnetOf(config, around);
  const gateway = addressIn(subnet, config?.Gateway, subnet.base + 1);
  const range = rangeOf(subnet, config);
  const reserved = Object.values(config?.AuxiliaryAddresses ?? {}).map((text) => {
    const address = parseIpv4(text);
    if (address === undefined) throw invalidParameter(`invalid auxiliary address: ${text}`);
    return text;
  });
  return {
    link,
    mac: newBridgeMac(),
    subnet: formatPrefix(subnet),
    gateway: formatIpv4(gateway),
    range: formatPrefix(range),
    reserved,
    userSubnet: Boolean(config?.Subnet),
    mtu: mtuOf(options, around.mtu),
    masquerade: flagOf(options, 'enable_ip_masquerade', true),
    icc: flagOf(options, 'enable_icc', true),
    hostBinding: hostBindingOf(options),
  };
}

function subnetOf(config: IPAMConfig | undefined, around: Surroundings): Prefix {
  if (!config?.Subnet) {
    if (config?.Gateway || config?.IPRange) {
      throw invalidParameter('every ip-range or gateway must have a corresponding subnet');
    }
    return around.freeSubnet();
  }
  if (config.Subnet.includes(':')) throw notImplemented('IPv6 subnets are not implemented');
  const subnet = parseCidr(config.Subnet)?.prefix;
  if (subnet === undefined) {
    throw invalidParameter(`Invalid subnet ${config.Subnet} : invalid CIDR address: ${config.Subnet}`);
  }
  if (subnet.length > 30 || subnet.length < 8)
    throw invalidParameter(`invalid subnet ${config.Subnet}: needs a length from /8 to /30`);
  const taken = around.networks.some((network) => {
    const other = network.bridge && parseCidr(network.bridge.subnet)?.prefix;
    return other !== undefined && overlaps(other, subnet);
  });
  if (taken) throw forbidden('Pool overlaps with other one on this address space');
  return subnet;
}

function addressIn(subnet: Prefix, text: string | undefined, otherwise: number): number {
  if (!text) return otherwise;
  const address = parseIpv4(text);
  if (address === undefined) throw invalidParameter(`invalid gateway address: ${text}`);
  if (!contains(subnet, address)) {
    throw system(`failed to allocate gateway (${text}): Requested address is out of range`);
  }
  return address;
}

function rangeOf(subnet: Prefix, config: IPAMConfig | undefined): Prefix {
  if (!config?.IPRange) return subnet;
  const range = parseCidr(config.IPRange)?.prefix;
  if (range === undefined || !covers(subnet, range)) {
    throw invalidParameter(`no matching subnet for range ${config.IPRange}`);
  }
  return range;
}

function ipamConfigOf(asked: IPAMConfig | undefined, bridge: BridgeConfig): IPAMConfig[] {
  return [
    {
      Subnet: asked?.Subnet || bridge.subnet,
      ...(asked?.IPRange && { IPRange: asked.IPRange }),
      // Docker does not tell what it chose in a subnet that the user chose.
      ...(asked?.Subnet && !asked.Gateway ? {} : { Gateway: bridge.gateway }),
      ...(asked?.AuxiliaryAddresses && { AuxiliaryAddresses: asked.AuxiliaryAddresses }),
    },
  ];
}

function mtuOf(options: Readonly<Record<string, string>>, otherwise: number): number {
  const text = options[MTU_OPTION];
  if (text === undefined || text === '') return otherwise;
  const mtu = Number(text);
  if (!/^\d+$/.test(text) || mtu > 65535)
    throw invalidParameter(`failed to parse ${MTU_OPTION} value: ${text}`);
  return mtu === 0 ? otherwise : mtu;
}

function flagOf(options: Readonly<Record<string, string>>, name: string, otherwise: boolean): boolean {
  const text = options[OPTION + name];
  if (text === undefined || text === '') return otherwise;
  if (/^(1|t|true)$/i.test(text)) return true;
  if (/^(0|f|false)$/i.test(text)) return false;
  throw invalidParameter(`failed to parse ${OPTION}${name} value: ${text}`);
}

function hostBindingOf(options: Readonly<Record<string, string>>): string {
  const text = options[`${OPTION}host_binding_ipv4`];
  if (text === undefined || text === '') return '0.0.0.0';
  if (parseIpv4(text) === undefined) throw invalidParameter(`invalid ${OPTION}host_binding_ipv4: ${text}`);
  return text;
}
