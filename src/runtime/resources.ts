/** Limits of control groups (OCI config-linux.md "Control groups"), from HostConfig. */
import { invalidParameter } from '../errdefs/index.ts';
import type { CgroupFeatures } from '../linux/index.ts';
import { deviceNumber } from './devices.ts';
import type { SpecResourceConfig } from './spec-input.ts';
import type { SpecResources, SpecThrottle } from './spec-types.ts';

/** The period, in microseconds, that `--cpus` is expressed in. */
const CPU_PERIOD = 100_000;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/**
 * `config` without what this machine's control groups cannot do, and what that is, as Docker warns
 * (`docker create` shows it). Memory's minimum and the like are for the caller to refuse.
 */
export function supportedResources<T extends SpecResourceConfig>(
  config: T,
  features: CgroupFeatures,
): { config: T; warnings: string[] } {
  const out: Mutable<SpecResourceConfig> = { ...config };
  const warnings: string[] = [];
  const drop = (supported: boolean, message: string, ...keys: (keyof SpecResourceConfig)[]): void => {
    const set = keys.filter((key) => isSet(out[key]));
    if (supported || set.length === 0) return;
    for (const key of set) delete out[key];
    warnings.push(message);
  };
  const lacks = (what: string, then: string): string =>
    `Your kernel does not support ${what} or the cgroup is not mounted. ${then}`;
  drop(
    features.memoryLimit,
    lacks('memory limit capabilities', 'Limitation discarded.'),
    'Memory',
    'MemorySwap',
  );
  if ((out.MemorySwap ?? 0) > 0) {
    drop(features.swapLimit, lacks('swap limit capabilities', 'Memory limited without swap.'), 'MemorySwap');
  }
  drop(
    features.memoryLimit,
    lacks('memory soft limit capabilities', 'Limitation discarded.'),
    'MemoryReservation',
  );
  drop(
    features.oomKillDisable,
    'Your kernel does not support OomKillDisable. OomKillDisable discarded.',
    'OomKillDisable',
  );
  drop(features.pidsLimit, lacks('PIDs limit capabilities', 'PIDs limit discarded.'), 'PidsLimit');
  drop(features.cpuShares, lacks('CPU shares', 'Shares discarded.'), 'CpuShares');
  drop(
    features.cpuCfsQuota,
    lacks('CPU CFS scheduler', 'NanoCPUs, period and quota discarded.'),
    'NanoCpus',
    'CpuPeriod',
    'CpuQuota',
  );
  drop(features.cpuset, lacks('cpuset', 'Cpuset discarded.'), 'CpusetCpus', 'CpusetMems');
  drop(
    features.blkioWeight,
    lacks('Block I/O weight', 'Weight discarded.'),
    'BlkioWeight',
    'BlkioWeightDevice',
  );
  drop(
    features.blkioThrottle,
    lacks('block I/O throttling', 'Limits discarded.'),
    'BlkioDeviceReadBps',
    'BlkioDeviceWriteBps',
    'BlkioDeviceReadIOps',
    'BlkioDeviceWriteIOps',
  );
  return { config: out as T, warnings };
}

function isSet(value: unknown): boolean {
  if (value === undefined || value === null || value === 0 || value === '' || value === false) return false;
  return !Array.isArray(value) || value.length > 0;
}

/** The spec's resources but for the devices. */
export function specResources(config: SpecResourceConfig): Omit<SpecResources, 'devices'> {
  const memory = memoryResources(config);
  const cpu = cpuResources(config);
  const blockIO = blockIoResources(config);
  const pids = config.PidsLimit ?? 0;
  return {
    ...(memory === undefined ? {} : { memory }),
    ...(cpu === undefined ? {} : { cpu }),
    // 0 and below mean "unlimited", as a new group is; crun refuses a -1.
    ...(pids > 0 ? { pids: { limit: pids } } : {}),
    ...(blockIO === undefined ? {} : { blockIO }),
  };
}

const nonEmpty = <T extends object>(value: T): T | undefined =>
  Object.keys(value).length === 0 ? undefined : value;

function memoryResources(config: SpecResourceConfig): SpecResources['memory'] {
  const { Memory = 0, MemoryReservation = 0, MemorySwap = 0, MemorySwappiness, OomKillDisable } = config;
  const swappiness = MemorySwappiness ?? -1; // -1 is old clients' "not set"
  return nonEmpty({
    ...((Memory ?? 0) > 0 ? { limit: Memory ?? 0 } : {}),
    ...((MemoryReservation ?? 0) > 0 ? { reservation: MemoryReservation ?? 0 } : {}),
    // -1: no limit of swap, which only counts with a limit of memory.
    ...((MemorySwap ?? 0) > 0 || (MemorySwap === -1 && (Memory ?? 0) > 0) ? { swap: MemorySwap ?? 0 } : {}),
    ...(swappiness >= 0 ? { swappiness } : {}),
    ...(OomKillDisable === true ? { disableOOMKiller: true } : {}),
  });
}

function cpuResources(config: SpecResourceConfig): SpecResources['cpu'] {
  const shares = config.CpuShares ?? 0;
  if (shares < 0) {
    throw invalidParameter(`invalid CPU shares (${shares}): value must be a positive integer`);
  }
  const nano = config.NanoCpus ?? 0;
  return nonEmpty({
    ...(shares > 0 ? { shares } : {}),
    ...(nano > 0 ? { period: CPU_PERIOD, quota: Math.trunc((nano * CPU_PERIOD) / 1e9) } : {}),
    ...(config.CpuPeriod ? { period: config.CpuPeriod } : {}),
    ...(config.CpuQuota ? { quota: config.CpuQuota } : {}),
    ...(config.CpuRealtimePeriod ? { realtimePeriod: config.CpuRealtimePeriod } : {}),
    ...(config.CpuRealtimeRuntime ? { realtimeRuntime: config.CpuRealtimeRuntime } : {}),
    ...(config.CpusetCpus ? { cpus: config.CpusetCpus } : {}),
    ...(config.CpusetMems ? { mems: config.CpusetMems } : {}),
  });
}

function blockIoResources(config: SpecResourceConfig): SpecResources['blockIO'] {
  const throttle = (rates: SpecResourceConfig['BlkioDeviceReadBps']): SpecThrottle[] | undefined =>
    rates?.length
      ? rates.map(({ Path = '', Rate = 0 }) => ({ ...deviceNumber(Path), rate: Rate }))
      : undefined;
  const entries = {
    weight: config.BlkioWeight || undefined,
    weightDevice: config.BlkioWeightDevice?.length
      ? config.BlkioWeightDevice.map(({ Path = '', Weight = 0 }) => ({
          ...deviceNumber(Path),
          weight: Weight,
        }))
      : undefined,
    throttleReadBpsDevice: throttle(config.BlkioDeviceReadBps),
    throttleWriteBpsDevice: throttle(config.BlkioDeviceWriteBps),
    throttleReadIOPSDevice: throttle(config.BlkioDeviceReadIOps),
    throttleWriteIOPSDevice: throttle(config.BlkioDeviceWriteIOps),
  };
  return nonEmpty(
    Object.fromEntries(Object.entries(entries).filter(([, value]) => value !== undefined)) as NonNullable<
      SpecResources['blockIO']
    >,
  );
}
