/** Who makes the containers' control groups: the runtime alone, or systemd. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type CgroupDriver, checkCgroupParent } from '../container/index.ts';
import { invalidParameter } from '../errdefs/index.ts';
import { cgroupMode, systemdRunning } from '../linux/index.ts';
import type { EngineConfig, EngineLog } from './config.ts';

export interface CgroupSettings {
  cgroupDriver: CgroupDriver;
  cgroupParent: string;
}

/** Where runtimes reach systemd (sd_bus_open_system(3)). */
const SYSTEM_BUS = '/run/dbus/system_bus_socket';

/**
 * The driver as asked for; else, as in Docker, systemd's where it is process 1 and the hierarchy is unified: it has the
 * hierarchy to itself then (systemd.io/CGROUP_DELEGATION).
 * @throws InvalidParameter when the driver cannot work here, or the cgroup parent is not one of its kind
 */
export function chooseCgroupDriver(
  { cgroupDriver: asked, cgroupParent: parent = '' }: Pick<EngineConfig, 'cgroupDriver' | 'cgroupParent'>,
  log: Pick<EngineLog, 'warn'>,
): CgroupSettings {
  if (asked === 'systemd' && !systemdRunning()) {
    throw invalidParameter('native.cgroupdriver=systemd: systemd is not running on this machine', {
      hint: 'Leave the option out, or set native.cgroupdriver=cgroupfs',
    });
  }
  let driver = asked ?? (cgroupMode() === 'v2' && systemdRunning() ? 'systemd' : 'cgroupfs');
  if (asked === undefined && driver === 'systemd' && !existsSync(SYSTEM_BUS)) {
    log.warn('systemd cannot be asked for control groups without D-Bus (package dbus): using cgroupfs');
    driver = 'cgroupfs';
  }
  checkCgroupParent(driver, parent);
  if (driver === 'systemd') return { cgroupDriver: driver, cgroupParent: parent || 'system.slice' };
  return { cgroupDriver: driver, cgroupParent: join('/', parent || 'wharf') };
}
