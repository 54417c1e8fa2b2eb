/** The networks there are: their records, found by name or id, with the addresses each hands out. */
import type { NetworkInspect } from '@docker/node-sdk';
import { conflict, invalidParameter, notFound } from '../errdefs/index.ts';
import { AddressAllocator } from './address-allocator.ts';
import { formatIpv4, type Prefix, parseCidr, parseIpv4 } from './ipv4.ts';
import { newId, timestamp } from './network-create.ts';
import type { BridgeConfig, Driver, NetworkRecord, NetworkRecords } from './records.ts';

/** A network in memory. */
export interface Network {
  record: NetworkRecord;
  /** Only of bridges. */
  addresses?: AddressAllocator;
}

/** Throws InvalidParameter when text from the database or an option is no prefix. */
export function prefixOf(text: string): Prefix {
  const prefix = parseCidr(text)?.prefix;
  if (prefix === undefined) throw invalidParameter(`invalid CIDR address: ${text}`);
  return prefix;
}

export class Networks {
  readonly #records: NetworkRecords;
  readonly #byId = new Map<string, Network>();

  constructor(records: NetworkRecords) {
    this.#records = records;
    for (const record of records.networks()) this.#byId.set(record.id, inMemory(record));
  }

  all(): Network[] {
    return [...this.#byId.values()];
  }

  records(): NetworkRecord[] {
    return this.all().map(({ record }) => record);
  }

  /** By full id. */
  get(id: string): Network | undefined {
    return this.#byId.get(id);
  }

  /** By exact name. */
  byName(name: string): Network | undefined {
    return this.all().find(({ record }) => record.name === name);
  }

  /** By full id, name, or unique prefix of an id, in this order. Throws NotFound with Docker's wording. */
  find(idOrName: string): Network {
    const exact = this.#byId.get(idOrName) ?? this.byName(idOrName);
    if (exact) return exact;
    const matches = /^[0-9a-f]+$/.test(idOrName)
      ? this.all().filter(({ record }) => record.id.startsWith(idOrName))
      : [];
    if (matches.length > 1) {
      throw invalidParameter(
        `network ${idOrName} is ambiguous (${matches.length} matches found based on ID prefix)`,
      );
    }
    const [match] = matches;
    if (match === undefined) throw notFound(`network ${idOrName} not found`);
    return match;
  }

  add(record: NetworkRecord): Network {
    if (this.byName(record.name)) throw conflict(`network with name ${record.name} already exists`);
    this.#records.putNetwork(record);
    const network = inMemory(record);
    this.#byId.set(record.id, network);
    return network;
  }

  /** Replaces the record of a network, e.g. with another subnet. */
  replace(record: NetworkRecord): Network {
    this.#records.putNetwork(record);
    const network = inMemory(record);
    this.#byId.set(record.id, network);
    return network;
  }

  /** It is not found any more; its record stays. */
  hide(id: string): void {
    this.#byId.delete(id);
  }

  remove(id: string): void {
    this.#byId.delete(id);
    this.#records.deleteNetwork(id);
  }

  /** Makes `host` and `none` when they are not there. */
  ensureSimple(name: 'host' | 'none', driver: Driver): void {
    if (this.byName(name)) return;
    this.add(predefined(name, driver));
  }
}

function inMemory(record: NetworkRecord): Network {
  return record.bridge ? { record, addresses: allocatorOf(record.bridge) } : { record };
}

function allocatorOf(bridge: BridgeConfig): AddressAllocator {
  const reserved = [bridge.gateway, ...bridge.reserved].flatMap((text) => parseIpv4(text) ?? []);
  return new AddressAllocator(prefixOf(bridge.subnet), prefixOf(bridge.range), reserved);
}

/** The record of one of Docker's own three networks. */
export function predefined(name: string, driver: Driver, bridge?: BridgeConfig): NetworkRecord {
  return {
    id: newId(),
    name,
    driver,
    created: timestamp(),
    internal: false,
    attachable: false,
    enableIPv6: false,
    options: bridge ? defaultBridgeOptions(bridge) : {},
    labels: {},
    ipam: {
      Driver: 'default',
      Config: bridge ? [{ Subnet: bridge.subnet, Gateway: bridge.gateway }] : [],
    },
    ...(bridge && { bridge }),
  };
}

const defaultBridgeOptions = (bridge: BridgeConfig): Record<string, string> => ({
  'com.docker.network.bridge.default_bridge': 'true',
  'com.docker.network.bridge.enable_icc': String(bridge.icc),
  'com.docker.network.bridge.enable_ip_masquerade': String(bridge.masquerade),
  'com.docker.network.bridge.host_binding_ipv4': bridge.hostBinding,
  'com.docker.network.bridge.name': bridge.link,
  'com.docker.network.driver.mtu': String(bridge.mtu),
});

/** The default bridge's configuration for a subnet. `gateway` is its first address unless `--bip` says otherwise. */
export function defaultBridge(o: {
  link: string;
  subnet: Prefix;
  gateway?: number;
  mtu: number;
  mac: string;
}): BridgeConfig {
  const subnet = `${formatIpv4(o.subnet.base)}/${o.subnet.length}`;
  return {
    link: o.link,
    mac: o.mac,
    subnet,
    gateway: formatIpv4(o.gateway ?? o.subnet.base + 1),
    range: subnet,
    reserved: [],
    userSubnet: false,
    mtu: o.mtu,
    masquerade: true,
    icc: true,
    hostBinding: '0.0.0.0',
  };
}

/** A network as NetworkInspect shows it, without its containers. */
export function networkInspect(record: NetworkRecord): NetworkInspect {
  return {
    Name: record.name,
    Id: record.id,
    Created: record.created,
    Scope: 'local',
    Driver: record.driver,
    EnableIPv4: true,
    EnableIPv6: record.enableIPv6,
    IPAM: record.ipam,
    Internal: record.internal,
    Attachable: record.attachable,
    Ingress: false,
    ConfigFrom: { Network: '' },
    ConfigOnly: false,
    Containers: {},
    Options: record.options,
    Labels: record.labels,
  };
}
