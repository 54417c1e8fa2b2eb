import { hostname } from 'node:os';
import { join } from 'node:path';
import type {
  ContainerCreateRequest,
  ContainerCreateResponse,
  EventMessage,
  OCIDescriptor,
  SystemDataUsageResponse,
} from '@docker/node-sdk';
import { type ContainerRecord, ContainerService, type ImageFacts } from '../container/index.ts';
import { ContentStore } from '../content/index.ts';
import { isKind, messageOf, notFound } from '../errdefs/index.ts';
import { type Image, ImageService, type PlatformRequest } from '../image/index.ts';
import { ensureHybridUsable, favorDynamicCgroups, type IdMap } from '../linux/index.ts';
import { NetworkService } from '../network/index.ts';
import type { Digest } from '../oci/index.ts';
import { CdiRegistry, DEFAULT_CAPABILITIES, defaultSeccomp } from '../runtime/index.ts';
import { Snapshotter } from '../snapshot/index.ts';
import { Store } from '../store/index.ts';
import { VolumeService } from '../volume/index.ts';
import { type CgroupSettings, chooseCgroupDriver } from './cgroup-driver.ts';
import type { EngineConfig, EngineLog } from './config.ts';
import { EventBus } from './events.ts';
import { engineId, machineWarnings, systemInfo, systemVersion } from './info.ts';
import { reloadConfig } from './reload.ts';
import { checkRemap, remapIds } from './remap.ts';
import { claimRoots } from './root-lock.ts';
import { securityWarnings } from './security.ts';

type DiskUsageType = 'container' | 'image' | 'volume' | 'build-cache';

/** The engine: the store opened, the rooms wired, kernel and records reconciled. */
export class Engine {
  readonly containers: ContainerService;
  readonly images: ImageService;
  readonly networks: NetworkService;
  readonly volumes: VolumeService;
  readonly events = new EventBus();
  readonly #config: EngineConfig;
  readonly #cgroups: CgroupSettings;
  readonly #store: Store;
  readonly #snapshots: Snapshotter;
  readonly #id: string;
  readonly #idMap: IdMap | undefined;
  readonly #warnings: string[];
  readonly #cdi: CdiRegistry;
  readonly #releaseRoots: () => void;

