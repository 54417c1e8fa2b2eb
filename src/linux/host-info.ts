/** Facts about this machine. What cannot change while it is up is read once. */
import fs from 'node:fs';
import os from 'node:os';

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

/** A name for the time since this machine was started (proc(5)); empty where the kernel tells none. */
export const bootId: () => string = once(() => {
  try {
    return fs.readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  } catch {
    return '';
  }
});
