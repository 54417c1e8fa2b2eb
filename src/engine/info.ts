/** `GET /info` and `GET /version`. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, statfsSync, writeFileSync } from 'node:fs';
import { arch, hostname } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { SystemInfo, SystemVersion } from '@docker/node-sdk';
import { type CgroupDriver, type ContainerRecord, timestamp } from '../container/index.ts';
import {
  capabilityBoundingSet,
  cgroupFeatures,
  cgroupMode,
  cpuCount,
  kernelVersion,
  machine,
  memTotal,
  osRelease,
  securityModules,
} from '../linux/index.ts';
import { LOG_DRIVERS } from '../logging/index.ts';
import type { CdiRegistry } from '../runtime/index.ts';
import type { EngineConfig } from './config.ts';
import { securityOptions } from './security.ts';
import { VERSION } from './version.ts';

const run = promisify(execFile);

const GOARCH: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64', arm: 'arm', ia32: '386' };
const CAP_SYS_RESOURCE = 24n;

/** What {@link systemInfo} needs of the living engine. */
export interface EngineFacts {
  config: EngineConfig;
  cgroupDriver: CgroupDriver;
  id: string;
  records: ContainerRecord[];
  images: number;
  eventListeners: number;
  warnings: readonly string[];
  cdi: CdiRegistry;
  /** Containers get user namespaces. */
  remapped: boolean;
}

export function systemInfo({
  config,
  cgroupDriver,
  id,
  records,
  images,
  eventListeners,
  warnings,
  cdi,
  remapped,
}: EngineFacts): SystemInfo {
  const count = (...statuses: string[]): number =>
    records.filter((r) => statuses.includes(r.state.status)).length;
  const features = cgroupFeatures();
  const release = osRelease();
  const v2 = cgroupMode() === 'v2';
  const found = cdi.list();
  return {
    ID: id,
    Containers: records.length,
    ContainersRunning: count('running'),
    ContainersPaused: count('paused'),
    ContainersStopped: count('created', 'exited', 'dead'),
    Images: images,
    Driver: 'overlay2',
    DriverStatus: [
      ['Backing Filesystem', backingFilesystem(config.dataRoot)],
      ['Supports d_type', 'true'],
      ['Using metacopy', 'false'],
      ['Native Overlay Diff', 'true'],
      ['userxattr', 'false'],
    ],
    Plugins: {
      Volume: ['local'],
      Network: ['bridge', 'host', 'null'],
      Authorization: null as unknown as undefined,
      Log: [...LOG_DRIVERS],
    },
    MemoryLimit: features.memoryLimit,
    SwapLimit: features.swapLimit,
    KernelMemoryTCP: false,
    CpuCfsPeriod: features.cpuCfsQuota,
    CpuCfsQuota: features.cpuCfsQuota,
    CPUShares: features.cpuShares,
    CPUSet: features.cpuset,
    PidsLimit: features.pidsLimit,
    IPv4Forwarding: readFlag('/proc/sys/net/ipv4/ip_forward'),
    FirewallBackend: { Driver: 'nftables' },
    Debug: config.debug,
    NFd: readdirSync('/proc/self/fd').length,
    OomKillDisable: features.oomKillDisable,
    NGoroutines: 1,
    SystemTime: timestamp(),
    LoggingDriver: config.logDefaults.Type ?? 'json-file',
    CgroupDriver: cgroupDriver,
    CgroupVersion: v2 ? '2' : '1',
    NEventsListener: eventListeners,
    KernelVersion: kernelVersion(),
    OperatingSystem: release.PRETTY_NAME ?? 'Linux',
    OSVersion: release.VERSION_ID ?? '',
    OSType: 'linux',
    Architecture: machine(),
    IndexServerAddress: 'https://index.docker.io/v1/',
    RegistryConfig: registryInfo(config),
    NCPU: cpuCount(),
    MemTotal: memTotal(),
    GenericResources: null as unknown as undefined,
    DockerRootDir: config.dataRoot,
    HttpProxy: config.registry.httpProxy ?? '',
    HttpsProxy: config.registry.httpsProxy ?? '',
    NoProxy: config.registry.noProxy ?? '',
    Name: hostname(),
    Labels: [...config.labels],
    ExperimentalBuild: false,
    ServerVersion: VERSION,
    Runtimes: Object.fromEntries(Object.entries(config.runtimes).map(([name, { path }]) => [name, { path }])),
    DefaultRuntime: config.defaultRuntime,
    Swarm: {
      NodeID: '',
      NodeAddr: '',
      LocalNodeState: 'inactive',
      ControlAvailable: false,
      Error: '',
      RemoteManagers: null,
    },
    LiveRestoreEnabled: config.liveRestore,
    Isolation: '',
    InitBinary: config.initPath,
    ContainerdCommit: { ID: '' },
    RuncCommit: { ID: '' },
    InitCommit: { ID: '' },
    SecurityOptions: securityOptions(config, { remapped, cgroupns: v2 }),
    CDISpecDirs: [...cdi.dirs],
    DiscoveredDevices: found.devices.map((ID) => ({ Source: 'cdi', ID })),
    Warnings: [...warnings, ...found.warnings],
  } as SystemInfo;
}

