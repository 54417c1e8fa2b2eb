/** What is written down: networks, and per container its sandbox with endpoints and port leases. */
import type { IPAM } from '@docker/node-sdk';
import type { Store } from '../store/index.ts';

export type Driver = 'bridge' | 'host' | 'null';

/** A network. Addresses are dotted quads, prefixes `a.b.c.d/n`. */
export interface NetworkRecord {
  id: string;
  name: string;
  driver: Driver;
  /** RFC 3339 with nanoseconds. */
  created: string;
  internal: boolean;
  attachable: boolean;
  enableIPv6: boolean;
  options: Record<string, string>;
  labels: Record<string, string>;
  /** As it was asked for, completed with what was chosen. */
  ipam: IPAM;
  /** Only of driver bridge. */
  bridge?: BridgeConfig;
}

export interface BridgeConfig {
  /** Name of its link. */
  link: string;
  mac: string;
  subnet: string;
  gateway: string;
  range: string;
  /** Auxiliary addresses: never given to containers. */
  reserved: string[];
  /** True when the user chose the subnet: then containers may choose their address. */
  userSubnet: boolean;
  mtu: number;
  masquerade: boolean;
  /** Inter-container communication: false isolates the ports of the bridge from each other. */
  icc: boolean;
  /** Where ports are published when the container does not say. */
  hostBinding: string;
}

/** One attachment of a container. */
export interface EndpointRecord {
  id: string;
  network: string;
  /** Host end of the veth pair; empty for host and none. */
  link: string;
  /** Inside: `eth0`. */
  interfaceName: string;
  address: string;
  mac: string;
  /** Given by the user. */
  aliases: string[];
  links: string[];
  ipamConfig: { IPv4Address?: string } | null;
  driverOpts: Record<string, string> | null;
  gatewayPriority: number;
}

export type Protocol = 'tcp' | 'udp' | 'sctp';

/** A lease of a host port and where it leads. */
export interface PortLease {
  protocol: Protocol;
  hostAddress: string;
  hostPort: number;
  address: string;
  containerPort: number;
}

export interface SandboxRecord {
  container: string;
  /** 64 hex digits. */
  id: string;
  name: string;
  hostname: string;
  netns: string;
  endpoints: EndpointRecord[];
  ports: PortLease[];
  /** `80/tcp`: exposed, published or not. */
  exposed: string[];
  /** Nameservers the container asked for. */
  dns: string[];
  /** False until setup has made it. */
  up: boolean;
}

const MIGRATIONS = [
  `CREATE TABLE network_networks (id TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;
   CREATE TABLE network_sandboxes (container TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;`,
];

/** The records in the database. */
export class NetworkRecords {
  readonly #store: Store;
  readonly #statements;

  constructor(store: Store) {
    this.#store = store;
    store.migrate('network', MIGRATIONS);
    type Row = { record: string };
    this.#statements = {
      networks: store.query<Row>('SELECT record FROM network_networks'),
      putNetwork: store.query('INSERT OR REPLACE INTO network_networks (id, record) VALUES (?, ?)'),
      deleteNetwork: store.query('DELETE FROM network_networks WHERE id = ?'),
      sandboxes: store.query<Row>('SELECT record FROM network_sandboxes'),
      putSandbox: store.query('INSERT OR REPLACE INTO network_sandboxes (container, record) VALUES (?, ?)'),
      deleteSandbox: store.query('DELETE FROM network_sandboxes WHERE container = ?'),
    };
  }

  networks(): NetworkRecord[] {
    return this.#statements.networks.all().map(({ record }) => JSON.parse(record) as NetworkRecord);
  }

  putNetwork(network: NetworkRecord): void {
    this.#statements.putNetwork.run(network.id, JSON.stringify(network));
  }

  deleteNetwork(id: string): void {
    this.#statements.deleteNetwork.run(id);
  }

  sandboxes(): SandboxRecord[] {
    return this.#statements.sandboxes.all().map(({ record }) => JSON.parse(record) as SandboxRecord);
  }

  putSandbox(sandbox: SandboxRecord): void {
    this.#statements.putSandbox.run(sandbox.container, JSON.stringify(sandbox));
  }

  deleteSandbox(container: string): void {
    this.#statements.deleteSandbox.run(container);
  }

  transaction<T>(fn: () => T): T {
    return this.#store.transaction(fn);
  }
}
