/** What the daemon was told, checked: the engine's settings. */

import type { CgroupDriver, RuntimeConfig, SecurityDefaults } from '../container/index.ts';
import type { RegistryConfig } from '../distribution/index.ts';
import type { LogConfig } from '../logging/index.ts';
import type { AddressPool } from '../network/index.ts';

export interface EngineConfig {
  dataRoot: string;
  execRoot: string;
  bridgeName: string;
  bip?: string;
  addressPools?: readonly AddressPool[];
  mtu?: number;
  dns: readonly string[];
  dnsSearch: readonly string[];
  dnsOptions: readonly string[];
  /** Without it `/wharf`, or with systemd `system.slice`. */
  cgroupParent?: string;
  /** Without it systemd where it is there, with cgroup v2. */
  cgroupDriver?: CgroupDriver;
  /** Cgroup for the shims; without it they stay in the daemon's. */
  shimCgroup?: string;
  runtimes: Readonly<Record<string, RuntimeConfig>>;
  defaultRuntime: string;
  registry: RegistryConfig;
  maxConcurrentDownloads: number;
  maxConcurrentUploads: number;
  labels: readonly string[];
  /** Log driver and options of containers that name none. */
  logDefaults: LogConfig;
  liveRestore: boolean;
  /** What `info` calls the daemon's seccomp profile: `builtin`, `unconfined` or its path. */
  seccompProfileName: string;
  security: SecurityDefaults;
  /** `--userns-remap`: `default`, `user`, `user:group`, `uid` or `uid:gid`. */
  usernsRemap?: string;
  debug: boolean;
  /** The `wharf-shim` binary. */
  shimPath: string;
  /** The init of `--init`. */
  initPath: string;
  /** Containers that do not say get an init. */
  init: boolean;
  /** Directories of CDI specs, least important first; none: CDI is off. */
  cdiSpecDirs: readonly string[];
  /** What `host-gateway` of `--add-host` stands for; default: the default bridge's address. */
  hostGatewayIps: readonly string[];
}

export interface EngineLog {
  /** True when lines of `level` (debug, info, warn, error) are written. */
  enabled(level: string): boolean;
  debug(message: string): void;
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}
