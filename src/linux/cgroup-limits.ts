/**
 * Changing the limits of a control group that is in use. All or nothing: a value that the kernel refuses brings back
 * those written before it.
 */
import { conflict, system } from '../errdefs/index.ts';
import type { Cgroup } from './cgroup.ts';
import { isErrno } from './libc.ts';

interface Throttle {
  major: number;
  minor: number;
  /** Bytes or operations a second. */
  rate: number;
}

/** Limits to set; what is absent stays. The shape is that of the OCI runtime spec (config-linux.md, "Control groups"). */
export interface CgroupLimits {
  memory?: {
    /** Bytes. */
    limit?: number;
    /** Memory and swap together; -1: unlimited. */
    swap?: number;
    reservation?: number;
  };
  cpu?: {
    shares?: number;
    /** Microseconds; -1: unlimited. */
    quota?: number;
    period?: number;
    realtimeRuntime?: number;
    realtimePeriod?: number;
    cpus?: string;
    mems?: string;
  };
  /** -1: unlimited. */
  pids?: { limit: number };
  blockIO?: {
    weight?: number;
    weightDevice?: { major: number; minor: number; weight: number }[];
    throttleReadBpsDevice?: Throttle[];
    throttleWriteBpsDevice?: Throttle[];
    throttleReadIOPSDevice?: Throttle[];
    throttleWriteIOPSDevice?: Throttle[];
  };
}

/** A value for a file; with `orElse`, for another file where the kernel lacks that one. */
interface Write {
  file: string;
  value: string;
  orElse?: Write;
}

/** The kernel's default, in microseconds. */
const CPU_PERIOD = 100_000;

/**
 * Sets limits, in an order in which the kernel takes them.
 * @throws Conflict when a limit of memory is below what cannot be freed; SyscallError for what else the kernel refuses
 */
export async function applyLimits(cgroup: Cgroup, limits: CgroupLimits): Promise<void> {
  const done: { file: string; before: string }[] = [];
  try {
    for (const write of planLimits(cgroup, limits)) done.push(await perform(cgroup, write));
  } catch (err) {
    for (const { file, before } of done.reverse()) restore(cgroup, file, before);
    throw err;
  }
}

/** The writes, in order. */
export function planLimits(cgroup: Cgroup, limits: CgroupLimits): Write[] {
  const { memory = {}, cpu = {}, pids, blockIO = {} } = limits;
  const plan = cgroup.unified
    ? [...memoryV2(memory), ...cpuV2(cgroup, cpu), ...ioV2(blockIO)]
    : [...memoryV1(cgroup, memory), ...cpuV1(cgroup, cpu), ...blkioV1(blockIO)];
  if (cpu.cpus) plan.push({ file: 'cpuset.cpus', value: cpu.cpus });
  if (cpu.mems) plan.push({ file: 'cpuset.mems', value: cpu.mems });
  if (pids) plan.push({ file: 'pids.max', value: pids.limit > 0 ? String(pids.limit) : 'max' });
  return plan;
}

/** Off the main thread: a lower limit of memory is written when the kernel has freed what is above it. */
async function perform(cgroup: Cgroup, write: Write): Promise<{ file: string; before: string }> {
  try {
    const before = cgroup.read(write.file);
    await cgroup.writeAsync(write.file, write.value);
    return { file: write.file, before };
  } catch (err) {
    if (write.orElse && isErrno(err, 'ENOENT')) return perform(cgroup, write.orElse);
    if (isErrno(err, 'EBUSY') && write.file === 'memory.limit_in_bytes')
      throw memoryInUse(cgroup, write.value);
    throw system(
      `failed to write ${JSON.stringify(write.value)} to ${write.file}: ${isErrno(err, 'EINVAL') ? 'invalid argument' : String((err as Error).message)}`,
      { cause: err },
    );
  }
}

/** Device files hold a line for each device: all that were there before. `max` lines bring back "no limit". */
function restore(cgroup: Cgroup, file: string, before: string): void {
  for (const line of before.split('\n')) {
    try {
      cgroup.write(file, line);
    } catch {
      // What was there a moment ago is refused now: the group has gone.
    }
  }
}

function memoryInUse(cgroup: Cgroup, limit: string): Error {
  const usage = cgroup.read('memory.usage_in_bytes');
  const peak = cgroup.read('memory.max_usage_in_bytes');
  return conflict(`unable to set memory limit to ${limit} (current usage: ${usage}, peak usage: ${peak})`);
}

/** v1: the limit is never above that with swap, not even between two writes. */
function memoryV1(
  cgroup: Cgroup,
  { limit, swap, reservation }: NonNullable<CgroupLimits['memory']>,
): Write[] {
  const plan: Write[] = [];
  const memory: Write[] =
    limit === undefined ? [] : [{ file: 'memory.limit_in_bytes', value: String(limit) }];
  const both: Write[] =
    swap === undefined ? [] : [{ file: 'memory.memsw.limit_in_bytes', value: String(swap) }];
  const raises =
    swap === -1 || (swap !== undefined && swap > Number(readOr(cgroup, 'memory.memsw.limit_in_bytes', '0')));
  plan.push(...(raises ? [...both, ...memory] : [...memory, ...both]));
  if (reservation !== undefined) {
    plan.push({ file: 'memory.soft_limit_in_bytes', value: String(reservation) });
  }
  return plan;
}

