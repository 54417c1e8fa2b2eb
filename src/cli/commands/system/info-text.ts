/** The daemon's part of `info`, as lines. */
import type { SystemInfo } from '@docker/node-sdk';
import { bytesSize } from '../../format/units.ts';

/** Facts newer than the SDK's types, or older. */
type Info = SystemInfo & {
  RegistryConfig?: { InsecureRegistryCIDRs?: string[] | null; Mirrors?: string[] | null } | null;
  FirewallBackend?: { Driver?: string; Info?: Array<[string, string]> | null } | null;
  CDISpecDirs?: string[] | null;
};

/** A line ` Label: value`; deeper ones have more blanks. */
const line = (label: string, value: unknown, depth = 1): string =>
  `${' '.repeat(depth)}${label}: ${String(value)}\n`;

const unique = (list: readonly string[] | null | undefined): string => (list ?? []).join(' ');

function securityOptions(options: readonly string[] | null | undefined): string {
  if (!options?.length) return '';
  let text = ' Security Options:\n';
  for (const option of options) {
    const pairs = option.split(',').map((pair) => pair.split('='));
    const name = pairs.find(([key]) => key === 'name')?.[1] ?? option;
    text += `  ${name}\n`;
    for (const [key, value] of pairs) if (key === 'profile') text += `   Profile: ${value}\n`;
  }
  return text;
}

/** Limits that the kernel or the cgroups do not offer. */
const MISSING: ReadonlyArray<readonly [key: keyof SystemInfo, what: string]> = [
  ['MemoryLimit', 'memory limit'],
  ['SwapLimit', 'swap limit'],
  ['OomKillDisable', 'oom kill disable'],
  ['CpuCfsQuota', 'cpu cfs quota'],
  ['CpuCfsPeriod', 'cpu cfs period'],
  ['CPUShares', 'cpu shares'],
  ['CPUSet', 'cpuset'],
];

function warningsOf(info: Info): string[] {
  if (info.Warnings?.length) return [...info.Warnings];
  if (info.Warnings !== undefined || info.OSType === 'windows') return [];
  return MISSING.filter(([key]) => info[key] === false).map(([, what]) => `WARNING: No ${what} support`);
}

/** The text, and warnings for standard error. */
export function serverInfo(server: SystemInfo): { text: string; warnings: string[] } {
  const info = server as Info;
  let text = line('Containers', info.Containers ?? 0);
  text += line('Running', info.ContainersRunning ?? 0, 2) + line('Paused', info.ContainersPaused ?? 0, 2);
  text += line('Stopped', info.ContainersStopped ?? 0, 2) + line('Images', info.Images ?? 0);
  text += line('Server Version', info.ServerVersion ?? '') + line('Storage Driver', info.Driver ?? '');
  for (const [name, value] of info.DriverStatus ?? []) text += line(name ?? '', value, 2);
  text += line('Logging Driver', info.LoggingDriver ?? '') + line('Cgroup Driver', info.CgroupDriver ?? '');
  text += line('Cgroup Version', info.CgroupVersion ?? '1');
  text += ` Plugins:\n${line('Volume', unique(info.Plugins?.Volume), 2)}${line('Network', unique(info.Plugins?.Network), 2)}`;
  if (info.Plugins?.Authorization?.length)
    text += line('Authorization', unique(info.Plugins.Authorization), 2);
  text += line('Log', unique(info.Plugins?.Log), 2);
  if (info.CDISpecDirs?.length)
    text += ` CDI spec directories:\n${info.CDISpecDirs.map((dir) => `  ${dir}\n`).join('')}`;
  text += line('Swarm', info.Swarm?.LocalNodeState || 'inactive');
  const runtimes = Object.keys(info.Runtimes ?? {}).toSorted();
  if (runtimes.length)
    text += line('Runtimes', runtimes.join(' ')) + line('Default Runtime', info.DefaultRuntime ?? '');
  text += line('Init Binary', info.InitBinary ?? '');
  for (const [label, commit] of [
    ['containerd', info.ContainerdCommit],
    ['runc', info.RuncCommit],
    ['init', info.InitCommit],
  ] as const) {
    if (commit) text += line(`${label} version`, commit.ID ?? '');
  }
  text += securityOptions(info.SecurityOptions);
  text +=
    line('Kernel Version', info.KernelVersion ?? '') + line('Operating System', info.OperatingSystem ?? '');
  text +=
    line('OSType', info.OSType ?? '') +
    line('Architecture', info.Architecture ?? '') +
    line('CPUs', info.NCPU ?? 0);
  text +=
    line('Total Memory', bytesSize(info.MemTotal ?? 0)) +
    line('Name', info.Name ?? '') +
    line('ID', info.ID ?? '');
  text += line('Docker Root Dir', info.DockerRootDir ?? '') + line('Debug Mode', info.Debug ?? false);
  if (info.Debug) {
    text += line('File Descriptors', info.NFd ?? 0, 2) + line('Goroutines', info.NGoroutines ?? 0, 2);
    text +=
      line('System Time', info.SystemTime ?? '', 2) + line('EventsListeners', info.NEventsListener ?? 0, 2);
  }
  if (info.HttpProxy) text += line('HTTP Proxy', info.HttpProxy);
  if (info.HttpsProxy) text += line('HTTPS Proxy', info.HttpsProxy);
  if (info.NoProxy) text += line('No Proxy', info.NoProxy);
  if (info.Labels?.length) text += ` Labels:\n${info.Labels.map((label) => `  ${label}\n`).join('')}`;
  text += line('Experimental', info.ExperimentalBuild ?? false);
  const insecure = info.RegistryConfig?.InsecureRegistryCIDRs ?? [];
  const named = Object.entries(
    info.RegistryConfig && 'IndexConfigs' in info.RegistryConfig
      ? (info.RegistryConfig.IndexConfigs as Record<string, { Secure?: boolean }>)
      : {},
  )
    .filter(([, index]) => index.Secure === false)
    .map(([name]) => name);
  if (insecure.length || named.length) {
    text += ` Insecure Registries:\n${[...named, ...insecure].map((registry) => `  ${registry}\n`).join('')}`;
  }
  const mirrors = info.RegistryConfig?.Mirrors ?? [];
  if (mirrors.length) text += ` Registry Mirrors:\n${mirrors.map((mirror) => `  ${mirror}\n`).join('')}`;
  text += line('Live Restore Enabled', info.LiveRestoreEnabled ?? false);
  if (info.ProductLicense) text += line('Product License', info.ProductLicense);
  if (info.DefaultAddressPools?.length) {
    text += ' Default Address Pools:\n';
    for (const pool of info.DefaultAddressPools) text += `   Base: ${pool.Base}, Size: ${pool.Size}\n`;
  }
  if (info.FirewallBackend?.Driver) text += line('Firewall Backend', info.FirewallBackend.Driver);
  return { text, warnings: warningsOf(info) };
}
