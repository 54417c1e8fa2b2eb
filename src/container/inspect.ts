/** A container as `GET /containers/{id}/json` shows it (API 1.51). */
import type { ContainerInspectResponse, ContainerState, HostConfig, MountPoint } from '@docker/node-sdk';
import { cgroupMode } from '../linux/index.ts';
import type { Container } from './container.ts';
import type { ContainerDeps } from './deps.ts';
import type { HealthState, HealthStatus, ProbeResult } from './health-state.ts';
import { hasRun, networkSettings } from './inspect-network.ts';
import { linksShown } from './links.ts';
import type { ContainerPaths } from './paths.ts';
import type { ContainerRecord, MountRecord } from './types.ts';

/** Docker's answer; its health log has times as text (the SDK says Date). */
export type ContainerInspect = Omit<ContainerInspectResponse, 'State'> & {
  State?: Omit<ContainerState, 'Health'> & {
    Health?: { Status?: HealthStatus; FailingStreak?: number; Log?: ProbeResult[] };
  };
};

/** Docker shows every field of HostConfig; these are the zero values of those a client left out. */
const HOST_CONFIG_ZERO = {
  Binds: null,
  ContainerIDFile: '',
  LogConfig: { Type: 'json-file', Config: {} },
  NetworkMode: 'bridge',
  PortBindings: null,
  RestartPolicy: { Name: 'no', MaximumRetryCount: 0 },
  AutoRemove: false,
  VolumeDriver: '',
  VolumesFrom: null,
  ConsoleSize: [0, 0],
  CapAdd: null,
  CapDrop: null,
  CgroupnsMode: 'private',
  Dns: null,
  DnsOptions: null,
  DnsSearch: null,
  ExtraHosts: null,
  GroupAdd: null,
  IpcMode: 'private',
  Cgroup: '',
  Links: null,
  OomScoreAdj: 0,
  PidMode: '',
  Privileged: false,
  PublishAllPorts: false,
  ReadonlyRootfs: false,
  SecurityOpt: null,
  UTSMode: '',
  UsernsMode: '',
  ShmSize: 67108864,
  Runtime: '',
  Isolation: '',
  CpuShares: 0,
  Memory: 0,
  NanoCpus: 0,
  CgroupParent: '',
  BlkioWeight: 0,
  BlkioWeightDevice: null,
  BlkioDeviceReadBps: null,
  BlkioDeviceWriteBps: null,
  BlkioDeviceReadIOps: null,
  BlkioDeviceWriteIOps: null,
  CpuPeriod: 0,
  CpuQuota: 0,
  CpuRealtimePeriod: 0,
  CpuRealtimeRuntime: 0,
  CpusetCpus: '',
  CpusetMems: '',
  Devices: null,
  DeviceCgroupRules: null,
  DeviceRequests: null,
  MemoryReservation: 0,
  MemorySwap: 0,
  MemorySwappiness: null,
  OomKillDisable: null,
  PidsLimit: null,
  Ulimits: null,
  CpuCount: 0,
  CpuPercent: 0,
  IOMaximumIOps: 0,
  IOMaximumBandwidth: 0,
  MaskedPaths: null,
  ReadonlyPaths: null,
};

const CONFIG_ZERO = {
  Hostname: '',
  Domainname: '',
  User: '',
  AttachStdin: false,
  AttachStdout: false,
  AttachStderr: false,
  Tty: false,
  OpenStdin: false,
  StdinOnce: false,
  Env: [],
  Cmd: null,
  Image: '',
  Volumes: null,
  WorkingDir: '',
  Entrypoint: null,
  OnBuild: null,
  Labels: {},
};

