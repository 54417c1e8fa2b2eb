/** Facts about this machine. What cannot change while it is up is read once. */
import fs from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { availableControllers, cgroupMounts } from './cgroup.ts';

function once<T>(fn: () => T): () => T {
  let value: { v: T } | undefined;
  return () => {
    value ??= { v: fn() };
    return value.v;
  };
}

/** Memory in bytes. */
export const memTotal: () => number = once(() => os.totalmem());

/** Swap space in bytes; it can be switched on and off. */
export function swapTotal(): number {
  const kib = /^SwapTotal:\s+(\d+)/m.exec(fs.readFileSync('/proc/meminfo', 'utf8'))?.[1];
  return Number(kib ?? 0) * 1024;
}

/** Processors that are online. */
export const cpuCount: () => number = once(() => os.cpus().length);

/** As `uname -r`. */
export const kernelVersion: () => string = once(() => os.release());

/** The keys of os-release(5), such as `PRETTY_NAME`, `ID`, `VERSION_ID`; empty when there is no such file. */
export const osRelease: () => Readonly<Record<string, string>> = once(() => {
  for (const path of ['/etc/os-release', '/usr/lib/os-release']) {
    try {
      return parseOsRelease(fs.readFileSync(path, 'utf8'));
    } catch {
      // the next one
    }
  }
  return {};
});

function parseOsRelease(text: string): Record<string, string> {
  const out: Record<string, string> = {};
  for (const line of text.split('\n')) {
    const match = /^([A-Z0-9_]+)=(.*)$/.exec(line.trim());
    if (match === null) continue;
    const [, key = '', value = ''] = match;
    out[key] = value.replace(/^(["'])(.*)\1$/, '$2').replace(/\\(["'$`\\])/g, '$1');
  }
  return out;
}

/** The name of `uname -m` (`x86_64`, `aarch64`). */
export const machine: () => string = once(() => os.machine());

/**
 * The capabilities this process can ever have or give, as a bit set (bit 0 is CAP_CHOWN): its bounding set,
 * less what it does not hold itself.
 */
export const capabilityBoundingSet: () => bigint = once(() => {
  const status = fs.readFileSync('/proc/self/status', 'utf8');
  const set = (name: string): bigint =>
    BigInt(`0x${new RegExp(`^${name}:\\s+([0-9a-f]+)`, 'm').exec(status)?.[1] ?? '0'}`);
  return set('CapBnd') & set('CapPrm');
});

/** True when systemd is the init of this machine (sd_booted(3)). */
export const systemdRunning: () => boolean = once(() => fs.existsSync('/run/systemd/system'));

/** The security modules that are on (`apparmor`, `selinux`, `landlock`, …). */
export const securityModules: () => readonly string[] = once(() => {
  try {
    return fs.readFileSync('/sys/kernel/security/lsm', 'utf8').trim().split(',');
  } catch {
    return fs.existsSync('/sys/module/apparmor/parameters/enabled') ? ['apparmor'] : [];
  }
});

/** Which limits the control groups of this machine can set. */
export interface CgroupFeatures {
  memoryLimit: boolean;
  swapLimit: boolean;
  oomKillDisable: boolean;
  cpuShares: boolean;
  cpuCfsQuota: boolean;
  cpuset: boolean;
  pidsLimit: boolean;
  blkioWeight: boolean;
  blkioThrottle: boolean;
  devices: boolean;
  freezer: boolean;
}

/** Reads which limits can be set; v1 tells by the files in its hierarchies' roots. */
export const cgroupFeatures: () => CgroupFeatures = once(() => {
  const { mode, v1 } = cgroupMounts();
  const controllers = new Set(availableControllers());
  if (mode === 'v2') {
    return {
      memoryLimit: controllers.has('memory'),
      swapLimit: controllers.has('memory') && swapAccounted(),
      oomKillDisable: false,
      cpuShares: controllers.has('cpu'),
      cpuCfsQuota: controllers.has('cpu'),
      cpuset: controllers.has('cpuset'),
      pidsLimit: controllers.has('pids'),
      blkioWeight: controllers.has('io'),
      blkioThrottle: controllers.has('io'),
      devices: true,
      freezer: true,
    };
  }
  const has = (controller: string, file: string): boolean => {
    const root = v1.get(controller);
    return root !== undefined && fs.existsSync(join(root, file));
  };
  return {
    memoryLimit: has('memory', 'memory.limit_in_bytes'),
    swapLimit: has('memory', 'memory.memsw.limit_in_bytes'),
    oomKillDisable: has('memory', 'memory.oom_control'),
    cpuShares: has('cpu', 'cpu.shares'),
    cpuCfsQuota: has('cpu', 'cpu.cfs_quota_us'),
    cpuset: has('cpuset', 'cpuset.cpus'),
    pidsLimit: controllers.has('pids'),
    blkioWeight: has('blkio', 'blkio.weight'),
    blkioThrottle: has('blkio', 'blkio.throttle.read_bps_device'),
    devices: controllers.has('devices'),
    freezer: controllers.has('freezer'),
  };
});

/** v2 has memory.swap.max in every group but the root; our own group tells, else the kernel's default (on) counts. */
function swapAccounted(): boolean {
  const own = /^0::(.*)$/m.exec(fs.readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '/';
  const unified = cgroupMounts().unified ?? '/sys/fs/cgroup';
  return own === '/' || fs.existsSync(join(unified, own, 'memory.swap.max'));
}
