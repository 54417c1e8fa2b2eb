import { closeSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type {
  EndpointSettings,
  NetworkCreateRequest,
  NetworkCreateResponse,
  NetworkInspect,
  NetworkPruneResponse,
} from '@docker/node-sdk';
import { conflict, forbidden, isKind, messageOf } from '../errdefs/index.ts';
import { Nftables, Rtnetlink } from '../linux/index.ts';
import type { Store } from '../store/index.ts';
import { BridgeDriver } from './bridge-driver.ts';
import { lockBridge } from './bridge-lock.ts';
import { networkFiles } from './container-files.ts';
import { ensureDefaultBridge, linkedHosts } from './default-bridge.ts';
import { endpointResource, isDefaultBridge } from './endpoints.ts';
import { Firewall, firewallBridge } from './firewall.ts';
import { ForwardPolicy } from './forward-policy.ts';
import { HostPorts } from './host-ports.ts';
import { Ipv6Proxy } from './ipv6-proxy.ts';
import { networkOf, PREDEFINED } from './network-create.ts';
import { filterList, filterPrune, type NetworkFilters } from './network-filters.ts';
import { Networks, networkInspect } from './networks.ts';
import { type ReconcileParts, reconcileLeases, reconcileLinks } from './reconcile.ts';
import { type NetworkRecord, NetworkRecords } from './records.ts';
import { Resolver } from './resolver.ts';
import { Sandboxes } from './sandboxes.ts';
import { DEFAULT_POOLS } from './subnet-pool.ts';
import { Surroundings } from './surroundings.ts';
import type {
  AddressPool,
  AllocateRequest,
  Allocation,
  ContainerNetworkSettings,
  FilesRequest,
  NetworkEvent,
  NetworkFiles,
  NetworkLog,
  SandboxInfo,
} from './types.ts';

export interface NetworkServiceOptions {
  store: Store;
  /** Data directory of this room (`<data root>/network`). */
  root: string;
  /** Exec root (`/run/wharf`); namespaces are at `<execRoot>/netns/<container id>`. */
  execRoot: string;
  /** Link of the default bridge. Default `wharf0`. */
  bridgeName?: string;
  /** dockerd's `--bip`: address and subnet of the default bridge, e.g. `10.9.0.1/16`. */
  bip?: string;
  /** dockerd's `--default-address-pool`. */
  addressPools?: readonly AddressPool[];
  /** Name of the nftables table. Default `wharf`, or `wharf-<bridgeName>` when the bridge has another name. */
  tableName?: string;
  onEvent?: (event: NetworkEvent) => void;
  /** The host's resolv.conf. Default `/etc/resolv.conf`. */
  hostResolvConf?: string;
  /** dockerd's `--dns`, `--dns-search`, `--dns-opt`. */
  dns?: readonly string[];
  dnsSearch?: readonly string[];
  dnsOptions?: readonly string[];
  /** dockerd's `--host-gateway-ip`. */
  hostGatewayIps?: readonly string[];
  /** dockerd's `--mtu`. Default: 1500, or less when the host's way out takes less. */
  mtu?: number;
  log?: NetworkLog;
}

const SILENT: NetworkLog = { info: () => {}, warn: () => {} };

/** How long after a container's start we look whether a firewall came up that drops its packets. */
const POLICY_CHECK_MS = 1000;

export class NetworkService {
  readonly #options: NetworkServiceOptions;
  readonly #log: NetworkLog;
  readonly #link: string;
  readonly #records: NetworkRecords;
  readonly #networks: Networks;
  readonly #rtnetlink: Rtnetlink;
  readonly #surroundings: Surroundings;
  readonly #bridges: BridgeDriver;
  readonly #firewall: Firewall;
  readonly #policy: ForwardPolicy;
  readonly #hostPorts = new HostPorts();
  readonly #ipv6Proxy = new Ipv6Proxy();
  readonly #resolver: Resolver;
  readonly #sandboxes: Sandboxes;
  #lock: number | undefined;
  #policyTimer: NodeJS.Timeout | undefined;

  constructor(options: NetworkServiceOptions) {
    // Before the shims of a thousand containers take the low numbers.
    Nftables.reserveDescriptors();
    this.#options = options;
    this.#log = options.log ?? SILENT;
    this.#link = options.bridgeName ?? 'wharf0';
    this.#records = new NetworkRecords(options.store);
    this.#networks = new Networks(this.#records);
    this.#rtnetlink = Rtnetlink.open();
    this.#surroundings = new Surroundings(this.#rtnetlink, {
      pools: options.addressPools ?? DEFAULT_POOLS,
      mtu: options.mtu,
      resolvConf: options.hostResolvConf ?? '/etc/resolv.conf',
    });
    this.#bridges = new BridgeDriver(this.#rtnetlink, this.#log);
    const table = options.tableName ?? (this.#link === 'wharf0' ? 'wharf' : `wharf-${this.#link}`);
    this.#firewall = new Firewall(
      table,
      () => ({
        bridges: this.#networks.records().flatMap(firewallBridge),
        ports: this.#sandboxes.all().flatMap(({ ports }) => ports),
      }),
      this.#log,
    );
    this.#policy = new ForwardPolicy(this.#firewall, this.#log);
    this.#resolver = new Resolver({
      network: (id) => this.#networks.get(id)?.record,
      sandboxesOn: (networkId) => this.#sandboxes.on(networkId),
      nameservers: () =>
        this.#options.dns?.length ? this.#options.dns : this.#surroundings.resolvConf().nameservers,
      log: this.#log,
    });
    this.#sandboxes = new Sandboxes({
      records: this.#records,
      networks: this.#networks,
      bridges: this.#bridges,
      firewall: this.#firewall,
      hostPorts: this.#hostPorts,
      ipv6Proxy: this.#ipv6Proxy,
      resolver: this.#resolver,
      netnsPath: (id) => this.netnsPath(id),
      onEvent: (event) => this.#emit(event),
      log: this.#log,
    });
  }

  /**
   * Makes the kernel and the leases agree, and makes the networks `bridge`, `host` and `none`. Call it once,
   * before anything else. `liveContainers` are the ids of those whose process runs. Throws Conflict when another
   * daemon uses the same bridge.
   */
  init(liveContainers: ReadonlySet<string>): void {
    this.#lock = lockBridge(this.#link);
    mkdirSync(this.#netnsDir, { recursive: true, mode: 0o711 });
    this.#networks.ensureSimple('host', 'host');
    this.#networks.ensureSimple('none', 'null');
    const parts: ReconcileParts = {
      records: this.#records,
      networks: this.#networks,
      sandboxes: this.#sandboxes,
      bridges: this.#bridges,
      hostPorts: this.#hostPorts,
      netnsDir: this.#netnsDir,
      log: this.#log,
    };
    reconcileLeases(parts, liveContainers);
    ensureDefaultBridge({
      networks: this.#networks,
      sandboxes: this.#sandboxes,
      bridges: this.#bridges,
      surroundings: this.#surroundings,
      link: this.#link,
      bip: this.#options.bip,
      log: this.#log,
    });
    this.#bridges.enableForwarding();
    reconcileLinks(parts);
    this.#startFirewall();
    for (const sandbox of this.#sandboxes.all()) {
      this.#ipv6Proxy.open(sandbox.ports);
      if (this.#onUserNetwork(sandbox.container)) this.#resolver.open(sandbox);
    }
  }

  list(filters: NetworkFilters = {}): NetworkInspect[] {
    return filterList(this.#candidates(), filters).map((record) => networkInspect(record));
  }

  /** The id of the network of exactly this name, if there is one. */
  idOf(name: string): string | undefined {
    return this.#networks.byName(name)?.record.id;
  }

  /** Throws NotFound: `network X not found`. */
  inspect(idOrName: string, _options?: { verbose?: boolean; scope?: string }): NetworkInspect {
    const { record } = this.#networks.find(idOrName);
    const containers = this.#sandboxes
      .on(record.id)
      .filter(({ up }) => up)
      .flatMap((sandbox) =>
        sandbox.endpoints
          .filter((endpoint) => endpoint.network === record.id)
          .map((endpoint) => [sandbox.container, endpointResource(sandbox, endpoint, record)] as const),
      );
    return { ...networkInspect(record), Containers: Object.fromEntries(containers) };
  }

  create(request: NetworkCreateRequest): NetworkCreateResponse {
    if (this.#networks.byName(request.Name)) {
      if (PREDEFINED.has(request.Name)) {
        throw forbidden(`operation is not permitted on predefined ${request.Name} network`);
      }
      throw conflict(`network with name ${request.Name} already exists`);
    }
    const record = networkOf(request, {
      networks: this.#networks.records(),
      mtu: this.#surroundings.mtu(),
      freeSubnet: () => this.#surroundings.freeSubnet(this.#networks.records()),
    });
    const { bridge } = record;
    if (bridge && this.#bridges.hasLink(bridge.link)) {
      throw conflict(`a link named ${bridge.link} exists already and is not a bridge of ours`);
    }
    this.#networks.add(record);
    try {
      if (bridge) this.#bridges.ensure(bridge);
      for (const forFirewall of firewallBridge(record)) this.#firewall.addBridge(forFirewall);
    } catch (err) {
      this.#networks.remove(record.id);
      if (bridge) this.#bridges.removeLink(bridge.link);
      throw err;
    }
    if (bridge) this.#policy.allow([bridge.link]);
    this.#emit({ action: 'create', id: record.id, attributes: { name: record.name, type: record.driver } });
    return { Id: record.id, Warning: '' };
  }

  /** Throws (at once) Forbidden for predefined networks and those with containers. */
  remove(idOrName: string): Promise<void> {
    const { record } = this.#networks.find(idOrName);
    if (PREDEFINED.has(record.name)) {
      throw forbidden(`${record.name} is a pre-defined network and cannot be removed`);
    }
    const users = this.#sandboxes.on(record.id);
    if (users.length > 0) {
      const names = users.map((sandbox) => {
        const endpoint = sandbox.endpoints.find((e) => e.network === record.id);
        return `name:${JSON.stringify(sandbox.name)} id:${JSON.stringify(endpoint?.id.slice(0, 12) ?? '')}`;
      });
      throw forbidden(
        `error while removing network: network ${record.name} has active endpoints (${names.join(', ')})`,
      );
    }
    return this.#takeDown(record);
  }

  async #takeDown(record: NetworkRecord): Promise<void> {
    // From here on nobody finds it; its record goes when its links are gone.
    this.#networks.hide(record.id);
    if (record.bridge) {
      for (const bridge of firewallBridge(record)) this.#firewall.removeBridge(bridge);
      this.#policy.withdraw([record.bridge.link]);
      await this.#bridges.remove(record.bridge.link);
    }
    this.#networks.remove(record.id);
    this.#emit({ action: 'destroy', id: record.id, attributes: { name: record.name, type: record.driver } });
  }

  /** Removes the networks of users that no container uses. */
  async prune(
    filters: NetworkFilters = {},
    inUse: ReadonlySet<string> = new Set(),
  ): Promise<NetworkPruneResponse> {
    const deleted: string[] = [];
    for (const record of filterPrune(this.#candidates(), filters)) {
      if (inUse.has(record.id) || inUse.has(record.name)) continue;
      await this.remove(record.id);
      deleted.push(record.name);
    }
    this.#emit({ action: 'prune', id: '', attributes: { reclaimed: '0' } });
    return { NetworksDeleted: deleted };
  }

  /** Attaches a running container (one that has been set up) to one more network. */
  connect(
    idOrName: string,
    container: { id: string; name: string },
    config: EndpointSettings = {},
  ): EndpointSettings {
    return this.#sandboxes.connect(this.#networks.find(idOrName), container.id, config);
  }

  disconnect(idOrName: string, container: { id: string; name: string }, _force = false): void {
    this.#sandboxes.disconnect(this.#networks.find(idOrName).record, container.id);
  }

  /**
   * Reserves addresses, MACs and host ports and records them; makes nothing yet. What an earlier allocation of the
   * container left is released first. Throws with Docker's wording; then nothing is reserved.
   */
  allocate(containerId: string, request: AllocateRequest): Allocation {
    return this.#sandboxes.allocate(containerId, request);
  }

  /**
   * Makes the namespace at `netnsPath`, links, addresses, routes and port rules. For the host's network it makes
   * nothing. Undoes itself on failure (the leases stay: release() them).
   * @param namespace one that was made already, by descriptor (of a container in a user namespace)
   */
  setup(
    containerId: string,
    netnsPath: string = this.netnsPath(containerId),
    namespace?: number,
  ): SandboxInfo {
    const info = this.#sandboxes.setup(containerId, netnsPath, namespace);
    this.#checkPolicySoon();
    return info;
  }

  /** Takes down what setup and allocate made. Not an error when there is nothing. */
  release(containerId: string): void {
    this.#sandboxes.release(containerId);
  }

  /** Contents of /etc/hosts and /etc/resolv.conf, after allocate(). */
  files(containerId: string, request: FilesRequest): NetworkFiles {
    const { dns = [], dnsSearch = [], dnsOptions = [] } = this.#options;
    const sandbox = this.#sandboxes.get(containerId);
    return networkFiles(request, {
      addresses: sandbox?.endpoints.flatMap(({ address }) => (address === '' ? [] : [address])) ?? [],
      links: sandbox ? linkedHosts(sandbox, this.#networks, this.#sandboxes) : [],
      named: this.#onUserNetwork(containerId),
      hostGateways: this.#options.hostGatewayIps?.length
        ? this.#options.hostGatewayIps
        : [this.#networks.byName('bridge')?.record.bridge?.gateway ?? '127.0.0.1'],
      resolvConf: this.#surroundings.resolvConf(),
      defaults: { dns, dnsSearch, dnsOptions },
    });
  }

  /** NetworkSettings of ContainerInspect; undefined when the container has no sandbox (is not running). */
  settings(containerId: string): ContainerNetworkSettings | undefined {
    const sandbox = this.#sandboxes.get(containerId);
    if (!sandbox?.up) return undefined;
    const networks = this.#sandboxes.settings(sandbox);
    const bridge = networks.bridge;
    return {
      Bridge: '',
      SandboxID: sandbox.id,
      SandboxKey: sandbox.netns,
      Ports: this.#sandboxes.ports(sandbox),
      HairpinMode: false,
      LinkLocalIPv6Address: '',
      LinkLocalIPv6PrefixLen: 0,
      SecondaryIPAddresses: null,
      SecondaryIPv6Addresses: null,
      EndpointID: bridge?.EndpointID ?? '',
      Gateway: bridge?.Gateway ?? '',
      GlobalIPv6Address: '',
      GlobalIPv6PrefixLen: 0,
      IPAddress: bridge?.IPAddress ?? '',
      IPPrefixLen: bridge?.IPPrefixLen ?? 0,
      IPv6Gateway: '',
      MacAddress: bridge?.MacAddress ?? '',
      Networks: networks,
    };
  }

  /** The interfaces that a container's networks gave it (`eth0`, …); none with the host's network or without any. */
  interfaceNames(containerId: string): string[] {
    const endpoints = this.#sandboxes.get(containerId)?.endpoints ?? [];
    return endpoints.flatMap(({ link, interfaceName }) => (link === '' ? [] : [interfaceName]));
  }

  /** Names follow a container that is renamed. */
  rename(containerId: string, name: string): void {
    this.#sandboxes.rename(containerId, name);
  }

  /** Conventional path of a container's namespace file. */
  netnsPath(containerId: string): string {
    return join(this.#netnsDir, containerId);
  }

  /** Closes sockets held by this process; leaves everything running for the next daemon. */
  close(): void {
    clearTimeout(this.#policyTimer);
    this.#sandboxes.close();
    this.#resolver.closeAll();
    this.#ipv6Proxy.closeAll();
    this.#hostPorts.close();
    this.#firewall.close();
    this.#rtnetlink.close();
    if (this.#lock !== undefined) closeSync(this.#lock);
    this.#lock = undefined;
  }

  /** Takes the room's traces off the host: table, exceptions, and the bridges no container uses. Networks stay recorded. */
  async destroy(): Promise<void> {
    for (const { record } of this.#networks.all()) {
      if (!record.bridge || this.#sandboxes.on(record.id).length > 0) continue;
      this.#policy.withdraw([record.bridge.link]);
      await this.#bridges.remove(record.bridge.link);
    }
    if (this.#sandboxes.all().length === 0) this.#firewall.remove();
    this.close();
  }

  get #netnsDir(): string {
    return join(this.#options.execRoot, 'netns');
  }

  #candidates(): Array<{ record: NetworkRecord; used: boolean }> {
    return this.#networks
      .records()
      .map((record) => ({ record, used: this.#sandboxes.on(record.id).length > 0 }));
  }

  #startFirewall(): void {
    try {
      this.#firewall.rebuild();
      this.#policy.allow(this.#networks.records().flatMap(({ bridge }) => bridge?.link ?? []));
    } catch (err) {
      const hint = isKind(err, 'Unavailable') ? ` (${err.hint ?? ''})` : '';
      this.#log.warn(
        `no firewall: containers cannot reach other hosts, ports cannot be published: ${messageOf(err)}${hint}`,
      );
    }
  }

  /** After containers start: did a firewall come up since we last looked? Off their path. */
  #checkPolicySoon(): void {
    this.#policyTimer ??= setTimeout(() => {
      this.#policyTimer = undefined;
      this.#policy.allow(this.#networks.records().flatMap(({ bridge }) => bridge?.link ?? []));
    }, POLICY_CHECK_MS).unref();
  }

  #onUserNetwork(containerId: string): boolean {
    const endpoints = this.#sandboxes.get(containerId)?.endpoints ?? [];
    return endpoints.some(({ network }) => {
      const record = this.#networks.get(network)?.record;
      return record?.bridge !== undefined && !isDefaultBridge(record);
    });
  }

  #emit(event: NetworkEvent): void {
    this.#options.onEvent?.(event);
  }
}