/** v2 counts swap apart. It is lowered first and raised last, so that the sum is never above both old and new. */
function memoryV2({ limit, swap, reservation }: NonNullable<CgroupLimits['memory']>): Write[] {
  const plan: Write[] = [];
  if (limit !== undefined) plan.push({ file: 'memory.max', value: String(limit) });
  if (swap !== undefined) {
    if (swap !== -1 && limit === undefined) throw conflict('unable to set swap limit without memory limit');
    plan.push({ file: 'memory.swap.max', value: swap === -1 ? 'max' : String(swap - (limit ?? 0)) });
  }
  if (reservation !== undefined) plan.push({ file: 'memory.low', value: String(reservation) });
  return plan;
}

function cpuV1(cgroup: Cgroup, cpu: NonNullable<CgroupLimits['cpu']>): Write[] {
  const plan: Write[] = [];
  if (cpu.shares !== undefined) plan.push({ file: 'cpu.shares', value: String(cpu.shares) });
  const period: Write[] =
    cpu.period === undefined ? [] : [{ file: 'cpu.cfs_period_us', value: String(cpu.period) }];
  const quota: Write[] =
    cpu.quota === undefined ? [] : [{ file: 'cpu.cfs_quota_us', value: String(cpu.quota) }];
  // A shorter period with the old quota may be more than the parent has.
  const shorter = (cpu.period ?? 0) < Number(readOr(cgroup, 'cpu.cfs_period_us', '0'));
  plan.push(...(shorter ? [...quota, ...period] : [...period, ...quota]));
  if (cpu.realtimePeriod !== undefined) {
    plan.push({ file: 'cpu.rt_period_us', value: String(cpu.realtimePeriod) });
  }
  if (cpu.realtimeRuntime !== undefined) {
    plan.push({ file: 'cpu.rt_runtime_us', value: String(cpu.realtimeRuntime) });
  }
  return plan;
}

function cpuV2(cgroup: Cgroup, cpu: NonNullable<CgroupLimits['cpu']>): Write[] {
  const plan: Write[] = [];
  if (cpu.shares !== undefined) plan.push({ file: 'cpu.weight', value: String(cpuWeight(cpu.shares)) });
  if (cpu.quota !== undefined || cpu.period !== undefined) {
    const [quota = 'max', period = String(CPU_PERIOD)] = readOr(cgroup, 'cpu.max', '')
      .split(' ')
      .filter(Boolean);
    const asked = cpu.quota === undefined ? quota : cpu.quota > 0 ? String(cpu.quota) : 'max';
    plan.push({ file: 'cpu.max', value: `${asked} ${cpu.period ?? period}` });
  }
  return plan;
}

/** Shares of v1 (2 to 262144) as a weight of v2 (1 to 10000), on crun's and containerd's scale. */
export function cpuWeight(shares: number): number {
  const bounded = Math.min(Math.max(shares, 2), 262_144);
  return 1 + Math.trunc(((bounded - 2) * 9999) / 262_142);
}

/** Weights of v1 (10 to 1000) as weights of v2 (1 to 10000). */
export function ioWeight(weight: number): number {
  return 1 + Math.trunc(((weight - 10) * 9999) / 990);
}

function blkioV1(io: NonNullable<CgroupLimits['blockIO']>): Write[] {
  const plan: Write[] = [];
  if (io.weight !== undefined) {
    const value = String(io.weight);
    plan.push({ file: 'blkio.weight', value, orElse: { file: 'blkio.bfq.weight', value } });
  }
  for (const { major, minor, weight } of io.weightDevice ?? []) {
    const value = `${major}:${minor} ${weight}`;
    plan.push({ file: 'blkio.weight_device', value, orElse: { file: 'blkio.bfq.weight_device', value } });
  }
  const throttle = (file: string, devices: Throttle[] | undefined): void => {
    for (const { major, minor, rate } of devices ?? []) {
      plan.push({ file: `blkio.throttle.${file}_device`, value: `${major}:${minor} ${rate}` });
    }
  };
  throttle('read_bps', io.throttleReadBpsDevice);
  throttle('write_bps', io.throttleWriteBpsDevice);
  throttle('read_iops', io.throttleReadIOPSDevice);
  throttle('write_iops', io.throttleWriteIOPSDevice);
  return plan;
}

function ioV2(io: NonNullable<CgroupLimits['blockIO']>): Write[] {
  const plan: Write[] = [];
  const weigh = (device: string, weight: number): void => {
    const weighted: Write = { file: 'io.weight', value: `${device} ${ioWeight(weight)}` };
    plan.push({ file: 'io.bfq.weight', value: `${device} ${weight}`, orElse: weighted });
  };
  if (io.weight !== undefined) weigh('default', io.weight);
  for (const { major, minor, weight } of io.weightDevice ?? []) weigh(`${major}:${minor}`, weight);
  const throttle = (key: string, devices: Throttle[] | undefined): void => {
    for (const { major, minor, rate } of devices ?? []) {
      plan.push({ file: 'io.max', value: `${major}:${minor} ${key}=${rate === 0 ? 'max' : rate}` });
    }
  };
  throttle('rbps', io.throttleReadBpsDevice);
  throttle('wbps', io.throttleWriteBpsDevice);
  throttle('riops', io.throttleReadIOPSDevice);
  throttle('wiops', io.throttleWriteIOPSDevice);
  return plan;
}

function readOr(cgroup: Cgroup, file: string, otherwise: string): string {
  try {
    return cgroup.read(file);
  } catch {
    return otherwise;
  }
}
