/** Paths in /proc and /sys that containers do not see, or cannot write (Docker's lists). */
import { existsSync, readdirSync } from 'node:fs';

const CPU_DIR = '/sys/devices/system/cpu';

/** The processors' thermal counters tell about neighbours (moby GHSA-6fw5-f8r9-fgfm). */
function thermalThrottlePaths(): string[] {
  try {
    return readdirSync(CPU_DIR)
      .filter((name) => /^cpu\d+$/.test(name))
      .map((name) => `${CPU_DIR}/${name}/thermal_throttle`)
      .filter((path) => existsSync(path));
  } catch {
    return [];
  }
}

/** Hidden: a file shows nothing, a directory is empty. */
export const MASKED_PATHS: readonly string[] = [
  '/proc/asound',
  '/proc/acpi',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
  '/sys/devices/virtual/powercap',
  ...thermalThrottlePaths(),
];

/** Readable only. */
export const READONLY_PATHS: readonly string[] = [
  '/proc/bus',
  '/proc/fs',
  '/proc/irq',
  '/proc/sys',
  '/proc/sysrq-trigger',
];