  private constructor(config: EngineConfig, log: EngineLog, releaseRoots: () => void) {
    this.#releaseRoots = releaseRoots;
    this.#config = { ...config, registry: { ...config.registry } };
    this.#cgroups = chooseCgroupDriver(config, log);
    const { dataRoot, execRoot } = config;
    this.#id = engineId(dataRoot);
    this.#warnings = [...machineWarnings(), ...securityWarnings(config)];
    this.#cdi = new CdiRegistry(config.cdiSpecDirs);
    const repair = ensureHybridUsable();
    for (const controller of repair.mounted) {
      log.info(`mounted the cgroup controller ${controller} as v1: the runtime refuses a mixed set-up`);
    }
    for (const { controller, reason } of repair.failed) {
      this.#warnings.push(
        `WARNING: cgroup controller ${controller} stays on the unified hierarchy (${reason})`,
      );
    }
    // Worth 5 to 12 ms at every start and exec; see its docstring for the price.
    if (favorDynamicCgroups()) log.info('the kernel favours control group changes (favordynmods)');
    // Compiled once, in 15 ms: before the first container asks, after the daemon is up.
    setTimeout(() => defaultSeccomp(DEFAULT_CAPABILITIES), 200).unref();
    const store = Store.open(join(dataRoot, 'wharf.db'));
    this.#store = store;
    this.#snapshots = new Snapshotter({
      root: join(dataRoot, 'snapshots'),
      log: (message) => log.warn(message),
    });
    this.#idMap = config.usernsRemap === undefined ? undefined : this.#remap(config.usernsRemap, log);
    this.images = new ImageService({
      store,
      content: new ContentStore({ root: join(dataRoot, 'content') }),
      snapshots: this.#snapshots,
      registry: this.#config.registry,
      maxConcurrentDownloads: config.maxConcurrentDownloads,
      maxConcurrentUploads: config.maxConcurrentUploads,
      onEvent: ({ action, id, attributes }) => this.events.emit('image', action, id, attributes),
      usedBy: (imageId) => this.#usersOfImage(imageId),
      layersInUse: () => this.containers.records().flatMap((record) => record.diffIds),
      log: (message) => log.warn(message),
    });
    this.volumes = new VolumeService({
      store,
      root: join(dataRoot, 'volumes'),
      usedBy: (name) => this.#usersOfVolume(name),
      onEvent: (action, name, attributes) => this.events.emit('volume', action, name, attributes),
    });
    this.networks = new NetworkService({
      store,
      root: join(dataRoot, 'network'),
      execRoot,
      bridgeName: config.bridgeName,
      ...(config.bip ? { bip: config.bip } : {}),
      ...(config.addressPools ? { addressPools: config.addressPools } : {}),
      ...(config.mtu ? { mtu: config.mtu } : {}),
      dns: config.dns,
      dnsSearch: config.dnsSearch,
      dnsOptions: config.dnsOptions,
      hostGatewayIps: config.hostGatewayIps,
      onEvent: ({ action, id, attributes }) => this.events.emit('network', action, id, attributes),
      log,
    });
    const live = this.#config;
    this.containers = new ContainerService({
      store,
      dataRoot,
      execRoot,
      ...this.#cgroups,
      ...(config.shimCgroup ? { shimCgroup: config.shimCgroup } : {}),
      // Read at each use: they can be reloaded.
      get runtimes() {
        return live.runtimes;
      },
      get defaultRuntime() {
        return live.defaultRuntime;
      },
      shimPath: config.shimPath,
      logDefaults: config.logDefaults,
      initPath: config.initPath,
      init: config.init,
      cdi: this.#cdi,
      idMap: this.#idMap,
      security: config.security,
      snapshots: {
        prepare: (key, diffIds) => this.#snapshots.prepare(key, diffIds, { initFiles: true }),
        mount: (key, target, owner) => this.#snapshots.mount(key, target, owner),
        unmount: (target) => this.#snapshots.unmount(target),
        lend: (key, at, owner) => this.#snapshots.lend(key, at, owner),
        remove: (key) => this.#snapshots.remove(key),
        usage: (key) => this.#snapshots.usage(key),
        layerSize: (diffId) => this.#snapshots.layerSize(diffId),
        layout: (key) => this.#snapshots.layout(key),
      },
      network: this.networks,
      volumes: this.volumes,
      imageManifest: (imageId) => this.#imageManifest(imageId),
      commit: { images: this.images, diff: (id) => this.#snapshots.diff(id) },
      resolveImage: (ref) => imageFacts(this.images.resolve(ref)),
      onEvent: (action, record, attributes) =>
        this.events.emit('container', action, record.id, {
          ...record.config.Labels,
          image: record.config.Image ?? '',
          name: record.name,
          ...attributes,
        }),
      onPrune: (reclaimed) => this.events.emit('container', 'prune', '', { reclaimed: String(reclaimed) }),
      log,
    });
  }

  #remap(spec: string, log: EngineLog): IdMap | undefined {
    const map = remapIds(spec);
    if (map === undefined) {
      log.warn('User namespaces: root cannot be remapped with itself; user namespaces are OFF');
      return undefined;
    }
    checkRemap(this.#config, this.#snapshots, map);
    const { inside, outside, size } = map.uids[0]!;
    log.info(
      `User namespaces: users ${inside} to ${inside + size - 1} of containers are ${outside} to ${outside + size - 1} here`,
    );
    return map;
  }

  /**
   * Opens the engine on its roots: finds the containers an earlier daemon left running, learns how the others
   * ended, and removes from the kernel and the disk what has no owner.
   */
  static async open(config: EngineConfig, log: EngineLog): Promise<Engine> {
    const engine = new Engine(config, log, claimRoots(config));
    const running = await engine.containers.reconcile();
    engine.networks.init(running);
    engine.#snapshots.reconcile(new Set(engine.containers.ids()));
    engine.volumes.reconcile(engine.#volumeUsers(running));
    engine.images
      .repair()
      .then(() => engine.images.collectGarbage({ atStart: true }))
      .catch((err: unknown) => log.warn(`unused blobs and layers not removed: ${messageOf(err)}`));
    engine.containers.restartByPolicy();
    for (const warning of engine.#warnings) log.warn(warning);
    return engine;
  }

  /** Takes over the settings that may change while containers run: see {@link reloadConfig}. */
  reload(fresh: EngineConfig): void {
    const attributes = reloadConfig(this.#config, fresh);
    this.events.emit('daemon', 'reload', this.#id, { name: hostname(), ...attributes });
  }

  /**
   * Stops the containers (as dockerd does without live restore), takes bridges and rules off the host, and closes. With live
   * restore containers and their networks stay as they are, unless the machine itself goes down: then they get
   * their stop signals and their time as ever, instead of being cut off.
   */
  async shutdown({ machineStops = false } = {}): Promise<void> {
    if (this.#config.liveRestore && !machineStops) return this.close();
    await this.containers.shutdown();
    await this.#close(() => this.networks.destroy());
  }

  /** Lets go of everything; containers that run go on. */
  close(): Promise<void> {
    return this.#close(() => this.networks.close());
  }

  async #close(closeNetworks: () => void | Promise<void>): Promise<void> {
    this.containers.close();
    await this.containers.files.close();
    await closeNetworks();
    await this.#snapshots.close();
    this.#store.close();
    this.#releaseRoots();
  }

  /** The files a container changed against its image. */
  changes(id: string): ReturnType<Snapshotter['changes']> {
    return this.#snapshots.changes(this.containers.record(id).id);
  }

  info(): ReturnType<typeof systemInfo> {
    return systemInfo({
      config: this.#config,
      cgroupDriver: this.#cgroups.cgroupDriver,
      id: this.#id,
      records: this.containers.records(),
      images: this.images.list({}).length,
      eventListeners: this.events.listeners,
      warnings: this.#warnings,
      cdi: this.#cdi,
      remapped: this.#idMap !== undefined,
    });
  }

  version(): ReturnType<typeof systemVersion> {
    return systemVersion(this.#config);
  }

  /** `GET /system/df`: only the asked parts. */
  async diskUsage(types: ReadonlySet<DiskUsageType>): Promise<SystemDataUsageResponse> {
    const usage: SystemDataUsageResponse = {};
    if (types.has('image')) {
      usage.LayersSize = this.images.layersSize();
      usage.Images = this.images.list({ sharedSize: true, containerCount: true });
    }
    if (types.has('container'))
      usage.Containers = await this.listContainers({ all: true, limit: 0, size: true, filters: {} });
    if (types.has('volume')) usage.Volumes = await this.volumes.usage();
    if (types.has('build-cache')) usage.BuildCache = [];
    return usage;
  }

  listContainers(request: Parameters<ContainerService['list']>[0]): ReturnType<ContainerService['list']> {
    return this.containers.list(
      request,
      (record) => this.#imageName(record),
      (imageId, ancestor) => this.#isAncestor(imageId, ancestor),
    );
  }

  subscribe(
    options: Parameters<EventBus['subscribe']>[0],
    listener: (event: EventMessage) => void,
  ): ReturnType<EventBus['subscribe']> {
    return this.events.subscribe(options, listener);
  }

  /** The name a container was created with while it still means the container's image; else the image's id. */
  #imageName(record: ContainerRecord): string {
    const name = record.config.Image ?? '';
    return this.#resolvesTo(name, record.imageId) ? name : record.imageId;
  }

  #isAncestor(imageId: string, ancestor: string): boolean {
    if (this.#resolvesTo(ancestor, imageId)) return true;
    let image = this.images.get(imageId as Digest);
    while (image?.parent) {
      if (this.#resolvesTo(ancestor, image.parent)) return true;
      image = this.images.get(image.parent);
    }
    return false;
  }

  #resolvesTo(ref: string, imageId: string): boolean {
    try {
      return this.images.resolve(ref).id === imageId;
    } catch (err) {
      if (isKind(err, 'NotFound', 'InvalidParameter')) return false;
      throw err;
    }
  }

  /** @throws NotFound, so that clients pull, when the image is there for another platform than the one asked for */
  async createContainer(request: {
    name?: string;
    platform?: PlatformRequest;
    config: ContainerCreateRequest;
  }): Promise<ContainerCreateResponse> {
    const { platform, config } = request;
    try {
      if (platform && config.Image) this.images.inspect(config.Image, { platform });
    } catch (err) {
      throw isKind(err, 'InvalidParameter') ? notFound(messageOf(err), { cause: err }) : err;
    }
    return this.containers.create(request);
  }

  #imageManifest(imageId: Digest): OCIDescriptor | undefined {
    try {
      const { Descriptor, Architecture = '', Os = '', Variant } = this.images.inspect(imageId);
      const platform = { architecture: Architecture, os: Os, ...(Variant ? { variant: Variant } : {}) };
      return Descriptor && { ...Descriptor, platform };
    } catch (err) {
      if (isKind(err, 'NotFound')) return undefined;
      throw err;
    }
  }

  #usersOfImage(imageId: Digest): { id: string; running: boolean; name: string; image?: string }[] {
    return this.containers
      .records()
      .filter((record) => record.imageId === imageId)
      .map(({ id, name, state, config }) => ({
        id,
        name,
        running: state.status === 'running' || state.status === 'paused',
        ...(config.Image ? { image: config.Image } : {}),
      }));
  }

  #usersOfVolume(name: string): string[] {
    return this.containers
      .records()
      .filter((record) => record.mounts.some((mount) => mount.type === 'volume' && mount.name === name))
      .map((record) => record.id);
  }

  #volumeUsers(running: ReadonlySet<string>): Map<string, Set<string>> {
    const users = new Map<string, Set<string>>();
    for (const record of this.containers.records()) {
      if (!running.has(record.id)) continue;
      for (const mount of record.mounts) {
        if (mount.name) users.set(mount.name, (users.get(mount.name) ?? new Set()).add(record.id));
      }
    }
    return users;
  }
}

function imageFacts(image: Image): ImageFacts {
  return { id: image.id, diffIds: [...image.diffIds], config: { ...image.config.config } };
}
