/** What a control group uses, read from v1's or v2's files into one shape. Missing files count as nothing used. */
import fs from 'node:fs';
import { join } from 'node:path';

/** A value for one block device and operation. */
export interface CgroupIo {
  major: number;
  minor: number;
  op: 'Read' | 'Write' | 'Sync' | 'Async' | 'Discard' | 'Total';
  value: number;
}

/** Bytes and nanoseconds, unless said otherwise. */
export interface CgroupStats {
  version: 1 | 2;
  cpu: {
    usageNs: number;
    userNs: number;
    systemNs: number;
    /** For each processor; v1 only. */
    perCpuNs: number[] | undefined;
    periods: number;
    throttledPeriods: number;
    throttledNs: number;
  };
  memory: {
    usage: number;
    /** The highest usage so far; in v2 since Linux 5.19. */
    maxUsage: number | undefined;
    /** Undefined when there is no limit. */
    limit: number | undefined;
    /** How often the limit was hit; v1 only. */
    failcnt: number | undefined;
    oomKills: number;
    /** All of memory.stat. */
    stat: Record<string, number>;
  };
  pids: { current: number; limit: number | undefined };
  io: { serviceBytes: CgroupIo[]; serviced: CgroupIo[] };
}

/** v1 reports "no limit" as the largest multiple of the page size. */
const UNLIMITED_V1 = 2 ** 62;
/** v1's cpuacct.stat counts ticks of USER_HZ, which is 100 on every architecture here. */
const NS_PER_TICK = 10_000_000;

type DirectoryOf = (controller: string) => string | undefined;

function read(directory: string | undefined, file: string): string {
  if (directory === undefined) return '';
  try {
    return fs.readFileSync(join(directory, file), 'utf8');
  } catch {
    return ''; // the controller is off, or the group has just gone
  }
}

const readNumber = (directory: string | undefined, file: string): number | undefined => {
  const text = read(directory, file).trim();
  return /^\d+$/.test(text) ? Number(text) : undefined; // also `max`
};

function readKeys(directory: string | undefined, file: string): Record<string, number> {
  const out: Record<string, number> = {};
  for (const line of read(directory, file).split('\n')) {
    const blank = line.indexOf(' ');
    if (blank > 0) out[line.slice(0, blank)] = Number(line.slice(blank + 1));
  }
  return out;
}

/** Reads everything; `directoryOf` gives a controller's directory. */
export function readCgroupStats(directoryOf: DirectoryOf, unified: boolean): CgroupStats {
  return unified ? readV2(directoryOf('memory')) : readV1(directoryOf);
}

function readV1(directoryOf: DirectoryOf): CgroupStats {
  const [memory, cpu, cpuacct, blkio] = ['memory', 'cpu', 'cpuacct', 'blkio'].map(directoryOf);
  const limit = readNumber(memory, 'memory.limit_in_bytes');
  const throttling = readKeys(cpu, 'cpu.stat');
  const ticks = readKeys(cpuacct, 'cpuacct.stat');
  const perCpu = read(cpuacct, 'cpuacct.usage_percpu').trim();
  return {
    version: 1,
    cpu: {
      usageNs: readNumber(cpuacct, 'cpuacct.usage') ?? 0,
      userNs: (ticks.user ?? 0) * NS_PER_TICK,
      systemNs: (ticks.system ?? 0) * NS_PER_TICK,
      perCpuNs: perCpu === '' ? undefined : perCpu.split(' ').map(Number),
      periods: throttling.nr_periods ?? 0,
      throttledPeriods: throttling.nr_throttled ?? 0,
      throttledNs: throttling.throttled_time ?? 0,
    },
    memory: {
      usage: readNumber(memory, 'memory.usage_in_bytes') ?? 0,
      maxUsage: readNumber(memory, 'memory.max_usage_in_bytes'),
      limit: limit === undefined || limit > UNLIMITED_V1 ? undefined : limit,
      failcnt: readNumber(memory, 'memory.failcnt'),
      oomKills: readKeys(memory, 'memory.oom_control').oom_kill ?? 0,
      stat: readKeys(memory, 'memory.stat'),
    },
    pids: readPids(directoryOf('pids')),
    io: {
      serviceBytes: readBlkio(blkio, 'io_service_bytes_recursive'),
      serviced: readBlkio(blkio, 'io_serviced_recursive'),
    },
  };
}

const readPids = (directory: string | undefined): CgroupStats['pids'] => ({
  current: readNumber(directory, 'pids.current') ?? 0,
  limit: readNumber(directory, 'pids.max'),
});

/** BFQ keeps its own counts; without that scheduler the throttling layer's are the ones. */
function readBlkio(directory: string | undefined, file: string): CgroupIo[] {
  const bfq = parseBlkio(read(directory, `blkio.bfq.${file}`));
  return bfq.length > 0 ? bfq : parseBlkio(read(directory, `blkio.throttle.${file}`));
}

function parseBlkio(text: string): CgroupIo[] {
  const out: CgroupIo[] = [];
  for (const line of text.split('\n')) {
    const match = /^(\d+):(\d+) (\w+) (\d+)$/.exec(line);
    if (match === null) continue; // also the line with the sum of all devices
    const [, major, minor, op, value] = match;
    out.push({
      major: Number(major),
      minor: Number(minor),
      op: op as CgroupIo['op'],
      value: Number(value),
    });
  }
  return out;
}

function readV2(directory: string | undefined): CgroupStats {
  const cpu = readKeys(directory, 'cpu.stat'); // microseconds
  const io = read(directory, 'io.stat');
  return {
    version: 2,
    cpu: {
      usageNs: (cpu.usage_usec ?? 0) * 1000,
      userNs: (cpu.user_usec ?? 0) * 1000,
      systemNs: (cpu.system_usec ?? 0) * 1000,
      perCpuNs: undefined,
      periods: cpu.nr_periods ?? 0,
      throttledPeriods: cpu.nr_throttled ?? 0,
      throttledNs: (cpu.throttled_usec ?? 0) * 1000,
    },
    memory: {
      usage: readNumber(directory, 'memory.current') ?? 0,
      maxUsage: readNumber(directory, 'memory.peak'),
      limit: readNumber(directory, 'memory.max'),
      failcnt: undefined,
      oomKills: readKeys(directory, 'memory.events').oom_kill ?? 0,
      stat: readKeys(directory, 'memory.stat'),
    },
    pids: readPids(directory),
    io: {
      serviceBytes: parseIoStat(io, { rbytes: 'Read', wbytes: 'Write' }),
      serviced: parseIoStat(io, { rios: 'Read', wios: 'Write' }),
    },
  };
}

/** Lines such as `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0`. */
function parseIoStat(text: string, ops: Readonly<Record<string, CgroupIo['op']>>): CgroupIo[] {
  const out: CgroupIo[] = [];
  for (const line of text.split('\n')) {
    const [device = '', ...pairs] = line.split(' ');
    const [major, minor] = device.split(':').map(Number);
    if (major === undefined || minor === undefined) continue;
    for (const pair of pairs) {
      const [key = '', value] = pair.split('=');
      const op = ops[key];
      if (op !== undefined) out.push({ major, minor, op, value: Number(value) });
    }
  }
  return out;
}
