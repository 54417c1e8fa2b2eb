/** Which limits the control groups of this machine can set. */
import fs from 'node:fs';
import { join } from 'node:path';
import { availableControllers, cgroupMounts } from './cgroup.ts';

/** Limits by what they need of the kernel. */
export interface CgroupFeatures {
  memoryLimit: boolean;
  memoryReservation: boolean;
  memorySwappiness: boolean;
  swapLimit: boolean;
  oomKillDisable: boolean;
  cpuShares: boolean;
  cpuCfsQuota: boolean;
  cpuRealtime: boolean;
  cpuset: boolean;
  pidsLimit: boolean;
  blkioWeight: boolean;
  blkioWeightDevice: boolean;
  blkioReadBps: boolean;
  blkioWriteBps: boolean;
  blkioReadIops: boolean;
  blkioWriteIops: boolean;
  devices: boolean;
  freezer: boolean;
}

let features: CgroupFeatures | undefined;

/** Which limits can be set; read at the first call. v1 tells by the files in its hierarchies' roots. */
export function cgroupFeatures(): CgroupFeatures {
  features ??= cgroupMounts().mode === 'v2' ? unifiedFeatures() : legacyFeatures();
  return features;
}

function unifiedFeatures(): CgroupFeatures {
  const controllers = new Set(availableControllers());
  const memory = controllers.has('memory');
  const cpu = controllers.has('cpu');
  const io = controllers.has('io');
  const weight = io && weighsIo();
  return {
    memoryLimit: memory,
    memoryReservation: memory,
    memorySwappiness: false,
    swapLimit: memory && swapAccounted(),
    oomKillDisable: false,
    cpuShares: cpu,
    cpuCfsQuota: cpu,
    cpuRealtime: false,
    cpuset: controllers.has('cpuset'),
    pidsLimit: controllers.has('pids'),
    blkioWeight: weight,
    blkioWeightDevice: weight,
    blkioReadBps: io,
    blkioWriteBps: io,
    blkioReadIops: io,
    blkioWriteIops: io,
    devices: true,
    freezer: true,
  };
}

function legacyFeatures(): CgroupFeatures {
  const { v1 } = cgroupMounts();
  const has = (controller: string, file: string): boolean => {
    const root = v1.get(controller);
    return root !== undefined && fs.existsSync(join(root, file));
  };
  return {
    memoryLimit: has('memory', 'memory.limit_in_bytes'),
    memoryReservation: has('memory', 'memory.soft_limit_in_bytes'),
    memorySwappiness: has('memory', 'memory.swappiness'),
    swapLimit: has('memory', 'memory.memsw.limit_in_bytes'),
    oomKillDisable: has('memory', 'memory.oom_control'),
    cpuShares: has('cpu', 'cpu.shares'),
    cpuCfsQuota: has('cpu', 'cpu.cfs_quota_us'),
    cpuRealtime: has('cpu', 'cpu.rt_runtime_us'),
    cpuset: has('cpuset', 'cpuset.cpus'),
    pidsLimit: v1.has('pids'),
    blkioWeight: has('blkio', 'blkio.weight'),
    blkioWeightDevice: has('blkio', 'blkio.weight_device'),
    blkioReadBps: has('blkio', 'blkio.throttle.read_bps_device'),
    blkioWriteBps: has('blkio', 'blkio.throttle.write_bps_device'),
    blkioReadIops: has('blkio', 'blkio.throttle.read_iops_device'),
    blkioWriteIops: has('blkio', 'blkio.throttle.write_iops_device'),
    devices: v1.has('devices'),
    freezer: v1.has('freezer'),
  };
}

const unifiedRoot = (): string => cgroupMounts().unified ?? '/sys/fs/cgroup';

/** v2 has memory.swap.max in every group but the root; our own group tells, else the kernel's default (on) counts. */
function swapAccounted(): boolean {
  const own = ownGroup();
  return own === '/' || fs.existsSync(join(unifiedRoot(), own, 'memory.swap.max'));
}

function ownGroup(): string {
  return /^0::(.*)$/m.exec(fs.readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '/';
}

/** v2 weighs block I/O only with the cost model or the BFQ scheduler built in; the files are in groups below the root. */
function weighsIo(): boolean {
  const root = unifiedRoot();
  if (fs.existsSync(join(root, 'io.cost.qos'))) return true;
  const groups = fs.readdirSync(root, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return [ownGroup(), ...groups.map(({ name }) => name)].some((group) =>
    ['io.weight', 'io.bfq.weight'].some((file) => fs.existsSync(join(root, group, file))),
  );
}

/** Processors or memory nodes that groups can be given, as a list of cpuset(7): `0-3`. Empty when it cannot be known. */
export function cpusetAvailable(what: 'cpus' | 'mems'): string {
  const { mode, v1 } = cgroupMounts();
  const root = v1.get('cpuset');
  const path =
    mode === 'v2'
      ? join(unifiedRoot(), `cpuset.${what}.effective`)
      : join(root ?? '', `cpuset.effective_${what}`);
  try {
    return fs.readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}
