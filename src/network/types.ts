/**
 * The words of this room, in Docker's (libnetwork's) sense.
 *
 * A **network** is something containers are attached to: the default `bridge`, `host`, `none`, or a bridge a
 * user made. A **sandbox** is a container's network namespace. An **endpoint** is one attachment: a veth
 * pair, an address, a MAC, names. A **lease** is the recorded right to an address or to a host port.
 *
 * Life of a container's networking:
 * 1. {@link NetworkService.allocate}: leases are written to the database; nothing outside has changed yet.
 * 2. {@link NetworkService.setup}: the namespace, links, addresses, routes, port rules and the resolver are made.
 * 3. {@link NetworkService.release}: all of it goes, then the leases.
 * What a crash leaves in between is found by {@link NetworkService.init}, which compares leases with the kernel.
 */
import type { EndpointSettings, NetworkSettings, PortBinding } from '@docker/node-sdk';

/** Docker's PortMap: `80/tcp` → host bindings; null for a port that is exposed but not published. */
export type PortMap = Record<string, PortBinding[] | null>;

/** What a container wants of the network, in the terms of its Config and HostConfig. */
export interface AllocateRequest {
  /** Without the leading slash. */
  name: string;
  hostname?: string;
  /** `default`, `bridge`, `host`, `none`, `container:<id>`, or a network's name or id. */
  networkMode: string;
  /** Only the networks of `endpointsConfig`: the container was disconnected from that of the mode. */
  withoutMode?: boolean;
  /** NetworkingConfig.EndpointsConfig, keyed by network name or id. */
  endpointsConfig?: Record<string, EndpointSettings>;
  /** HostConfig.PortBindings. */
  portBindings?: PortMap;
  /** Config.ExposedPorts of container and image together (its keys), e.g. `80/tcp`. */
  exposedPorts?: readonly string[];
  /** HostConfig.PublishAllPorts. */
  publishAll?: boolean;
  /** Config.MacAddress (API before 1.44), for the network of `networkMode`. */
  macAddress?: string;
  /** HostConfig.Dns, DnsSearch and DnsOptions: the resolver at 127.0.0.11 forwards there. */
  dns?: readonly string[];
  /** HostConfig.Links (`container:alias`), resolved by the caller to names that exist on the same network. */
  links?: readonly string[];
}

/**
 * Whose network namespace the container runs in: its own (`own`; make it by setup()), the host's, or
 * that of another container (`container`).
 */
export type SandboxKind = 'own' | 'host' | 'container';

/** What {@link NetworkService.allocate} reserved. */
export interface Allocation {
  sandbox: SandboxKind;
  /** For `container`: the id or name after `container:`. */
  joins?: string;
  /** Keyed by network name, as in NetworkSettings.Networks. */
  networks: Record<string, EndpointSettings>;
  ports: PortMap;
}

/** What {@link NetworkService.setup} made, to be shown as NetworkSettings. */
export interface SandboxInfo {
  networks: Record<string, EndpointSettings>;
  ports: PortMap;
  /** 64 hex digits. */
  sandboxId: string;
  /** Path of the namespace file. */
  sandboxKey: string;
}

/** What /etc/hosts and /etc/resolv.conf of a container are made of. */
export interface FilesRequest {
  hostname: string;
  domainname?: string;
  /** HostConfig.ExtraHosts: `name:address`, where address may be `host-gateway`. */
  extraHosts?: readonly string[];
  dns?: readonly string[];
  dnsSearch?: readonly string[];
  dnsOptions?: readonly string[];
  /** As in {@link AllocateRequest}; host mode copies the host's files. */
  networkMode?: string;
}

export interface NetworkFiles {
  hosts: string;
  resolvConf: string;
}

/** The parts of Docker's NetworkSettings that this room knows, for ContainerInspect. */
export type ContainerNetworkSettings = Required<
  Pick<
    NetworkSettings,
    | 'Bridge'
    | 'SandboxID'
    | 'SandboxKey'
    | 'Ports'
    | 'HairpinMode'
    | 'LinkLocalIPv6Address'
    | 'LinkLocalIPv6PrefixLen'
    | 'SecondaryIPAddresses'
    | 'SecondaryIPv6Addresses'
    | 'EndpointID'
    | 'Gateway'
    | 'GlobalIPv6Address'
    | 'GlobalIPv6PrefixLen'
    | 'IPAddress'
    | 'IPPrefixLen'
    | 'IPv6Gateway'
    | 'MacAddress'
    | 'Networks'
  >
>;

/** A network event as Docker's `/events` shows it (Type is always `network`). */
export interface NetworkEvent {
  action: 'create' | 'destroy' | 'connect' | 'disconnect' | 'prune' | 'remove';
  /** The network's id. */
  id: string;
  attributes: Record<string, string>;
}

/** Where the room's own remarks go (a pino logger fits). */
export interface NetworkLog {
  info(message: string): void;
  warn(message: string): void;
}

/** A pool from which subnets of `size` bits are cut, as in dockerd's `default-address-pools`. */
export interface AddressPool {
  base: string;
  size: number;
}
