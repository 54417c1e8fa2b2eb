/** One sample of `GET /containers/{id}/stats` (API 1.52), from what the kernel counts. */
import type {
  ContainerBlkioStatEntry,
  ContainerBlkioStats,
  ContainerCPUStats,
  ContainerMemoryStats,
  ContainerPidsStats,
  ContainerStatsResponse,
} from '@docker/node-sdk';
import type { CgroupIo, CgroupStats, LinkCounters, SystemCpu } from '../linux/index.ts';
import { memTotal } from '../linux/index.ts';
import type { ContainerRecord } from './types.ts';
import { NEVER } from './types.ts';

/** Docker's answer; times are RFC 3339 with nanoseconds (its type says Date). */
export type StatsSample = Omit<ContainerStatsResponse, 'read' | 'preread'> & {
  read: string;
  preread: string;
  /** Since API 1.52; `linux`. */
  os_type: string;
};

/** Keys of v1's memory.stat that Docker passes on. */
const MEMORY_V1 = [
  ...'cache rss rss_huge mapped_file dirty writeback pgpgin pgpgout pgfault pgmajfault'.split(' '),
  ...'inactive_anon active_anon inactive_file active_file unevictable'.split(' '),
];
/** Keys of v2's memory.stat that Docker passes on; one that a kernel lacks is 0, as there. */
const MEMORY_V2 = [
  ...'anon file kernel_stack slab sock shmem file_mapped file_dirty file_writeback anon_thp'.split(' '),
  ...'inactive_anon active_anon inactive_file active_file unevictable'.split(' '),
  ...'slab_reclaimable slab_unreclaimable pgfault pgmajfault'.split(' '),
  ...'workingset_refault workingset_activate workingset_nodereclaim'.split(' '),
  ...'pgrefill pgscan pgsteal pgactivate pgdeactivate pglazyfree pglazyfreed'.split(' '),
  ...'thp_fault_alloc thp_collapse_alloc'.split(' '),
];
/** Since Linux 5.9 these are told apart; Docker's clients know the sum. */
const SPLIT = ['workingset_refault', 'workingset_activate'] as const;

/** What is read of memory.stat, by the version of cgroups. */
export const MEMORY_KEYS: Readonly<Record<'v1' | 'v2', ReadonlySet<string>>> = {
  v1: new Set([
    ...MEMORY_V1,
    ...MEMORY_V1.map((key) => `total_${key}`),
    'hierarchical_memory_limit',
    'hierarchical_memsw_limit',
  ]),
  v2: new Set([...MEMORY_V2, ...SPLIT.flatMap((key) => [`${key}_anon`, `${key}_file`])]),
};

/** No CPU time yet: what Docker shows before the first sample. */
export const NO_CPU: ContainerCPUStats = {
  cpu_usage: { total_usage: 0, usage_in_kernelmode: 0, usage_in_usermode: 0 },
  throttling_data: { periods: 0, throttled_periods: 0, throttled_time: 0 },
};

const NO_BLKIO = {
  io_service_bytes_recursive: null,
  io_serviced_recursive: null,
  io_queue_recursive: null,
  io_service_time_recursive: null,
  io_wait_time_recursive: null,
  io_merged_recursive: null,
  io_time_recursive: null,
  sectors_recursive: null,
} as unknown as ContainerBlkioStats;

/** Docker's answer for a container that does not run. */
export function emptySample(record: ContainerRecord): StatsSample {
  return {
    read: NEVER,
    preread: NEVER,
    pids_stats: {},
    blkio_stats: NO_BLKIO,
    num_procs: 0,
    storage_stats: {},
    cpu_stats: NO_CPU,
    precpu_stats: NO_CPU,
    memory_stats: {},
    name: `/${record.name}`,
    id: record.id,
    os_type: 'linux',
  };
}

/** What {@link makeSample} is made from. */
export interface Reading {
  record: ContainerRecord;
  /** RFC 3339 with nanoseconds. */
  read: string;
  cgroup: CgroupStats;
  system: SystemCpu;
  /** The sandbox's interfaces by name; empty for the host's network and for none. */
  links: ReadonlyMap<string, LinkCounters>;
}

