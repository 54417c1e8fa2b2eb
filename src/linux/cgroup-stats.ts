/** What a control group uses, read from v1's or v2's files into one shape. Missing files count as nothing used. */
import { CgroupFiles } from './cgroup-files.ts';

/** A value for one block device and operation. */
export interface CgroupIo {
  major: number;
  minor: number;
  op: 'Read' | 'Write' | 'Sync' | 'Async' | 'Discard' | 'Total';
  value: number;
}

/** Counts of block I/O by kind; of them v2 has the first two, and so has v1 without a debugging BFQ. */
export interface CgroupIoStats {
  serviceBytes: CgroupIo[];
  serviced: CgroupIo[];
  queued: CgroupIo[];
  serviceTime: CgroupIo[];
  waitTime: CgroupIo[];
  merged: CgroupIo[];
  time: CgroupIo[];
  sectors: CgroupIo[];
}

/** Bytes and nanoseconds, unless said otherwise. */
export interface CgroupStats {
  version: 1 | 2;
  cpu: {
    /** Undefined when the group is gone (or has no processor controller). */
    usageNs: number | undefined;
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
    /** How often the limit was hit (v1), or was out of memory (v2, `oom` of memory.events). */
    failcnt: number;
    oomKills: number;
    /** memory.stat. */
    stat: Record<string, number>;
  };
  pids: { current: number; limit: number | undefined };
  io: CgroupIoStats;
}

/** v1 reports "no limit" as the largest multiple of the page size. */
const UNLIMITED_V1 = 2 ** 62;
/** v1's cpuacct.stat counts ticks of USER_HZ, which is 100 on every architecture here. */
const NS_PER_TICK = 10_000_000;

type DirectoryOf = (controller: string) => string | undefined;

/** What {@link CgroupReader.read} reads. */
export interface CgroupReadOptions {
  /** Keys of memory.stat that are wanted; all when absent. */
  memoryKeys?: ReadonlySet<string>;
}

/** Reads one group's statistics, again and again, with its files kept open between readings. */
export class CgroupReader {
  readonly #files = new Map<string, CgroupFiles>();
  readonly #directoryOf: DirectoryOf;
  readonly #unified: boolean;
  /** v1: BFQ keeps its own counts; without that scheduler the throttling layer's are the ones. */
  #blkioPrefix: string | undefined;

  /** @param directoryOf gives a controller's directory */
  constructor(directoryOf: DirectoryOf, unified: boolean) {
    this.#directoryOf = directoryOf;
    this.#unified = unified;
  }

  #of(controller: string): CgroupFiles {
    let files = this.#files.get(controller);
    if (files === undefined) {
      files = new CgroupFiles(this.#directoryOf(controller));
      this.#files.set(controller, files);
    }
    return files;
  }

  read(options: CgroupReadOptions = {}): CgroupStats {
    return this.#unified ? this.#readV2(options) : this.#readV1(options);
  }

  /** How many processes in the group the kernel has killed for want of memory. */
  oomKills(): number {
    return this.#of('memory').keys(this.#unified ? 'memory.events' : 'memory.oom_control').oom_kill ?? 0;
  }

  /** Closes the files. */
  close(): void {
    for (const files of this.#files.values()) files.close();
    this.#files.clear();
  }

  #readV1({ memoryKeys }: CgroupReadOptions): CgroupStats {
    const memory = this.#of('memory');
    const cpuacct = this.#of('cpuacct');
    const limit = memory.number('memory.limit_in_bytes');
    const throttling = this.#of('cpu').keys('cpu.stat');
    const ticks = cpuacct.keys('cpuacct.stat');
    const perCpu = cpuacct.text('cpuacct.usage_percpu').trim();
    return {
      version: 1,
      cpu: {
        usageNs: cpuacct.number('cpuacct.usage'),
        userNs: (ticks.user ?? 0) * NS_PER_TICK,
        systemNs: (ticks.system ?? 0) * NS_PER_TICK,
        perCpuNs: perCpu === '' ? undefined : perCpu.split(' ').map(Number),
        periods: throttling.nr_periods ?? 0,
        throttledPeriods: throttling.nr_throttled ?? 0,
        throttledNs: throttling.throttled_time ?? 0,
      },
      memory: {
        usage: memory.number('memory.usage_in_bytes') ?? 0,
        maxUsage: memory.number('memory.max_usage_in_bytes'),
        limit: limit === undefined || limit > UNLIMITED_V1 ? undefined : limit,
        failcnt: memory.number('memory.failcnt') ?? 0,
        oomKills: this.oomKills(),
        stat: memory.keys('memory.stat', memoryKeys),
      },
      pids: this.#pids(),
      io: this.#blkio(),
    };
  }