export function inspectContainer(
  deps: ContainerDeps,
  container: Container,
  paths: ContainerPaths,
  find: (idOrName: string) => Container | undefined,
): ContainerInspect {
  const { record } = container;
  const { state } = record;
  const execIds = [...container.execs.values()]
    .filter((exec) => exec.state !== 'exited')
    .map((exec) => exec.id);
  // The start writes these files; Docker does not name them before.
  const file = (path: string): string => (hasRun(record) ? path : '');
  const restarting = container.restartTimer !== undefined;
  const manifest = deps.imageManifest(record.imageId);
  return {
    Id: record.id,
    Created: record.created,
    Path: record.path,
    Args: record.args,
    State: {
      Status: restarting ? 'restarting' : state.status,
      Running: container.running || restarting,
      Paused: state.status === 'paused',
      Restarting: restarting,
      OOMKilled: state.oomKilled,
      Dead: state.status === 'dead',
      Pid: state.pid,
      ExitCode: state.exitCode,
      Error: state.error,
      StartedAt: state.startedAt,
      FinishedAt: state.finishedAt,
      ...(container.health ? { Health: shownHealth(container.health) } : {}),
    },
    Image: record.imageId,
    ResolvConfPath: file(paths.resolvConf),
    HostnamePath: file(paths.hostname),
    HostsPath: file(paths.hosts),
    LogPath: record.hostConfig.LogConfig?.Type === 'json-file' ? file(paths.logs.jsonFile) : '',
    Name: `/${record.name}`,
    RestartCount: record.restartCount,
    Driver: 'overlay2',
    Platform: 'linux',
    MountLabel: '',
    ProcessLabel: '',
    AppArmorProfile: '',
    ExecIDs: execIds.length > 0 ? execIds : null,
    HostConfig: {
      ...HOST_CONFIG_ZERO,
      // Nothing of the kind with cgroup v2.
      OomKillDisable: cgroupMode() === 'v2' ? null : false,
      ...defined(record.hostConfig),
      ...(record.links || record.hostConfig.NetworkMode === 'bridge'
        ? { Links: linksShown(record, find) }
        : {}),
    } as unknown as HostConfig,
    GraphDriver: { Name: 'overlay2', Data: graphData(deps, record.id, paths) },
    ...(manifest ? { ImageManifestDescriptor: manifest } : {}),
    Mounts: mountPoints(deps, record),
    Config: { ...CONFIG_ZERO, ...defined(record.config) },
    NetworkSettings: networkSettings(deps, record),
  } as ContainerInspect;
}

const shownHealth = ({ status, failingStreak, log }: HealthState) => ({
  Status: status,
  FailingStreak: failingStreak,
  Log: [...log],
});

/** Where the files are, as tools that look into Docker's data expect it. */
function graphData(deps: ContainerDeps, id: string, paths: ContainerPaths): Record<string, string> {
  const { upper, work, lower } = deps.snapshots.layout(id);
  return { ID: id, LowerDir: lower.join(':'), MergedDir: paths.rootfs, UpperDir: upper, WorkDir: work };
}

/** Without the keys whose value is undefined or null, so that zero values show through. */
function defined<T extends object>(object: T): Partial<T> {
  return Object.fromEntries(
    Object.entries(object).filter(([, value]) => value !== undefined && value !== null),
  ) as Partial<T>;
}

/** The mounts as inspect and list show them; tmpfs of `--tmpfs` stands in HostConfig only. */
export function mountPoints(deps: Pick<ContainerDeps, 'volumes'>, record: ContainerRecord): MountPoint[] {
  const viaTmpfsFlag = record.hostConfig.Tmpfs ?? {};
  return record.mounts
    .filter((mount) => mount.type !== 'tmpfs' || !Object.hasOwn(viaTmpfsFlag, mount.destination))
    .map((mount) => mountPoint(deps, mount));
}

function mountPoint(deps: Pick<ContainerDeps, 'volumes'>, mount: MountRecord): MountPoint {
  const common = {
    Destination: mount.destination,
    Mode: mount.mode,
    RW: !mount.readOnly,
    Propagation: mount.propagation ?? '',
  };
  if (mount.type !== 'volume') return { Type: mount.type, Source: mount.source ?? '', ...common };
  const volume = deps.volumes.exists(mount.name!) ? deps.volumes.inspect(mount.name!) : undefined;
  return {
    Type: 'volume',
    Name: mount.name!,
    Source: volume?.Mountpoint ?? '',
    Driver: volume?.Driver ?? 'local',
    ...common,
  };
}
