/** Devices: which nodes a container gets, and which it may use. */
import fs from 'node:fs';
import { join } from 'node:path';
import { invalidParameter, system } from '../errdefs/index.ts';
import { isErrno, splitDev } from '../linux/index.ts';
import type { SpecDevice, SpecDeviceRule } from './spec-types.ts';

/** `--device`, as Docker has it. */
export interface DeviceMapping {
  PathOnHost?: string;
  PathInContainer?: string;
  CgroupPermissions?: string;
}

const device = (type: 'c' | 'b', major: number | undefined, minor: number | undefined, access: string) => ({
  allow: true,
  type,
  ...(major === undefined ? {} : { major }),
  ...(minor === undefined ? {} : { minor }),
  access,
});

/** All is forbidden but null, zero, full, random, urandom, tty, console, ptmx and pts; nodes may be made of any. */
export const DEFAULT_DEVICE_RULES: readonly SpecDeviceRule[] = [
  { allow: false, access: 'rwm' },
  device('c', undefined, undefined, 'm'),
  device('b', undefined, undefined, 'm'),
  device('c', 1, 3, 'rwm'),
  device('c', 1, 5, 'rwm'),
  device('c', 1, 7, 'rwm'),
  device('c', 1, 8, 'rwm'),
  device('c', 1, 9, 'rwm'),
  device('c', 5, 0, 'rwm'),
  device('c', 5, 1, 'rwm'),
  device('c', 5, 2, 'rwm'),
  device('c', 136, undefined, 'rwm'),
];

/** Everything is allowed: privileged. */
export const ALL_DEVICES_RULES: readonly SpecDeviceRule[] = [{ allow: true, access: 'rwm' }];

/** The node at `hostPath`, to be made at `path`; undefined when it is no device. Symlinks are followed. */
function deviceNode(hostPath: string, path: string): SpecDevice | undefined {
  const stat = fs.statSync(hostPath, { bigint: true });
  const type = stat.isCharacterDevice() ? 'c' : stat.isBlockDevice() ? 'b' : undefined;
  if (type === undefined) return undefined;
  const [major, minor] = splitDev(stat.rdev);
  return {
    type,
    path,
    major,
    minor,
    fileMode: Number(stat.mode & 0o7777n),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
  };
}

/** Devices below a directory. Names the runtime makes itself or that belong to the host's sessions are left out. */
const NOT_DEVICES = new Set(['pts', 'shm', 'fd', 'mqueue', '.lxc', '.lxd-mounts', '.udev']);

function devicesBelow(hostDir: string, dir: string): SpecDevice[] {
  return fs.readdirSync(hostDir, { withFileTypes: true }).flatMap((entry): SpecDevice[] => {
    const [hostPath, path] = [join(hostDir, entry.name), join(dir, entry.name)];
    if (entry.isDirectory()) return NOT_DEVICES.has(entry.name) ? [] : devicesBelow(hostPath, path);
    if (entry.name === 'console' || !(entry.isCharacterDevice() || entry.isBlockDevice())) return [];
    try {
      const node = deviceNode(hostPath, path);
      return node === undefined ? [] : [node];
    } catch (err) {
      if (isErrno(err, 'ENOENT', 'ENXIO')) return []; // gone meanwhile
      throw err;
    }
  });
}

/** All devices of the host: a privileged container's. */
export function hostDevices(): SpecDevice[] {
  return devicesBelow('/dev', '/dev');
}

/**
 * A mapping's devices (a directory's: all below), with the rules that allow them.
 * @throws system as Docker words it when there is no such device
 */
export function mappedDevices(mapping: DeviceMapping): { devices: SpecDevice[]; rules: SpecDeviceRule[] } {
  const hostPath = mapping.PathOnHost ?? '';
  const path = mapping.PathInContainer || hostPath;
  const access = mapping.CgroupPermissions || 'rwm';
  const devices = readMapping(hostPath, path);
  if (devices.length === 0) {
    throw system(
      `error gathering device information while adding custom device "${hostPath}": not a device node`,
    );
  }
  return {
    devices,
    rules: devices.map(({ type, major, minor }) => ({
      allow: true,
      type: type as 'c' | 'b',
      major,
      minor,
      access,
    })),
  };
}

function readMapping(hostPath: string, path: string): SpecDevice[] {
  try {
    const node = deviceNode(hostPath, path);
    if (node !== undefined) return [node];
    return fs.statSync(hostPath).isDirectory() ? devicesBelow(hostPath, path) : [];
  } catch (err) {
    const reason = isErrno(err, 'ENOENT') ? 'no such file or directory' : String(err);
    throw system(`error gathering device information while adding custom device "${hostPath}": ${reason}`, {
      cause: err,
    });
  }
}

/** `--device-cgroup-rule`, e.g. `c 42:* rmw`. @throws invalidParameter */
export function parseDeviceRule(rule: string): SpecDeviceRule {
  const match = /^([acb]) (\d+|\*):(\d+|\*) ([rwm]{1,3})$/.exec(rule);
  if (match === null) throw invalidParameter(`invalid device cgroup rule format: '${rule}'`);
  const [, type, major, minor, access = ''] = match;
  return {
    allow: true,
    type: type as 'a' | 'b' | 'c',
    ...(major === '*' ? {} : { major: Number(major) }),
    ...(minor === '*' ? {} : { minor: Number(minor) }),
    access,
  };
}

/** major and minor of the block device at `path`, for the block I/O limits. @throws system when there is none */
export function deviceNumber(path: string): { major: number; minor: number } {
  try {
    const [major, minor] = splitDev(fs.statSync(path, { bigint: true }).rdev);
    return { major, minor };
  } catch (err) {
    throw system(`stat ${path}: ${isErrno(err, 'ENOENT') ? 'no such file or directory' : String(err)}`, {
      cause: err,
    });
  }
}