  #pids(): CgroupStats['pids'] {
    const pids = this.#of('pids');
    return { current: pids.number('pids.current') ?? 0, limit: pids.number('pids.max') };
  }

  #blkio(): CgroupIoStats {
    const files = this.#of('blkio');
    const read = (name: string): CgroupIo[] => parseBlkio(files.text(`${this.#blkioPrefix}.${name}`));
    if (this.#blkioPrefix === undefined) {
      this.#blkioPrefix = 'blkio.bfq';
      if (read('io_serviced_recursive').length === 0) this.#blkioPrefix = 'blkio.throttle';
    }
    const stats = {
      ...EMPTY_IO,
      serviceBytes: read('io_service_bytes_recursive'),
      serviced: read('io_serviced_recursive'),
    };
    if (this.#blkioPrefix === 'blkio.throttle') {
      // Until the group has done I/O it is not known whose counts there will be.
      if (stats.serviced.length === 0) this.#blkioPrefix = undefined;
      return stats;
    }
    return {
      ...stats,
      queued: read('io_queued_recursive'),
      serviceTime: read('io_service_time_recursive'),
      waitTime: read('io_wait_time_recursive'),
      merged: read('io_merged_recursive'),
      time: read('time_recursive'),
      sectors: read('sectors_recursive'),
    };
  }

  #readV2({ memoryKeys }: CgroupReadOptions): CgroupStats {
    const files = this.#of('memory'); // one directory has them all
    const cpu = files.keys('cpu.stat'); // microseconds
    const events = files.keys('memory.events');
    const io = files.text('io.stat');
    return {
      version: 2,
      cpu: {
        usageNs: cpu.usage_usec === undefined ? undefined : cpu.usage_usec * 1000,
        userNs: (cpu.user_usec ?? 0) * 1000,
        systemNs: (cpu.system_usec ?? 0) * 1000,
        perCpuNs: undefined,
        periods: cpu.nr_periods ?? 0,
        throttledPeriods: cpu.nr_throttled ?? 0,
        throttledNs: (cpu.throttled_usec ?? 0) * 1000,
      },
      memory: {
        usage: files.number('memory.current') ?? 0,
        maxUsage: files.number('memory.peak'),
        limit: files.number('memory.max'),
        failcnt: events.oom ?? 0,
        oomKills: events.oom_kill ?? 0,
        stat: files.keys('memory.stat', memoryKeys),
      },
      pids: { current: files.number('pids.current') ?? 0, limit: files.number('pids.max') },
      io: {
        ...EMPTY_IO,
        serviceBytes: parseIoStat(io, { rbytes: 'Read', wbytes: 'Write' }),
        serviced: parseIoStat(io, { rios: 'Read', wios: 'Write' }),
      },
    };
  }
}

const EMPTY_IO: CgroupIoStats = {
  serviceBytes: [],
  serviced: [],
  queued: [],
  serviceTime: [],
  waitTime: [],
  merged: [],
  time: [],
  sectors: [],
};

/** Reads everything once; `directoryOf` gives a controller's directory. */
export function readCgroupStats(directoryOf: DirectoryOf, unified: boolean): CgroupStats {
  const reader = new CgroupReader(directoryOf, unified);
  try {
    return reader.read();
  } finally {
    reader.close();
  }
}

/** Lines such as `8:0 Read 4096`; `8:16 12` (time, sectors) has no operation. */
function parseBlkio(text: string): CgroupIo[] {
  const out: CgroupIo[] = [];
  for (const line of text.split('\n')) {
    const match = /^(\d+):(\d+)(?: (\w+))? (\d+)$/.exec(line);
    if (match === null) continue; // also the line with the sum of all devices
    const [, major, minor, op = '', value] = match;
    out.push({
      major: Number(major),
      minor: Number(minor),
      op: op as CgroupIo['op'],
      value: Number(value),
    });
  }
  return out;
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
