/** Limits as a create or an update asks for them: refused where they make no sense, left out where the machine lacks something. */
import type { HostConfig } from '@docker/node-sdk';
import { invalidParameter } from '../errdefs/index.ts';
import { type CgroupFeatures, cgroupFeatures, cpuCount, cpusetAvailable } from '../linux/index.ts';
import { supportedResources } from '../runtime/index.ts';

const MIN_MEMORY = 6 * 1024 * 1024;

/** What {@link checkResources} goes by. */
export interface ResourceContext {
  /** The limits of a container that exists are changed: what is not given stays as it is. */
  update: boolean;
  features?: CgroupFeatures;
}

/**
 * `given` without what this machine cannot do, with Docker's warnings about that (moby
 * verifyPlatformContainerResources, in its words).
 * @throws InvalidParameter
 */
export function checkResources<T extends HostConfig>(
  given: T,
  { update, features = cgroupFeatures() }: ResourceContext,
): { config: T; warnings: string[] } {
  const asked: T = { ...given };
  // What the command line sends for "not set"; inspect shows null.
  if (asked.MemorySwappiness === -1) asked.MemorySwappiness = undefined;
  // Docker: the limit with swap is twice the limit of memory.
  if (!update && (asked.Memory ?? 0) > 0 && !asked.MemorySwap) asked.MemorySwap = asked.Memory! * 2;
  if ((asked.Memory ?? 0) !== 0 && asked.Memory! < MIN_MEMORY) {
    throw invalidParameter('Minimum memory limit allowed is 6MB');
  }
  const { config, warnings } = supportedResources(asked, features);
  checkMemory(config, update);
  if (config.OomKillDisable && !config.Memory) {
    warnings.push(
      'OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.',
    );
  }
  checkCpu(config);
  if (config.CpuPercent) {
    warnings.push('linux does not support CPU percent. Percent discarded.');
    config.CpuPercent = 0;
  }
  checkCpuset('cpus', config.CpusetCpus ?? '');
  checkCpuset('mems', config.CpusetMems ?? '');
  const weight = config.BlkioWeight ?? 0;
  if (weight !== 0 && (weight < 10 || weight > 1000)) {
    throw invalidParameter('Range of blkio weight is from 10 to 1000');
  }
  if (config.IOMaximumBandwidth || config.IOMaximumIOps) {
    throw invalidParameter(
      'Invalid QoS settings: linux does not support Maximum IO Bandwidth or Maximum IO IOps',
    );
  }
  return { config, warnings };
}

function checkMemory(host: HostConfig, update: boolean): void {
  const memory = host.Memory ?? 0;
  const swap = host.MemorySwap ?? 0;
  if (memory > 0 && swap > 0 && swap < memory) {
    throw invalidParameter('Minimum memoryswap limit should be larger than memory limit, see usage');
  }
  if (memory === 0 && swap > 0 && !update) {
    throw invalidParameter('You should always set the Memory limit when using Memoryswap limit, see usage');
  }
  const swappiness = host.MemorySwappiness ?? 0;
  if (swappiness < 0 || swappiness > 100) {
    throw invalidParameter(`Invalid value: ${swappiness}, valid memory swappiness range is 0-100`);
  }
  const reservation = host.MemoryReservation ?? 0;
  if (reservation > 0 && reservation < MIN_MEMORY) {
    throw invalidParameter('Minimum memory reservation allowed is 6MB');
  }
  if (memory > 0 && reservation > memory) {
    throw invalidParameter('Minimum memory limit can not be less than memory reservation limit, see usage');
  }
}

function checkCpu(host: HostConfig): void {
  const nano = host.NanoCpus ?? 0;
  const period = host.CpuPeriod ?? 0;
  const quota = host.CpuQuota ?? 0;
  if (nano > 0 && period > 0) {
    throw invalidParameter('Conflicting options: Nano CPUs and CPU Period cannot both be set');
  }
  if (nano > 0 && quota > 0) {
    throw invalidParameter('Conflicting options: Nano CPUs and CPU Quota cannot both be set');
  }
  const count = cpuCount();
  if (nano < 0 || nano > count * 1e9) {
    throw invalidParameter(
      `range of CPUs is from 0.01 to ${count}.00, as there are only ${count} CPUs available`,
    );
  }
  if (period !== 0 && (period < 1000 || period > 1_000_000)) {
    throw invalidParameter(
      'CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)',
    );
  }
  if (quota > 0 && quota < 1000) {
    throw invalidParameter('CPU cfs quota can not be less than 1ms (i.e. 1000)');
  }
  const { CpuRealtimePeriod = 0, CpuRealtimeRuntime = 0 } = host;
  if (CpuRealtimePeriod && CpuRealtimeRuntime && CpuRealtimeRuntime > CpuRealtimePeriod) {
    throw invalidParameter('cpu real-time runtime cannot be higher than cpu real-time period');
  }
}

const CALLED = { cpus: 'CPUs', mems: 'memory nodes' } as const;

function checkCpuset(what: 'cpus' | 'mems', list: string): void {
  if (list === '') return;
  const wanted = parseList(list);
  if (wanted === undefined) {
    throw invalidParameter(`Invalid value ${list} for cpuset ${what}: invalid format: ${list}`);
  }
  const available = cpusetAvailable(what);
  const ranges = parseList(available) ?? [];
  const has = (n: number): boolean => ranges.some(([first, last]) => n >= first && n <= last);
  for (const [first, last] of wanted) {
    for (let n = first; n <= last; n++) {
      if (has(n)) continue;
      throw invalidParameter(
        `Requested ${CALLED[what]} are not available - requested ${list}, available: ${available}`,
      );
    }
  }
}

/** Numbers above this are no processor's. */
const HIGHEST = 8192;

/** A list of cpuset(7), such as `0-2,4`; undefined when it is none. */
function parseList(list: string): [first: number, last: number][] | undefined {
  const ranges = list.split(',').map((range): [number, number] | undefined => {
    const match = /^(\d+)(?:-(\d+))?$/.exec(range);
    if (!match) return undefined;
    const [first, last] = [Number(match[1]), Number(match[2] ?? match[1])];
    return last < first || last > HIGHEST ? undefined : [first, last];
  });
  return ranges.some((range) => range === undefined) ? undefined : (ranges as [number, number][]);
}
