import type {
  EndpointSettings,
  NetworkCreateRequest,
  NetworkCreateResponse,
  NetworkInspect,
  NetworkPruneResponse,
} from '@docker/node-sdk';
import { notImplemented } from '../errdefs/index.ts';
import type { Store } from '../store/index.ts';
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
  /** dockerd's `--mtu`. */
  mtu?: number;
  log?: NetworkLog;
}

/** Filters of list and prune: key → accepted values (`{"driver": ["bridge"]}`). */
export type NetworkFilters = Record<string, readonly string[]>;

export class NetworkService {
  constructor(_options: NetworkServiceOptions) {}

  /** Makes the kernel and the leases agree, and makes the networks `bridge`, `host` and `none`. */
  init(_liveContainers: ReadonlySet<string>): void {
    throw notImplemented('network: init');
  }
  list(_filters?: NetworkFilters): NetworkInspect[] {
    throw notImplemented('network: list');
  }
  inspect(_idOrName: string, _options?: { verbose?: boolean; scope?: string }): NetworkInspect {
    throw notImplemented('network: inspect');
  }
  create(_request: NetworkCreateRequest): NetworkCreateResponse {
    throw notImplemented('network: create');
  }
  remove(_idOrName: string): void {
    throw notImplemented('network: remove');
  }
  prune(_filters?: NetworkFilters): NetworkPruneResponse {
    throw notImplemented('network: prune');
  }
  /** Attaches a running container (one that has been set up) to one more network. */
  connect(
    _idOrName: string,
    _container: { id: string; name: string },
    _config?: EndpointSettings,
  ): EndpointSettings {
    throw notImplemented('network: connect');
  }
  disconnect(_idOrName: string, _container: { id: string; name: string }, _force?: boolean): void {
    throw notImplemented('network: disconnect');
  }
  /** Reserves addresses, MACs and host ports and records them; makes nothing yet. */
  allocate(_containerId: string, _request: AllocateRequest): Allocation {
    throw notImplemented('network: allocate');
  }
  /** Makes namespace (when `netnsPath` is absent), links, addresses, routes, port rules. Undoes itself on failure. */
  setup(_containerId: string, _netnsPath: string): SandboxInfo {
    throw notImplemented('network: setup');
  }
  /** Takes down what setup and allocate made. Not an error when there is nothing. */
  release(_containerId: string): void {
    throw notImplemented('network: release');
  }
  /** Contents of /etc/hosts and /etc/resolv.conf, after allocate(). */
  files(_containerId: string, _request: FilesRequest): NetworkFiles {
    throw notImplemented('network: files');
  }
  /** NetworkSettings of ContainerInspect; undefined when the container has no sandbox (is not running). */
  settings(_containerId: string): ContainerNetworkSettings | undefined {
    throw notImplemented('network: settings');
  }
  /** Names follow a container that is renamed. */
  rename(_containerId: string, _name: string): void {
    throw notImplemented('network: rename');
  }
  /** Conventional path of a container's namespace file. */
  netnsPath(_containerId: string): string {
    throw notImplemented('network: netnsPath');
  }
  /** Closes sockets held by this process; leaves everything running for the next daemon. */
  close(): void {}
}
