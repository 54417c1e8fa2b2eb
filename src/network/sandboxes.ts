/**
 * Sandboxes: the life of a container's networking from lease to release. All of it synchronous. Whatever
 * is made outside is in the database before (see `records.ts`), and taken out of it after it is gone.
 */
import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import type { EndpointSettings } from '@docker/node-sdk';
import { conflict, forbidden, messageOf, notFound, system } from '../errdefs/index.ts';
import { createNetns, deleteNetns } from '../linux/index.ts';
import type { Attachment, BridgeDriver } from './bridge-driver.ts';
import { endpointSettings, isDefaultBridge, leaseEndpoint } from './endpoints.ts';
import type { Firewall } from './firewall.ts';
import { type HostPorts, portMap, portRequests } from './host-ports.ts';
import { parseIpv4 } from './ipv4.ts';
import type { Ipv6Proxy } from './ipv6-proxy.ts';
import { newId } from './network-create.ts';
import type { Network, Networks } from './networks.ts';
import type { EndpointRecord, NetworkRecord, NetworkRecords, SandboxRecord } from './records.ts';
import type { AllocateRequest, Allocation, NetworkEvent, NetworkLog, PortMap, SandboxInfo } from './types.ts';
import { checkConnect, programmingFailure, wantedNetworks } from './wanted-networks.ts';

/** How long the kernel may take to remove the links of a namespace that is let go, before we look. */
const DRAIN_MS = 5000;

/** What a sandbox needs of the rest of the room. */
export interface SandboxParts {
  records: NetworkRecords;
  networks: Networks;
  bridges: BridgeDriver;
  firewall: Firewall;
  hostPorts: HostPorts;
  ipv6Proxy: Ipv6Proxy;
  resolver: SandboxResolver;
  netnsPath: (containerId: string) => string;
  onEvent: (event: NetworkEvent) => void;
  log: NetworkLog;
}

/** The DNS server inside sandboxes that are on a user's network. */
export interface SandboxResolver {
  open(sandbox: SandboxRecord): void;
  close(containerId: string): void;
}

export class Sandboxes {
  readonly #parts: SandboxParts;
  readonly #sandboxes = new Map<string, SandboxRecord>();
  /** Host ends whose namespace was let go; the kernel removes them in its own time. */
  readonly #draining = new Map<string, NodeJS.Timeout>();

  constructor(parts: SandboxParts) {
    this.#parts = parts;
  }

