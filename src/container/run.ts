/** Makes everything a run of a container stands on: network, root file system, files, mounts, the OCI config. */
import {
  chownSync,
  fstatSync,
  mkdirSync,
  readdirSync,
  rmdirSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { messageOf, notFound } from '../errdefs/index.ts';
import {
  bindIdmapped,
  bindMount,
  closeFd,
  isErrno,
  mountFilesystem,
  O,
  RootedDir,
  unmountIfMounted,
} from '../linux/index.ts';
import type { Container } from './container.ts';
import type { ContainerDeps, MountOwner } from './deps.ts';
import { linkEnvironment, linkRequests } from './links.ts';
import { makeMountPoints } from './mount-points.ts';
import { mountTable, type ResolvedMount } from './mount-table.ts';
import { type ContainerPaths, containerPaths } from './paths.ts';
import { containerSpec, donorOf, joinedNamespaces } from './spec-input.ts';
import type { ContainerRecord, MountRecord } from './types.ts';
import { openUserNamespace, type RunUserNamespace } from './user-namespace.ts';

/** A prepared run. `undo` takes all of it back, in reverse order; it never throws and works once. */
export interface Run {
  undo(): void;
  /** The runtime has started the program: what it needed until then is let go. */
  started(): void;
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
    const prepared = prepare(deps, record, paths, find, steps);
    return { undo, ...prepared };
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
): Pick<Run, 'started' | 'warnings'> {
  const { network, snapshots } = deps;
  const namespaces = joinedNamespaces(record, find);
  let told = false;
  // Undone last: Docker tells of the volumes after the networks, at the start and at the end.
  steps.push(() => {
    if (told) announceUnmounts(deps, record);
  });
  const allocation = network.allocate(record.id, allocationRequest(record));
  steps.push(() => network.release(record.id));
  mkdirSync(paths.rootfs, { recursive: true, mode: 0o711 });
  const wasRemapped = record.idMap !== undefined;
  const userns = openUserNamespace(deps, record, find);
  if (userns) steps.push(userns.close);
  snapshots.mount(record.id, paths.rootfs, userns?.owner);
  steps.push(() => snapshots.unmount(paths.rootfs));
  const files = networkFiles(deps, record, paths, find, wasRemapped || userns ? ownerIds(userns) : undefined);
  const sources = mountSources(deps, record, paths, steps, userns?.owner);
  const mounts = mountTable(
    record,
    files,
    sources,
    sharedShm(deps, record, paths, find, steps, ownerIds(userns)),
  );
  const netns = allocation.sandbox === 'own' ? network.netnsPath(record.id) : namespaces.network;
  const root = RootedDir.open(paths.rootfs);
  try {
    makeMountPoints(root, sources, ownerIds(userns));
    const { spec, warnings } = containerSpec(deps, record, {
      root,
      rootfs: paths.rootfs,
      mounts,
      linkEnv: linkEnvironment(deps, record, find),
      namespaces: { ...namespaces, network: netns, user: userns?.path },
    });
    if (allocation.sandbox === 'own') {
      network.setup(record.id, network.netnsPath(record.id), userns?.network);
    }
    writeFileSync(paths.config, JSON.stringify(spec), { mode: 0o600 });
    announceMounts(deps, record);
    told = true;
    return { warnings, started: () => userns?.close() };
  } finally {
    root.close();
  }
}

interface Ids {
  uid: number;
  gid: number;
}

/** Who root in the container is outside. */
const ownerIds = (userns: RunUserNamespace | undefined): Ids => ({
  uid: userns?.owner.rootUid ?? 0,
  gid: userns?.owner.rootGid ?? 0,
});

function announceMounts({ volumes }: ContainerDeps, record: ContainerRecord): void {
  for (const mount of record.mounts) {
    if (mount.type !== 'volume') continue;
    volumes.announce('mount', mount.name!, {
      container: record.id,
      destination: mount.destination,
      'read/write': String(!mount.readOnly),
      propagation: mount.propagation ?? '',
    });
  }
}

/** The events at the end of a run, which an earlier daemon may have begun. */
export function announceUnmounts({ volumes }: ContainerDeps, record: ContainerRecord): void {
  for (const { type, name } of record.mounts) {
    if (type === 'volume') volumes.announce('unmount', name!, { container: record.id });
  }
}

function allocationRequest(record: ContainerRecord): Parameters<ContainerDeps['network']['allocate']>[1] {
  const { config, hostConfig } = record;
  return {
    name: record.name,
    ...(config.Hostname ? { hostname: config.Hostname } : {}),
    networkMode: config.NetworkDisabled ? 'none' : (hostConfig.NetworkMode ?? 'bridge'),
    ...(record.leftNetworkMode ? { withoutMode: true } : {}),
    endpointsConfig: record.endpoints,
    portBindings: hostConfig.PortBindings ?? {},
    exposedPorts: Object.keys(config.ExposedPorts ?? {}),
    publishAll: hostConfig.PublishAllPorts ?? false,
    ...(config.MacAddress ? { macAddress: config.MacAddress } : {}),
    dns: hostConfig.Dns ?? [],
    links: linkRequests(record),
  };
}

/**
 * Whose `/etc/hosts`, `/etc/resolv.conf` and `/etc/hostname` the container gets: its own, or with `--network container:X`
 * those of X, and X's host name, too.
 */
function networkFiles(
  deps: ContainerDeps,
  record: ContainerRecord,
  paths: ContainerPaths,
  find: (id: string) => Container | undefined,
  owner: Ids | undefined,
): ContainerPaths {
  const donor = donorOf(record, 'NetworkMode', find);
  if (!donor) {
    writeFiles(deps, record, paths);
    if (owner) {
      for (const file of [paths.hosts, paths.resolvConf, paths.hostname])
        chownSync(file, owner.uid, owner.gid);
    }
    return paths;
  }
  const { Hostname, Domainname } = donor.record.config;
  Object.assign(record.config, { Hostname, Domainname });
  return containerPaths(deps.dataRoot, deps.execRoot, donor.id);
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
  writeFileSync(paths.hostname, `${hostname}\n`, { mode: 0o644 });
}

/** Where each mount's data is on the host, made ready. */
function mountSources(
  deps: ContainerDeps,
  record: ContainerRecord,
  paths: ContainerPaths,
  steps: (() => void)[],
  owner: MountOwner | undefined,
): ResolvedMount[] {
  return record.mounts.map((mount) => {
    const source = mountSource(deps, record, paths, mount, steps, owner);
    return { ...mount, source, isDirectory: mount.type === 'tmpfs' || statSync(source).isDirectory() };
  });
}

function mountSource(
  deps: ContainerDeps,
  record: ContainerRecord,
  paths: ContainerPaths,
  mount: MountRecord,
  steps: (() => void)[],
  owner: MountOwner | undefined,
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
  // A directory of ours keeps the image's ids, as layers do; what a volume mounts from elsewhere has its own.
  const viewer = deps.volumes.isPlain(name) ? owner : undefined;
  return mount.subpath || viewer ? bindSubpath(data, mount.subpath || '.', paths, steps, viewer) : data;
}

/**
 * A part of a volume, at a place of its own. Resolved by the kernel inside the volume, and held by a descriptor until
 * it is mounted: whoever writes to the volume at this moment cannot lead it elsewhere.
 */
function bindSubpath(
  volume: string,
  subpath: string,
  paths: ContainerPaths,
  steps: (() => void)[],
  owner: MountOwner | undefined,
): string {
  mkdirSync(paths.subpaths, { recursive: true, mode: 0o700 });
  const target = join(paths.subpaths, String(readdirSync(paths.subpaths).length));
  const root = RootedDir.open(volume);
  try {
    const part = openPart(root, subpath);
    try {
      const isDirectory = fstatSync(part).isDirectory();
      if (isDirectory) mkdirSync(target);
      else writeFileSync(target, '');
      if (owner) bindIdmapped(`/proc/self/fd/${part}`, target, owner.userNamespace);
      else bindMount(`/proc/self/fd/${part}`, target, { recursive: true });
      steps.push(() => {
        unmountIfMounted(target, { detach: true });
        // Never recursive: what is here may still be the volume.
        if (isDirectory) rmdirSync(target);
        else unlinkSync(target);
      });
    } finally {
      closeFd(part);
    }
  } finally {
    root.close();
  }
  return target;
}

/** @throws NotFound in moby's words when nothing is there */
function openPart(volume: RootedDir, subpath: string): number {
  try {
    return volume.open(subpath, O.PATH);
  } catch (err) {
    if (!isErrno(err, 'ENOENT', 'ENOTDIR')) throw err;
    throw notFound(`cannot access path ${subpath}: no such file or directory`, {
      cause: err,
      hint: 'A symbolic link in the volume leads nowhere but into the volume',
    });
  }
}

/** The host's side of /dev/shm: its own when others may join it (`--ipc shareable`), or that of the container it joins. */
function sharedShm(
  deps: ContainerDeps,
  record: ContainerRecord,
  paths: ContainerPaths,
  find: (id: string) => Container | undefined,
  steps: (() => void)[],
  owner: Ids,
): string | undefined {
  const donor = donorOf(record, 'IpcMode', find);
  if (donor) return containerPaths(deps.dataRoot, deps.execRoot, donor.id).shm;
  if (record.hostConfig.IpcMode !== 'shareable') return undefined;
  shareableShm(record, paths, steps, owner);
  return paths.shm;
}

/** `--ipc shareable`: /dev/shm is a mount of the host's side, which other containers can join. */
function shareableShm(
  record: ContainerRecord,
  paths: ContainerPaths,
  steps: (() => void)[],
  { uid, gid }: Ids,
): void {
  mkdirSync(paths.shm, { recursive: true, mode: 0o1777 });
  mountFilesystem(
    'tmpfs',
    paths.shm,
    {
      source: 'shm',
      mode: '1777',
      size: String(record.hostConfig.ShmSize),
      uid: String(uid),
      gid: String(gid),
    },
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
