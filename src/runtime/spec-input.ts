/** What a container's spec is made from. The shapes are the Engine API's (ContainerConfig, HostConfig), as far as read. */
import type { CdiRegistry } from './cdi-registry.ts';
import type { DeviceRequest } from './device-requests.ts';
import type { DeviceMapping } from './devices.ts';
import type { HostFacts } from './host-facts.ts';
import type { Ulimit } from './rlimits.ts';
import type { SpecMount } from './spec-types.ts';
import type { ResolvedUser } from './users.ts';

/** From the container's Config. */
export interface SpecConfig {
  Hostname?: string | null;
  Domainname?: string | null;
  Env?: readonly string[] | null;
  Tty?: boolean | null;
  WorkingDir?: string | null;
}

interface DeviceRate {
  Path?: string;
  Rate?: number;
}

/** Limits, from the container's HostConfig. Bytes, microseconds. */
export interface SpecResourceConfig {
  CpuShares?: number | null;
  CpuPeriod?: number | null;
  CpuQuota?: number | null;
  CpuRealtimePeriod?: number | null;
  CpuRealtimeRuntime?: number | null;
  CpusetCpus?: string | null;
  CpusetMems?: string | null;
  NanoCpus?: number | null;
  Memory?: number | null;
  MemoryReservation?: number | null;
  MemorySwap?: number | null;
  MemorySwappiness?: number | null;
  OomKillDisable?: boolean | null;
  PidsLimit?: number | null;
  BlkioWeight?: number | null;
  BlkioWeightDevice?: readonly { Path?: string; Weight?: number }[] | null;
  BlkioDeviceReadBps?: readonly DeviceRate[] | null;
  BlkioDeviceWriteBps?: readonly DeviceRate[] | null;
  BlkioDeviceReadIOps?: readonly DeviceRate[] | null;
  BlkioDeviceWriteIOps?: readonly DeviceRate[] | null;
}

/** From the container's HostConfig. */
export interface SpecHostConfig extends SpecResourceConfig {
  Annotations?: Readonly<Record<string, string>> | null;
  CapAdd?: readonly string[] | null;
  CapDrop?: readonly string[] | null;
  CgroupnsMode?: string | null;
  ConsoleSize?: readonly number[] | null;
  DeviceCgroupRules?: readonly string[] | null;
  DeviceRequests?: readonly DeviceRequest[] | null;
  Devices?: readonly DeviceMapping[] | null;
  Init?: boolean | null;
  IpcMode?: string | null;
  MaskedPaths?: readonly string[] | null;
  NetworkMode?: string | null;
  OomScoreAdj?: number | null;
  PidMode?: string | null;
  Privileged?: boolean | null;
  ReadonlyPaths?: readonly string[] | null;
  ReadonlyRootfs?: boolean | null;
  SecurityOpt?: readonly string[] | null;
  ShmSize?: number | null;
  Sysctls?: Readonly<Record<string, string>> | null;
  UTSMode?: string | null;
  Ulimits?: readonly Ulimit[] | null;
}

/** Namespaces to join instead of making new ones, by their files. */
export interface JoinedNamespaces {
  /** Also a namespace made for this container beforehand. */
  network?: string | undefined;
  pid?: string | undefined;
  ipc?: string | undefined;
  /** Made for this container beforehand, or that of one it joins. */
  user?: string | undefined;
}

/** Everything a spec is made from. */
export interface SpecInput {
  config: SpecConfig;
  hostConfig: SpecHostConfig;
  /** The program with its arguments. */
  args: readonly string[];
  /** The root file system's mount point, absolute or relative to the bundle. */
  rootfs: string;
  user: ResolvedUser;
  /** The user's mounts and the engine's files, parents first; each replaces a default mount at the same place. */
  mounts: readonly SpecMount[];
  namespaces?: JoinedNamespaces;
  /** With a user namespace: the highest group id in it. */
  lastGid?: number;
  /** As the runtime wants it: a path, or `slice:prefix:name` with systemd. */
  cgroupsPath: string;
  /** For the runtime, from the engine; the user's own, of the same name, go before these. */
  annotations?: Readonly<Record<string, string>>;
  /** The program of `--init` (tini) on the host; needed when `init` is on. */
  initPath?: string;
  /** The daemon's default for `--init`. */
  init?: boolean;
  /** The daemon's default seccomp profile: `builtin`, `unconfined` or JSON. */
  seccompProfile?: string;
  /** The daemon's default for `no-new-privileges`. */
  noNewPrivileges?: boolean;
  /** What links tell of other containers: under the container's own variables. */
  linkEnv?: readonly string[];
  /** Devices that CDI describes; none: device requests are refused. */
  cdi?: CdiRegistry;
  /** `hostFacts()` unless a test says otherwise. */
  host?: HostFacts;
}