  all(): SandboxRecord[] {
    return [...this.#sandboxes.values()];
  }

  get(containerId: string): SandboxRecord | undefined {
    return this.#sandboxes.get(containerId);
  }

  /** The sandboxes with an endpoint on a network. */
  on(networkId: string): SandboxRecord[] {
    return this.all().filter((sandbox) => sandbox.endpoints.some((e) => e.network === networkId));
  }

  /** Takes over a sandbox that lives already (after a daemon's restart). */
  adopt(sandbox: SandboxRecord): void {
    sandbox.up = true;
    this.#sandboxes.set(sandbox.container, sandbox);
    for (const endpoint of sandbox.endpoints) {
      const address = parseIpv4(endpoint.address);
      if (address !== undefined) this.#parts.networks.get(endpoint.network)?.addresses?.restore(address);
    }
  }

  /** Leases what `request` asks for. Throws with Docker's wording, and then has leased nothing. */
  allocate(containerId: string, request: AllocateRequest): Allocation {
    const { networkMode } = request;
    if (networkMode.startsWith('container:')) {
      return { sandbox: 'container', joins: networkMode.slice('container:'.length), networks: {}, ports: {} };
    }
    if (this.#sandboxes.has(containerId)) this.release(containerId);
    const sandbox: SandboxRecord = {
      container: containerId,
      id: newId(),
      name: request.name,
      hostname: request.hostname ?? '',
      netns: this.#parts.netnsPath(containerId),
      endpoints: [],
      ports: [],
      exposed: [],
      dns: [...(request.dns ?? [])],
      up: false,
    };
    try {
      this.#lease(sandbox, request);
      this.#parts.records.putSandbox(sandbox);
    } catch (err) {
      this.#giveBack(sandbox);
      throw err;
    }
    this.#sandboxes.set(containerId, sandbox);
    return {
      sandbox: networkMode === 'host' ? 'host' : 'own',
      networks: this.settings(sandbox),
      ports: this.ports(sandbox),
    };
  }

  /** Makes what was leased. After a failure nothing of it is there, but the leases are: release them. */
  setup(containerId: string, netnsPath: string, namespace?: number): SandboxInfo {
    const sandbox = this.#sandboxes.get(containerId);
    if (sandbox === undefined) throw system(`network: no allocation for container ${containerId}`);
    const host = sandbox.endpoints.some((e) => this.#network(e.network).driver === 'host');
    if (!host) this.#make(sandbox, netnsPath, namespace);
    sandbox.up = true;
    for (const endpoint of sandbox.endpoints) this.#event('connect', sandbox, endpoint);
    return {
      networks: this.settings(sandbox),
      ports: this.ports(sandbox),
      sandboxId: sandbox.id,
      sandboxKey: host ? '' : netnsPath,
    };
  }

  /**
   * Takes everything down and gives the leases back. Never throws: what cannot be taken down now is said, and stays
   * recorded for the next start.
   */
  release(containerId: string): void {
    const sandbox = this.#sandboxes.get(containerId);
    if (sandbox === undefined) return;
    const { firewall, ipv6Proxy, resolver, records } = this.#parts;
    const clean = [
      () => resolver.close(containerId),
      () => ipv6Proxy.close(sandbox.ports),
      () => sandbox.up && firewall.unpublish(sandbox.ports),
      () => deleteNetns(sandbox.netns),
    ].map((step) => this.#attempt(sandbox, step));
    for (const { link } of sandbox.endpoints) this.#drain(link);
    this.#giveBack(sandbox);
    this.#sandboxes.delete(containerId);
    if (clean.every(Boolean)) records.deleteSandbox(containerId);
    if (sandbox.up) for (const endpoint of sandbox.endpoints) this.#event('disconnect', sandbox, endpoint);
  }

  #attempt(sandbox: SandboxRecord, step: () => void): boolean {
    try {
      step();
      return true;
    } catch (err) {
      this.#parts.log.warn(`releasing the network of ${sandbox.name}: ${messageOf(err)}`);
      return false;
    }
  }

  /** Ties a running sandbox to one more network. */
  connect(network: Network, containerId: string, config: EndpointSettings): EndpointSettings {
    const sandbox = this.#running(containerId);
    const { record } = network;
    const others = sandbox.endpoints.map((e) => this.#network(e.network));
    checkConnect(sandbox.name, record, others);
    const taken = new Set(sandbox.endpoints.map((e) => e.interfaceName));
    let number = 0;
    while (taken.has(`eth${number}`)) number++;
    const endpoint = leaseEndpoint(network, `eth${number}`, config);
    sandbox.endpoints.push(endpoint);
    try {
      this.#parts.records.putSandbox(sandbox);
      const attachment = this.#attachments(sandbox).find((a) => a.endpoint === endpoint);
      const alone = !others.some((other) => other.bridge && !other.internal);
      if (attachment) {
        this.#clearDrained(endpoint);
        this.#parts.bridges.attach(sandbox.netns, [
          { ...attachment, defaultRoute: alone && !record.internal },
        ]);
      }
      if (!isDefaultBridge(record)) this.#parts.resolver.open(sandbox);
    } catch (err) {
      sandbox.endpoints = sandbox.endpoints.filter((e) => e !== endpoint);
      this.#giveAddressBack(endpoint);
      this.#parts.records.putSandbox(sandbox);
      throw err;
    }
    this.#event('connect', sandbox, endpoint);
    return endpointSettings(sandbox, endpoint, record);
  }

  /** Unties a sandbox from a network. */
  disconnect(record: NetworkRecord, containerId: string): void {
    const sandbox = this.#sandboxes.get(containerId);
    const endpoint = sandbox?.endpoints.find((e) => e.network === record.id);
    if (sandbox === undefined || endpoint === undefined) {
      throw system(`container ${containerId} is not connected to network ${record.name}`);
    }
    if (record.driver === 'host')
      throw forbidden('container cannot be disconnected from host network or connected to host network');
    const moved = sandbox.ports.filter((port) => port.address === endpoint.address);
    this.#parts.firewall.unpublish(moved);
    this.#parts.ipv6Proxy.close(moved);
    sandbox.endpoints = sandbox.endpoints.filter((e) => e !== endpoint);
    sandbox.ports = sandbox.ports.filter((port) => !moved.includes(port));
    const attachments = this.#attachments(sandbox);
    const gateway = attachments.find((a) => a.defaultRoute);
    // Published ports move to the endpoint that has the default route now.
    if (gateway === undefined) this.#parts.hostPorts.release(moved);
    else sandbox.ports.push(...moved.map((port) => ({ ...port, address: gateway.endpoint.address })));
    this.#parts.records.putSandbox(sandbox);
    this.#removeLater(endpoint.link, () => this.#giveAddressBack(endpoint));
    if (moved.length > 0) this.#publish(sandbox, attachments);
    if (gateway !== undefined) this.#parts.bridges.ensureDefaultRoute(sandbox.netns, gateway.bridge);
    this.#event('disconnect', sandbox, endpoint);
  }

  rename(containerId: string, name: string): void {
    const sandbox = this.#sandboxes.get(containerId);
    if (sandbox === undefined) return;
    sandbox.name = name;
    this.#parts.records.putSandbox(sandbox);
  }

  /** NetworkSettings.Networks. */
  settings(sandbox: SandboxRecord): Record<string, EndpointSettings> {
    return Object.fromEntries(
      sandbox.endpoints.map((endpoint) => {
        const network = this.#network(endpoint.network);
        return [network.name, endpointSettings(sandbox, endpoint, network)];
      }),
    );
  }

  /** NetworkSettings.Ports. */
  ports(sandbox: SandboxRecord): PortMap {
    const bridged = sandbox.endpoints.some((endpoint) => endpoint.link !== '');
    return bridged ? portMap(sandbox.ports, sandbox.exposed) : {};
  }

  /** The endpoints of a sandbox that are veth pairs, and through which of them the default route goes. */
  attachments(sandbox: SandboxRecord): Attachment[] {
    return this.#attachments(sandbox);
  }

  /** Stops waiting for the kernel. */
  close(): void {
    for (const timer of this.#draining.values()) clearTimeout(timer);
    this.#draining.clear();
  }

  #lease(sandbox: SandboxRecord, request: AllocateRequest): void {
    const configs = wantedNetworks(this.#parts.networks, request);
    for (const [index, [network, config]] of configs.entries()) {
      sandbox.endpoints.push(leaseEndpoint(network, `eth${index}`, config));
    }
    const published = this.#attachments(sandbox).find((a) => a.defaultRoute);
    sandbox.exposed = [
      ...new Set([...(request.exposedPorts ?? []), ...Object.keys(request.portBindings ?? {})]),
    ];
    if (published === undefined) return;
    const asked = portRequests(
      request.portBindings ?? {},
      sandbox.exposed,
      request.publishAll === true,
      published.bridge.hostBinding,
    );
    try {
      sandbox.ports = this.#parts.hostPorts.reserve(asked, published.endpoint.address);
    } catch (err) {
      throw programmingFailure(sandbox, published.endpoint, err);
    }
  }

  #make(sandbox: SandboxRecord, netnsPath: string, namespace?: number): void {
    const { records, bridges, resolver } = this.#parts;
    if (netnsPath !== sandbox.netns) {
      sandbox.netns = netnsPath;
      records.putSandbox(sandbox);
    }
    mkdirSync(dirname(netnsPath), { recursive: true });
    if (existsSync(netnsPath)) deleteNetns(netnsPath);
    createNetns(netnsPath, namespace);
    const attachments = this.#attachments(sandbox);
    try {
      for (const { endpoint } of attachments) this.#clearDrained(endpoint);
      bridges.attach(netnsPath, attachments);
      this.#publish(sandbox, attachments);
      if (attachments.some(({ endpoint }) => !isDefaultBridge(this.#network(endpoint.network)))) {
        resolver.open(sandbox);
      }
    } catch (err) {
      resolver.close(sandbox.container);
      deleteNetns(netnsPath);
      throw err;
    }
  }

  #publish({ ports }: SandboxRecord, attachments: readonly Attachment[]): void {
    if (ports.length === 0) return;
    for (const { endpoint, defaultRoute } of attachments) {
      if (defaultRoute) this.#parts.bridges.allowHairpin(endpoint.link);
    }
    this.#parts.firewall.publish(ports);
    this.#parts.ipv6Proxy.open(ports);
  }

  #attachments(sandbox: SandboxRecord): Attachment[] {
    const bridged = sandbox.endpoints.flatMap((endpoint) => {
      const network = this.#network(endpoint.network);
      return network.bridge ? [{ endpoint, network, bridge: network.bridge }] : [];
    });
    // Docker's order: the highest gw-priority, then the first by name.
    const [gateway] = bridged
      .filter(({ network }) => !network.internal)
      .sort(
        (a, b) =>
          b.endpoint.gatewayPriority - a.endpoint.gatewayPriority ||
          (a.network.name < b.network.name ? -1 : 1),
      );
    return bridged.map(({ endpoint, bridge }) => ({
      endpoint,
      bridge,
      defaultRoute: endpoint === gateway?.endpoint,
    }));
  }

  #removeLater(link: string, then: () => void = () => {}): void {
    const removed = link === '' ? Promise.resolve() : this.#parts.bridges.removeLinkLater(link);
    removed.then(then, (err: unknown) => this.#parts.log.warn(`removing ${link}: ${messageOf(err)}`));
  }

  /** Lets the kernel remove the host end with the namespace, which takes it a while; looks later. */
  #drain(link: string): void {
    if (link === '') return;
    const timer = setTimeout(() => {
      this.#draining.delete(link);
      // Still there: somebody else holds the namespace (a container that joined it). The lease is over.
      this.#removeLater(link);
    }, DRAIN_MS);
    this.#draining.set(link, timer.unref());
  }

  /** An address that is given again at once must not still be answered by its last holder. */
  #clearDrained(endpoint: EndpointRecord): void {
    if (endpoint.ipamConfig?.IPv4Address === undefined) return;
    for (const [link, timer] of this.#draining) {
      clearTimeout(timer);
      this.#draining.delete(link);
      this.#parts.bridges.removeLink(link);
    }
  }

  #giveBack(sandbox: SandboxRecord): void {
    this.#parts.hostPorts.release(sandbox.ports);
    for (const endpoint of sandbox.endpoints) this.#giveAddressBack(endpoint);
  }

  #giveAddressBack(endpoint: EndpointRecord): void {
    const address = parseIpv4(endpoint.address);
    if (address !== undefined) this.#parts.networks.get(endpoint.network)?.addresses?.give(address);
  }

  #running(containerId: string): SandboxRecord {
    const sandbox = this.#sandboxes.get(containerId);
    if (sandbox === undefined || !sandbox.up) throw conflict(`container ${containerId} is not running`);
    return sandbox;
  }

  #network(id: string): NetworkRecord {
    const network = this.#parts.networks.get(id);
    if (network === undefined) throw notFound(`network ${id} not found`);
    return network.record;
  }

  #event(action: 'connect' | 'disconnect', sandbox: SandboxRecord, endpoint: EndpointRecord): void {
    const network = this.#network(endpoint.network);
    this.#parts.onEvent({
      action,
      id: network.id,
      attributes: { container: sandbox.container, name: network.name, type: network.driver },
    });
  }
}
