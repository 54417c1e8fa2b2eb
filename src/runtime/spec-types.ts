/** The OCI runtime spec (runtime-spec config.md, config-linux.md), as far as we write it. */

export interface SpecMount {
  destination: string;
  type: string;
  source: string;
  options?: string[];
}

/** An unsigned 64-bit number, which JSON takes (`JSON.rawJSON`) and JavaScript's numbers cannot hold. */
export type Uint64 = number | { readonly rawJSON: string };

export interface SpecRlimit {
  /** `RLIMIT_NOFILE`, … */
  type: string;
  soft: Uint64;
  hard: Uint64;
}

export interface SpecUser {
  uid: number;
  gid: number;
  additionalGids?: number[];
}

export interface SpecCapabilities {
  bounding: string[];
  effective: string[];
  permitted: string[];
  inheritable?: string[];
  ambient?: string[];
}

export interface SpecProcess {
  terminal?: boolean;
  consoleSize?: { height: number; width: number };
  user: SpecUser;
  args: string[];
  env: string[];
  cwd: string;
  capabilities: SpecCapabilities;
  rlimits?: SpecRlimit[];
  noNewPrivileges?: boolean;
  apparmorProfile?: string;
  selinuxLabel?: string;
  oomScoreAdj?: number;
}

export interface SpecNamespace {
  type: 'pid' | 'network' | 'mount' | 'ipc' | 'uts' | 'cgroup' | 'user' | 'time';
  /** Join this one instead of making a new one. */
  path?: string;
}

export interface SpecDevice {
  type: 'c' | 'b' | 'p';
  path: string;
  major: number;
  minor: number;
  fileMode: number;
  uid: number;
  gid: number;
}

export interface SpecDeviceRule {
  allow: boolean;
  type?: 'a' | 'c' | 'b';
  /** Absent: all. */
  major?: number;
  minor?: number;
  access: string;
}

export interface SpecThrottle {
  major: number;
  minor: number;
  rate: number;
}

export interface SpecResources {
  devices?: SpecDeviceRule[];
  memory?: {
    limit?: number;
    reservation?: number;
    swap?: number;
    swappiness?: number;
    disableOOMKiller?: boolean;
  };
  cpu?: {
    shares?: number;
    quota?: number;
    period?: number;
    realtimeRuntime?: number;
    realtimePeriod?: number;
    cpus?: string;
    mems?: string;
  };
  pids?: { limit: number };
  blockIO?: {
    weight?: number;
    weightDevice?: { major: number; minor: number; weight: number }[];
    throttleReadBpsDevice?: SpecThrottle[];
    throttleWriteBpsDevice?: SpecThrottle[];
    throttleReadIOPSDevice?: SpecThrottle[];
    throttleWriteIOPSDevice?: SpecThrottle[];
  };
}

/** An argument's condition: `op` is libseccomp's `SCMP_CMP_…`. */
export interface SeccompArg {
  index: number;
  value: number;
  valueTwo?: number;
  op: string;
}

export interface SeccompRule {
  names: readonly string[];
  action: string;
  errnoRet?: number;
  args?: readonly SeccompArg[];
}

export interface SpecSeccomp {
  defaultAction: string;
  defaultErrnoRet?: number;
  architectures?: readonly string[];
  flags?: readonly string[];
  listenerPath?: string;
  listenerMetadata?: string;
  syscalls?: readonly SeccompRule[];
}

export interface SpecLinux {
  namespaces: SpecNamespace[];
  devices?: SpecDevice[];
  cgroupsPath?: string;
  resources: SpecResources;
  sysctl?: Record<string, string>;
  seccomp?: SpecSeccomp;
  rootfsPropagation?: string;
  maskedPaths?: readonly string[];
  readonlyPaths?: readonly string[];
  mountLabel?: string;
  intelRdt?: SpecIntelRdt;
}

/** A program of the host's that the runtime runs at a stage of the container's life. */
export interface SpecHook {
  path: string;
  args?: string[];
  env?: string[];
  /** Seconds. */
  timeout?: number;
}

/** Intel's Resource Director Technology (config-linux.md "IntelRdt"). */
export interface SpecIntelRdt {
  closID?: string;
  l3CacheSchema?: string;
  memBwSchema?: string;
  schemata?: string[];
  enableCMT?: boolean;
  enableMBM?: boolean;
  enableMonitoring?: boolean;
}

/** A container's config.json. */
export interface Spec {
  ociVersion: string;
  process: SpecProcess;
  root: { path: string; readonly?: boolean };
  hostname?: string;
  /** Since 1.1. */
  domainname?: string;
  mounts: SpecMount[];
  annotations?: Record<string, string>;
  linux: SpecLinux;
  hooks?: Partial<
    Record<
      'prestart' | 'createRuntime' | 'createContainer' | 'startContainer' | 'poststart' | 'poststop',
      SpecHook[]
    >
  >;
}
