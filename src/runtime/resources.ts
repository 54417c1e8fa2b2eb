/** Limits of control groups (OCI config-linux.md "Control groups"), from HostConfig. */
import { invalidParameter } from '../errdefs/index.ts';
import type { CgroupFeatures } from '../linux/index.ts';
import { deviceNumber } from './devices.ts';
import type { SpecResourceConfig } from './spec-input.ts';
import type { SpecResources, SpecThrottle } from './spec-types.ts';

/** The period, in microseconds, that `--cpus` is expressed in. */
const CPU_PERIOD = 100_000;
const CPU_PERIOD_MAX = 1_000_000;
const CPU_QUOTA_MIN = 1000;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** What can be set to something a machine lacks, and how Docker says so. In Docker's order. */
const NEEDS: readonly (readonly [
  feature: keyof CgroupFeatures,
  warning: string,
  ...keys: (keyof SpecResourceConfig)[],
])[] = [
  ['memoryLimit', lacks('memory limit capabilities', 'Limitation discarded.'), 'Memory', 'MemorySwap'],
  [
    'memorySwappiness',
    lacks('memory swappiness capabilities', 'Memory swappiness discarded.'),
    'MemorySwappiness',
  ],
  [
    'memoryReservation',
    lacks('memory soft limit capabilities', 'Limitation discarded.'),
    'MemoryReservation',
  ],
  [
    'oomKillDisable',
    'Your kernel does not support OomKillDisable. OomKillDisable discarded.',
    'OomKillDisable',
  ],
  ['pidsLimit', lacks('PIDs limit capabilities', 'PIDs limit discarded.'), 'PidsLimit'],
  ['cpuShares', lacks('CPU shares', 'Shares discarded.'), 'CpuShares'],
  ['cpuCfsQuota', lacks('CPU CFS scheduler', 'NanoCPUs discarded.'), 'NanoCpus'],
  [
    'cpuCfsQuota',
    'Your kernel does not support CPU CFS scheduler. CPU period/quota discarded.',
    'CpuPeriod',
    'CpuQuota',
  ],
  [
    'cpuRealtime',
    lacks('CPU real-time scheduler', 'Real-time limits discarded.'),
    'CpuRealtimePeriod',
    'CpuRealtimeRuntime',
  ],
  ['cpuset', lacks('cpuset', 'Cpuset discarded.'), 'CpusetCpus', 'CpusetMems'],
  ['blkioWeight', lacks('Block I/O weight', 'Weight discarded.'), 'BlkioWeight'],
  ['blkioWeightDevice', lacks('Block I/O weight_device', 'Weight-device discarded.'), 'BlkioWeightDevice'],
  [
    'blkioReadBps',
    lacks('BPS Block I/O read limit', 'Block I/O BPS read limit discarded.'),
    'BlkioDeviceReadBps',
  ],
  [
    'blkioWriteBps',
    lacks('BPS Block I/O write limit', 'Block I/O BPS write limit discarded.'),
    'BlkioDeviceWriteBps',
  ],
  [
    'blkioReadIops',
    lacks('IOPS Block read limit', 'Block I/O IOPS read limit discarded.'),
    'BlkioDeviceReadIOps',
  ],
  [
    'blkioWriteIops',
    lacks('IOPS Block write limit', 'Block I/O IOPS write limit discarded.'),
    'BlkioDeviceWriteIOps',
  ],
];

function lacks(what: string, then: string): string {
  return `Your kernel does not support ${what} or the cgroup is not mounted. ${then}`;
}

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
  for (const [feature, warning, ...keys] of NEEDS) {
    if (features[feature]) continue;
    if (keys.some((key) => isSet(out[key]))) warnings.push(warning);
    for (const key of keys) delete out[key];
  }
  if (isSet(out.Memory) && out.MemorySwap !== -1 && !features.swapLimit) {
    warnings.push(lacks('swap limit capabilities', 'Memory limited without swap.'));
    out.MemorySwap = -1;
  }
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
    ...(nano > 0 ? cpuTime(nano) : {}),
    ...(config.CpuPeriod ? { period: config.CpuPeriod } : {}),
    ...(config.CpuQuota ? { quota: config.CpuQuota } : {}),
    ...(config.CpuRealtimePeriod ? { realtimePeriod: config.CpuRealtimePeriod } : {}),
    ...(config.CpuRealtimeRuntime ? { realtimeRuntime: config.CpuRealtimeRuntime } : {}),
    ...(config.CpusetCpus ? { cpus: config.CpusetCpus } : {}),
    ...(config.CpusetMems ? { mems: config.CpusetMems } : {}),
  });
}

/** The kernel gives no less than a millisecond at a time: a smaller share is of a longer period. */
function cpuTime(nanoCpus: number): { period: number; quota: number } {
  const quota = Math.trunc((nanoCpus * CPU_PERIOD) / 1e9);
  if (quota >= CPU_QUOTA_MIN) return { period: CPU_PERIOD, quota };
  return { period: CPU_PERIOD_MAX, quota: Math.max(CPU_QUOTA_MIN, Math.trunc(nanoCpus / 1000)) };
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
