/** The numbers of `stats`, worked out as docker's client does. */
import type { ContainerStatsResponse } from '@docker/node-sdk';

/** A container's line. `valid` false until the first numbers are there, or after an error. */
export interface StatsRow {
  container: string;
  name: string;
  id: string;
  cpuPercent: number;
  memory: number;
  memoryLimit: number;
  memoryPercent: number;
  networkIn: number;
  networkOut: number;
  blockRead: number;
  blockWrite: number;
  pids: number;
  valid: boolean;
}

/** A line without numbers. */
export const emptyRow = (container: string): StatsRow => ({
  container,
  name: '',
  id: '',
  cpuPercent: 0,
  memory: 0,
  memoryLimit: 0,
  memoryPercent: 0,
  networkIn: 0,
  networkOut: 0,
  blockRead: 0,
  blockWrite: 0,
  pids: 0,
  valid: false,
});

/** Share of one CPU used between two readings. */
function cpuPercent({ cpu_stats: now, precpu_stats: before }: ContainerStatsResponse): number {
  const used = (now?.cpu_usage?.total_usage ?? 0) - (before?.cpu_usage?.total_usage ?? 0);
  const system = (now?.system_cpu_usage ?? 0) - (before?.system_cpu_usage ?? 0);
  const cpus = now?.online_cpus || now?.cpu_usage?.percpu_usage?.length || 0;
  return system > 0 && used > 0 ? (used / system) * cpus * 100 : 0;
}

/** Memory without the page cache that the kernel can drop: cgroup v1 and v2 name it differently. */
function memoryUsed({ memory_stats: memory }: ContainerStatsResponse): number {
  const usage = memory?.usage ?? 0;
  const stats = (memory?.stats ?? {}) as Readonly<Record<string, number>>;
  const cache = stats.total_inactive_file ?? stats.inactive_file ?? 0;
  return cache < usage ? usage - cache : usage;
}

/** A line from the daemon's numbers. */
export function statsRow(container: string, stats: ContainerStatsResponse): StatsRow {
  const memory = memoryUsed(stats);
  const limit = stats.memory_stats?.limit ?? 0;
  const networks = Object.values(stats.networks ?? {}) as ReadonlyArray<{
    rx_bytes?: number;
    tx_bytes?: number;
  }>;
  const blocks = stats.blkio_stats?.io_service_bytes_recursive ?? [];
  const sum = (operation: string): number =>
    blocks
      .filter((b) => b.op?.[0]?.toLowerCase() === operation)
      .reduce((total, b) => total + (b.value ?? 0), 0);
  return {
    container,
    name: (stats.name ?? '').replace(/^\//, ''),
    id: stats.id ?? '',
    cpuPercent: cpuPercent(stats),
    memory,
    memoryLimit: limit,
    memoryPercent: limit > 0 ? (memory / limit) * 100 : 0,
    networkIn: networks.reduce((total, n) => total + (n.rx_bytes ?? 0), 0),
    networkOut: networks.reduce((total, n) => total + (n.tx_bytes ?? 0), 0),
    blockRead: sum('r'),
    blockWrite: sum('w'),
    pids: stats.pids_stats?.current ?? 0,
    valid: true,
  };
}