/** A sample without the one before it. */
export function makeSample({ record, read, cgroup, system, links }: Reading): StatsSample {
  return {
    ...emptySample(record),
    read,
    pids_stats: pidsStats(cgroup),
    blkio_stats: blkioStats(cgroup),
    cpu_stats: cpuStats(cgroup, system),
    memory_stats: memoryStats(cgroup),
    ...(links.size > 0 ? { networks: networkStats(links) } : {}),
  };
}

/** Go's maximal uint64, which v2's answers show for "no limit of processes"; a JavaScript number is not exact there. */
const UNLIMITED = (JSON as typeof JSON & { rawJSON(text: string): number }).rawJSON('18446744073709551615');

function pidsStats({ version, pids }: CgroupStats): ContainerPidsStats {
  const limit = pids.limit ?? (version === 2 ? UNLIMITED : undefined);
  return {
    ...(pids.current > 0 ? { current: pids.current } : {}),
    ...(limit === undefined ? {} : { limit }),
  };
}

function cpuStats({ cpu }: CgroupStats, system: SystemCpu): ContainerCPUStats {
  return {
    cpu_usage: {
      total_usage: cpu.usageNs ?? 0,
      ...(cpu.perCpuNs ? { percpu_usage: cpu.perCpuNs } : {}),
      usage_in_kernelmode: cpu.systemNs,
      usage_in_usermode: cpu.userNs,
    },
    system_cpu_usage: system.totalNs,
    online_cpus: system.online,
    throttling_data: {
      periods: cpu.periods,
      throttled_periods: cpu.throttledPeriods,
      throttled_time: cpu.throttledNs,
    },
  };
}

function memoryStats({ version, memory }: CgroupStats): ContainerMemoryStats {
  return {
    ...(memory.usage > 0 ? { usage: memory.usage } : {}),
    ...(memory.maxUsage ? { max_usage: memory.maxUsage } : {}),
    stats: version === 1 ? memory.stat : unifiedMemory(memory.stat),
    ...(memory.failcnt > 0 ? { failcnt: memory.failcnt } : {}),
    // Without a limit it is the machine's memory.
    limit: Math.min(memory.limit ?? Number.POSITIVE_INFINITY, memTotal()),
  };
}

function unifiedMemory(stat: Record<string, number>): Record<string, number> {
  const out = Object.fromEntries(MEMORY_V2.map((key) => [key, stat[key] ?? 0]));
  for (const key of SPLIT) {
    if (stat[key] === undefined) out[key] = (stat[`${key}_anon`] ?? 0) + (stat[`${key}_file`] ?? 0);
  }
  return out;
}

/** v1 counts by `Read`, `Write`, `Sync`, …, and Docker passes that on; for v2 it says `read` and `write`. */
function blkioStats({ version, io }: CgroupStats): ContainerBlkioStats {
  const entry = ({ major, minor, op, value }: CgroupIo): ContainerBlkioStatEntry => ({
    major,
    minor,
    op: version === 1 ? op : op.toLowerCase(),
    value,
  });
  const bytes = io.serviceBytes.map(entry);
  const serviced = io.serviced.map(entry);
  if (version === 2) {
    return { ...NO_BLKIO, io_service_bytes_recursive: bytes, io_serviced_recursive: serviced };
  }
  return {
    io_service_bytes_recursive: bytes,
    io_serviced_recursive: serviced,
    io_queue_recursive: io.queued.map(entry),
    io_service_time_recursive: io.serviceTime.map(entry),
    io_wait_time_recursive: io.waitTime.map(entry),
    io_merged_recursive: io.merged.map(entry),
    io_time_recursive: io.time.map(entry),
    sectors_recursive: io.sectors.map(entry),
  };
}

function networkStats(links: ReadonlyMap<string, LinkCounters>): Record<string, object> {
  const out: Record<string, object> = {};
  for (const [name, n] of links) {
    out[name] = {
      rx_bytes: n.rxBytes,
      rx_packets: n.rxPackets,
      rx_errors: n.rxErrors,
      rx_dropped: n.rxDropped,
      tx_bytes: n.txBytes,
      tx_packets: n.txPackets,
      tx_errors: n.txErrors,
      tx_dropped: n.txDropped,
    };
  }
  return out;
}
