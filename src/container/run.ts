/** Makes everything a run of a container stands on: network, root file system, files, mounts, the OCI config. */
import { mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { messageOf } from '../errdefs/index.ts';
import { mountFilesystem, RootedDir, unmountIfMounted } from '../linux/index.ts';
import type { Container } from './container.ts';
import type { ContainerDeps } from './deps.ts';
import { mountTable, type ResolvedMount } from './mount-table.ts';
import type { ContainerPaths } from './paths.ts';
import { containerSpec, joinedNamespaces } from './spec-input.ts';
import type { ContainerRecord, MountRecord } from './types.ts';

/** A prepared run. `undo` takes all of it back, in reverse order; it never throws and works once. */
export interface Run {
  undo(): void;
  /** What the machine could not give, as Docker's warnings. */
  readonly warnings: readonly string[];
}

/**
 * Prepares a run; synchronous. What was made is taken back when a later step fails.
 * @param find the container another one joins (`--network container:X`, `--pid`, `--ipc`)
 */
export function prepareRun(
  deps: ContainerDeps,
  record: ContainerRecord,
  paths: ContainerPaths,
  find: (id: string) => Container | undefined,
): Run {
  const steps: (() => void)[] = [];
  const undo = (): void => {
    for (const step of steps.splice(0).reverse()) {
      try {
        step();
      } catch (err) {
        deps.log.error(`container ${record.id}: clean-up: ${messageOf(err)}`);
      }
    }
  };
  try {
    const warnings = prepare(deps, record, paths, find, steps);
    return { undo, warnings };
  } catch (err) {
    undo();
    throw err;
  }
}

function prepare(
  deps: ContainerDeps,
  record: ContainerRecord,
  paths: ContainerPaths,
  find: (id: string) => Container | undefined,
  steps: (() => void)[],
): readonly string[] {
  const { network, snapshots } = deps;
  const namespaces = joinedNamespaces(record, find);
  const allocation = network.allocate(record.id, allocationRequest(record));
  steps.push(() => network.release(record.id));
  mkdirSync(paths.rootfs, { recursive: true, mode: 0o711 });
  snapshots.mount(record.id, paths.rootfs);
  steps.push(() => snapshots.unmount(paths.rootfs));
  writeFiles(deps, record, paths);
  const mounts = mountTable(record, paths, mountSources(deps, record, steps));
  if (record.hostConfig.IpcMode === 'shareable') shareableShm(record, paths, steps);
  const netns = allocation.sandbox === 'own' ? network.netnsPath(record.id) : namespaces.network;
  const root = RootedDir.open(paths.rootfs);
  try {
    const { spec, warnings } = containerSpec(deps, record, {
      root,
      rootfs: paths.rootfs,
      mounts,
      namespaces: { ...namespaces, network: netns },
    });
    if (allocation.sandbox === 'own') network.setup(record.id, network.netnsPath(record.id));
    writeFileSync(paths.config, JSON.stringify(spec), { mode: 0o600 });
    return warnings;
  } finally {
    root.close();
  }
}

function allocationRequest(record: ContainerRecord): Parameters<ContainerDeps['network']['allocate']>[1] {
  const { config, hostConfig } = record;
  return {
    name: record.name,
    ...(config.Hostname ? { hostname: config.Hostname } : {}),
    networkMode: config.NetworkDisabled ? 'none' : (hostConfig.NetworkMode ?? 'bridge'),
    endpointsConfig: record.endpoints,
    portBindings: hostConfig.PortBindings ?? {},
    exposedPorts: Object.keys(config.ExposedPorts ?? {}),
    publishAll: hostConfig.PublishAllPorts ?? false,
    ...(config.MacAddress ? { macAddress: config.MacAddress } : {}),
    dns: hostConfig.Dns ?? [],
    links: hostConfig.Links ?? [],
  };
}

function writeFiles(deps: ContainerDeps, record: ContainerRecord, paths: ContainerPaths): void {
  const { config, hostConfig } = record;
  const hostname = config.Hostname ?? '';
  const files = deps.network.files(record.id, {
    hostname,
    ...(config.Domainname ? { domainname: config.Domainname } : {}),
    extraHosts: hostConfig.ExtraHosts ?? [],
    dns: hostConfig.Dns ?? [],
    dnsSearch: hostConfig.DnsSearch ?? [],
    dnsOptions: hostConfig.DnsOptions ?? [],
    networkMode: hostConfig.NetworkMode ?? 'bridge',
  });
  writeFileSync(paths.hosts, files.hosts, { mode: 0o644 });
  writeFileSync(paths.resolvConf, files.resolvConf, { mode: 0o644 });
  const full = config.Domainname ? `${hostname}.${config.Domainname}` : hostname;
  writeFileSync(paths.hostname, `${full}\n`, { mode: 0o644 });
}

/** Where each mount's data is on the host, made ready. */
function mountSources(deps: ContainerDeps, record: ContainerRecord, steps: (() => void)[]): ResolvedMount[] {
  return record.mounts.map((mount) => ({ ...mount, source: mountSource(deps, record, mount, steps) }));
}

function mountSource(
  deps: ContainerDeps,
  record: ContainerRecord,
  mount: MountRecord,
  steps: (() => void)[],
): string {
  if (mount.type === 'tmpfs') return 'tmpfs';
  if (mount.type === 'bind') {
    const source = mount.source!;
    // `-v` makes a missing directory; `--mount` was checked at creation.
    if (!statSync(source, { throwIfNoEntry: false })) mkdirSync(source, { recursive: true, mode: 0o755 });
    return source;
  }
  const name = mount.name!;
  deps.volumes.create({ Name: name });
  const data = deps.volumes.mount(name, record.id);
  steps.push(() => deps.volumes.unmount(name, record.id));
  if (!mount.subpath) return data;
  const root = RootedDir.open(data);
  try {
    // Resolved inside the volume by the kernel: a symlink in it cannot lead out.
    return `${data}${root.realpath(mount.subpath).toString()}`;
  } finally {
    root.close();
  }
}

/** `--ipc shareable`: /dev/shm is a mount of the host's side, which other containers can join. */
function shareableShm(record: ContainerRecord, paths: ContainerPaths, steps: (() => void)[]): void {
  mkdirSync(paths.shm, { recursive: true, mode: 0o1777 });
  mountFilesystem(
    'tmpfs',
    paths.shm,
    { source: 'shm', mode: '1777', size: String(record.hostConfig.ShmSize) },
    {
      noSuid: true,
      noDev: true,
      noExec: true,
    },
  );
  steps.push(() => {
    unmountIfMounted(paths.shm, { detach: true });
    rmSync(paths.shm, { recursive: true, force: true });
  });
}