/** What this machine lacks, said at the start and in `info`. */
export function machineWarnings(): string[] {
  const features = cgroupFeatures();
  const warnings: string[] = [];
  if (!features.memoryLimit) warnings.push('WARNING: No memory limit support');
  if (!features.swapLimit) warnings.push('WARNING: No swap limit support');
  if (!features.pidsLimit) warnings.push('WARNING: No pids limit support');
  if (((capabilityBoundingSet() >> CAP_SYS_RESOURCE) & 1n) === 0n) {
    warnings.push(
      'WARNING: CAP_SYS_RESOURCE is missing: hard limits cannot be raised, --privileged and --cap-add ALL grant all other capabilities',
    );
  }
  if (!securityModules().some((name) => name === 'apparmor' || name === 'selinux')) {
    warnings.push(
      'WARNING: No AppArmor or SELinux: containers are confined by namespaces, capabilities and seccomp',
    );
  }
  return warnings;
}

function registryInfo(config: EngineConfig): SystemInfo['RegistryConfig'] {
  const mirrors = [...(config.registry.mirrors ?? [])];
  const insecure = config.registry.insecureRegistries ?? [];
  const hosts = insecure.filter((entry) => !entry.includes('/'));
  return {
    InsecureRegistryCIDRs: ['::1/128', '127.0.0.0/8', ...insecure.filter((entry) => entry.includes('/'))],
    IndexConfigs: {
      'docker.io': { Name: 'docker.io', Mirrors: mirrors, Secure: true, Official: true },
      ...Object.fromEntries(
        hosts.map((host) => [host, { Name: host, Mirrors: [], Secure: false, Official: false }]),
      ),
    },
    Mirrors: mirrors,
  };
}

let runtimeVersion: string | undefined;

export async function systemVersion(config: EngineConfig): Promise<SystemVersion> {
  const runtime = config.runtimes[config.defaultRuntime]!;
  runtimeVersion ??= await run(runtime.path, ['--version']).then(
    ({ stdout }) => /version\s+(\S+)/.exec(stdout)?.[1] ?? '',
    () => '',
  );
  return {
    Platform: { Name: 'Wharf' },
    Components: [
      {
        Name: 'Engine',
        Version: VERSION,
        Details: {
          Arch: GOARCH[arch()] ?? arch(),
          Os: 'linux',
          KernelVersion: kernelVersion(),
          Experimental: 'false',
          NodeVersion: process.version,
        },
      },
      { Name: config.defaultRuntime, Version: runtimeVersion, Details: {} },
    ],
    Version: VERSION,
    GitCommit: '',
    GoVersion: '',
    Os: 'linux',
    Arch: GOARCH[arch()] ?? arch(),
    KernelVersion: kernelVersion(),
    BuildTime: '',
  };
}

/** The engine's identity: made once, kept in the data root. */
export function engineId(dataRoot: string): string {
  const path = join(dataRoot, 'engine-id');
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    const hex = randomBytes(16).toString('hex');
    const id = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
    writeFileSync(path, `${id}\n`, { mode: 0o600 });
    return id;
  }
}

function readFlag(path: string): boolean {
  try {
    return readFileSync(path, 'utf8').trim() === '1';
  } catch {
    return false;
  }
}

/** File system types by their magic number (statfs(2)), in moby's names. */
const FILESYSTEMS: Readonly<Record<number, string>> = {
  61267: 'extfs',
  1481003842: 'xfs',
  2435016766: 'btrfs',
  16914836: 'tmpfs',
  801189825: 'zfs',
  2035054128: 'overlayfs',
};

function backingFilesystem(path: string): string {
  return FILESYSTEMS[statfsSync(path).type] ?? '<unknown>';
}
