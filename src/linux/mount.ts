/**
 * Mounting by the mount API of Linux 5.2 and later (man 2 fsopen, fsconfig, fsmount, move_mount, mount_setattr), with
 * mount(2) where the kernel lacks it. All synchronous: an overlay takes about 0.2 ms.
 */
import fs from 'node:fs';
import { invalidParameter } from '../errdefs/index.ts';
import { closeFd, O, openAt } from './fd.ts';
import { check, isErrno, libcFunction, SyscallError } from './libc.ts';

// The same numbers on every architecture.
const SYS_MOVE_MOUNT = 429;
const SYS_FSOPEN = 430;
const SYS_FSCONFIG = 431;
const SYS_FSMOUNT = 432;
const SYS_FSPICK = 433;
const SYS_MOUNT_SETATTR = 442;

const FSOPEN_CLOEXEC = 1;
const FSMOUNT_CLOEXEC = 1;
const FSCONFIG_SET_FLAG = 0;
const FSCONFIG_SET_STRING = 1;
const FSCONFIG_CMD_CREATE = 6;
const FSCONFIG_CMD_RECONFIGURE = 7;
const FSPICK_CLOEXEC = 1;
const MOVE_MOUNT_F_EMPTY_PATH = 4;
const AT_FDCWD = -100;
const AT_RECURSIVE = 0x8000;

const MS = {
  rdonly: 1,
  nosuid: 2,
  nodev: 4,
  noexec: 8,
  noatime: 0x400,
  remount: 0x20,
  bind: 0x1000,
  rec: 0x4000,
  unbindable: 1 << 17,
  private: 1 << 18,
  slave: 1 << 19,
  shared: 1 << 20,
} as const;

const MOUNT_ATTR = { rdonly: 1, nosuid: 2, nodev: 4, noexec: 8, noatime: 0x10 } as const;

const c = {
  mount: libcFunction<[string | null, string, string | null, number, string | null]>(
    'int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)',
  ),
  umount2: libcFunction<[string, number]>('int umount2(const char *target, int flags)'),
  fsopen: libcFunction<[number, string, number]>('long syscall(long nr, const char *type, int flags)'),
  fsconfig: libcFunction<[number, number, number, string | null, string | null, number]>(
    'long syscall(long nr, int fd, int cmd, const char *key, const char *value, int aux)',
  ),
  fspick: libcFunction<[number, number, string, number]>(
    'long syscall(long nr, int dirfd, const char *path, unsigned int flags)',
  ),
  fsmount: libcFunction<[number, number, number, number]>(
    'long syscall(long nr, int fd, int flags, int attr)',
  ),
  moveMount: libcFunction<[number, number, string, number, string, number]>(
    'long syscall(long nr, int fromfd, const char *from, int tofd, const char *to, int flags)',
  ),
  mountSetattr: libcFunction<[number, number, string, number, Buffer, number]>(
    'long syscall(long nr, int fd, const char *path, int flags, const void *attr, size_t size)',
  ),
};

/** Per-mount flags (man 8 mount). */
export interface MountFlags {
  readOnly?: boolean;
  noSuid?: boolean;
  noDev?: boolean;
  noExec?: boolean;
  noAtime?: boolean;
}

/** Options of a file system by name; `true` is a flag without a value. `source` names the device shown. */
export type MountOptions = Readonly<Record<string, string | true>>;

/** What {@link mountOverlay} mounts. All paths are absolute and trusted. */
export interface OverlayMount {
  /** The read-only layers, the top one first; at most 500 (the kernel's OVL_MAX_STACK). */
  lower: readonly string[];
  /** The writable layer; without it the mount is read-only. */
  upper?: string;
  /** An empty directory on `upper`'s file system. */
  work?: string;
  target: string;
  readOnly?: boolean;
  options?: MountOptions;
}

const OVL_MAX_STACK = 500;
/** fsconfig takes strings of at most 255 bytes, mount(2) options of one page in all. */
const FSCONFIG_STRING_MAX = 255;
const MOUNT_DATA_MAX = 4095;

let overlayByFsconfig = true;

/**
 * Mounts an overlay (kernel: Documentation/filesystems/overlayfs.rst). Layers are handed over one by one
 * (`lowerdir+`, Linux 6.8), so neither their number nor their paths meet the one-page limit of mount(2).
 * @throws SyscallError with the kernel's own words, where it gave any
 */
export function mountOverlay(overlay: OverlayMount): void {
  if (overlay.lower.length === 0) throw invalidParameter('overlay: no lower layer');
  if (overlay.lower.length > OVL_MAX_STACK) {
    throw invalidParameter(`overlay: ${overlay.lower.length} layers, the kernel takes ${OVL_MAX_STACK}`);
  }
  if (!overlayByFsconfig) {
    mountOverlayByMount(overlay);
    return;
  }
  try {
    mountOverlayByFsconfig(overlay);
  } catch (err) {
    // A kernel before 6.8 does not know `lowerdir+` (EINVAL), one before 5.2 no fsopen (ENOSYS). What is wrong in
    // itself fails both ways; the first failure has the better words.
    if (!isErrno(err, 'EINVAL', 'ENOSYS')) throw err;
    try {
      mountOverlayByMount(overlay);
    } catch {
      throw err;
    }
    overlayByFsconfig = false;
  }
}

// overlayfs takes backslashes out of upperdir and workdir, though not out of `lowerdir+`.
const unescapable = (path: string): string => path.replaceAll('\\', '\\\\');

function mountOverlayByFsconfig(overlay: OverlayMount): void {
  const shortener = new Shortener(FSCONFIG_STRING_MAX);
  try {
    const settings: [string, string | true][] = overlay.lower.map((dir) => [
      'lowerdir+',
      shortener.shorten(dir),
    ]);
    if (overlay.upper !== undefined)
      settings.push(['upperdir', unescapable(shortener.shorten(overlay.upper))]);
    if (overlay.work !== undefined) settings.push(['workdir', unescapable(shortener.shorten(overlay.work))]);
    settings.push(...Object.entries(overlay.options ?? {}));
    mountByFsconfig('overlay', overlay.target, settings, overlay.readOnly === true ? { readOnly: true } : {});
  } finally {
    shortener.close();
  }
}

/** The way for kernels before 6.8; exported for its test. */
export function mountOverlayByMount(overlay: OverlayMount): void {
  let shortener = new Shortener(Number.POSITIVE_INFINITY);
  try {
    let data = overlayData(overlay, shortener);
    if (Buffer.byteLength(data) > MOUNT_DATA_MAX) {
      shortener = new Shortener(0);
      data = overlayData(overlay, shortener);
    }
    if (Buffer.byteLength(data) > MOUNT_DATA_MAX) {
      throw invalidParameter(
        `overlay: ${overlay.lower.length} layers are too many for this kernel's mount(2)`,
      );
    }
    const flags = overlay.readOnly === true ? MS.rdonly : 0;
    check('mount', c.mount('overlay', overlay.target, 'overlay', flags, data), overlay.target);
  } finally {
    shortener.close();
  }
}

function overlayData(overlay: OverlayMount, shortener: Shortener): string {
  const quote = (path: string): string => shortener.shorten(path).replace(/[\\:,]/g, '\\$&');
  const parts = [`lowerdir=${overlay.lower.map(quote).join(':')}`];
  if (overlay.upper !== undefined) parts.push(`upperdir=${quote(overlay.upper)}`);
  if (overlay.work !== undefined) parts.push(`workdir=${quote(overlay.work)}`);
  for (const [key, value] of Object.entries(overlay.options ?? {})) {
    parts.push(value === true ? key : `${key}=${value}`);
  }
  return parts.join(',');
}

/** Gives directories with long paths short ones: an open descriptor's under /proc/self/fd, until closed. */
class Shortener {
  private readonly fds: number[] = [];
  private readonly max: number;

  constructor(max: number) {
    this.max = max;
  }

  shorten(dir: string): string {
    if (Buffer.byteLength(dir) <= this.max) return dir;
    const fd = openAt(AT_FDCWD, dir, O.PATH | O.DIRECTORY);
    this.fds.push(fd);
    return `/proc/self/fd/${fd}`;
  }

  close(): void {
    for (const fd of this.fds) closeFd(fd);
  }
}

/**
 * Mounts a file system of `type` (`tmpfs`, `proc`, `cgroup`, …) on `target`. `options.source` is the device
 * (default: the type's name).
 */
export function mountFilesystem(
  type: string,
  target: string,
  options: MountOptions = {},
  flags: MountFlags = {},
): void {
  const settings = Object.entries(options);
  if (options.source === undefined) settings.unshift(['source', type]);
  try {
    mountByFsconfig(type, target, settings, flags);
  } catch (err) {
    if (!isErrno(err, 'ENOSYS')) throw err;
    const data = settings
      .filter(([key]) => key !== 'source')
      .map(([key, value]) => (value === true ? key : `${key}=${value}`));
    const source = typeof options.source === 'string' ? options.source : type;
    check('mount', c.mount(source, target, type, msFlags(flags), data.join(',')), target);
  }
}

function msFlags(flags: MountFlags): number {
  return pickFlags(flags, MS);
}

function pickFlags(flags: MountFlags, bits: Record<keyof typeof MOUNT_ATTR, number>): number {
  return (
    (flags.readOnly === true ? bits.rdonly : 0) |
    (flags.noSuid === true ? bits.nosuid : 0) |
    (flags.noDev === true ? bits.nodev : 0) |
    (flags.noExec === true ? bits.noexec : 0) |
    (flags.noAtime === true ? bits.noatime : 0)
  );
}

function mountByFsconfig(
  type: string,
  target: string,
  settings: [string, string | true][],
  flags: MountFlags,
): void {
  const fsfd = check('fsopen', c.fsopen(SYS_FSOPEN, type, FSOPEN_CLOEXEC), type);
  try {
    for (const [key, value] of settings) {
      const command = value === true ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING;
      fsconfig(
        fsfd,
        command,
        key,
        value === true ? null : value,
        `${type} ${key}${value === true ? '' : `=${value}`}`,
      );
    }
    fsconfig(fsfd, FSCONFIG_CMD_CREATE, null, null, `${type} on ${target}`);
    const attributes = pickFlags(flags, MOUNT_ATTR);
    const mountFd = check('fsmount', c.fsmount(SYS_FSMOUNT, fsfd, FSMOUNT_CLOEXEC, attributes), target);
    try {
      const moved = c.moveMount(SYS_MOVE_MOUNT, mountFd, '', AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH);
      check('move_mount', moved, target);
    } finally {
      closeFd(mountFd);
    }
  } finally {
    closeFd(fsfd);
  }
}

/**
 * Changes the options of the file system mounted at `target`, in all its mounts (man 2 fspick). Give all options it
 * shall have: many file systems forget those not named.
 */
export function reconfigureFilesystem(target: string, options: MountOptions): void {
  const fsfd = check('fspick', c.fspick(SYS_FSPICK, AT_FDCWD, target, FSPICK_CLOEXEC), target);
  try {
    for (const [key, value] of Object.entries(options)) {
      const command = value === true ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING;
      fsconfig(fsfd, command, key, value === true ? null : value, `${target} ${key}`);
    }
    fsconfig(fsfd, FSCONFIG_CMD_RECONFIGURE, null, null, target);
  } finally {
    closeFd(fsfd);
  }
}

function fsconfig(
  fsfd: number,
  command: number,
  key: string | null,
  value: string | null,
  what: string,
): void {
  const result = c.fsconfig(SYS_FSCONFIG, fsfd, command, key, value, 0);
  if (result !== -1) return;
  try {
    check('fsconfig', result, what);
  } catch (err) {
    if (!(err instanceof SyscallError)) throw err;
    const words = kernelMessages(fsfd);
    throw words === '' ? err : new SyscallError('fsconfig', err.errno, `${what} (${words})`);
  }
}

/** What the kernel says about a failed fsconfig: lines such as `e overlay: …` read from the context. */
function kernelMessages(fsfd: number): string {
  const lines: string[] = [];
  const buffer = Buffer.alloc(4096);
  try {
    for (;;) lines.push(buffer.toString('utf8', 0, fs.readSync(fsfd, buffer)).trim());
  } catch {
    return lines.map((line) => line.replace(/^[ewi] /, '')).join('; '); // ENODATA ends it
  }
}

/** How mounts made below a mount travel to its peers (man 7 mount_namespaces). */
export type Propagation = 'private' | 'rprivate' | 'shared' | 'rshared' | 'slave' | 'rslave';

/** Sets the propagation of the mount at `target`, with an `r` of all below it, too. */
export function setPropagation(target: string, propagation: Propagation): void {
  const recursive = propagation.length > 5 && propagation.startsWith('r');
  const kind = (recursive ? propagation.slice(1) : propagation) as 'private' | 'shared' | 'slave';
  const flags = MS[kind] | (recursive ? MS.rec : 0);
  check('mount', c.mount(null, target, null, flags, null), target);
}

/** How {@link bindMount} mounts. */
export interface BindOptions {
  /** Take the mounts below `source` along. */
  recursive?: boolean;
  /** Read-only; with `recursive` everything below, too (Linux 5.12; before, the top only). */
  readOnly?: boolean;
  propagation?: Propagation;
}

/** Shows `source` (a directory or a file) at `target` as well. */
export function bindMount(source: string, target: string, options: BindOptions = {}): void {
  const rec = options.recursive === true ? MS.rec : 0;
  check('mount', c.mount(source, target, null, MS.bind | rec, null), target);
  try {
    if (options.readOnly === true) makeReadOnly(target, options.recursive === true);
    if (options.propagation !== undefined) setPropagation(target, options.propagation);
  } catch (err) {
    unmount(target, { detach: true });
    throw err;
  }
}

function makeReadOnly(target: string, recursive: boolean): void {
  const attr = Buffer.alloc(32); // struct mount_attr: u64 attr_set, attr_clr, propagation, userns_fd
  attr.writeBigUInt64LE(BigInt(MOUNT_ATTR.rdonly));
  const flags = recursive ? AT_RECURSIVE : 0;
  try {
    check('mount_setattr', c.mountSetattr(SYS_MOUNT_SETATTR, AT_FDCWD, target, flags, attr, 32), target);
  } catch (err) {
    if (!isErrno(err, 'ENOSYS')) throw err;
    // A remount sets all flags of the mount anew: keep those it has.
    const kept = readMountInfo().findLast((m) => m.mountPoint === target)?.options ?? [];
    const keptFlags = kept.reduce((bits, name) => bits | (name in MS ? MS[name as keyof typeof MS] : 0), 0);
    const remount = MS.bind | MS.remount | MS.rdonly | keptFlags;
    check('mount', c.mount(null, target, null, remount, null), target);
  }
}

const MNT_DETACH = 2;
const UMOUNT_NOFOLLOW = 8;

/** Unmounts the top mount at `target`; `detach` takes it out of sight now, also when in use. */
export function unmount(target: string, options: { detach?: boolean } = {}): void {
  const flags = UMOUNT_NOFOLLOW | (options.detach === true ? MNT_DETACH : 0);
  check('umount2', c.umount2(target, flags), target);
}

/** Like {@link unmount}; false where nothing is mounted at `target` or it does not exist. */
export function unmountIfMounted(target: string, options: { detach?: boolean } = {}): boolean {
  try {
    unmount(target, options);
    return true;
  } catch (err) {
    if (isErrno(err, 'EINVAL', 'ENOENT')) return false;
    throw err;
  }
}

/** A line of /proc/self/mountinfo (man 5 proc). */
export interface MountInfo {
  id: number;
  parentId: number;
  /** `major:minor`. */
  device: string;
  /** The directory of the file system that is mounted. */
  root: string;
  mountPoint: string;
  options: string[];
  /** `shared:N`, `master:N`, … */
  optionalFields: string[];
  fsType: string;
  source: string;
  superOptions: string[];
}

const unescapeOctal = (text: string): string =>
  text.includes('\\')
    ? text.replace(/\\([0-7]{3})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 8)))
    : text;

/** The mounts of this process's namespace, in the order they were made. */
export function readMountInfo(path = '/proc/self/mountinfo'): MountInfo[] {
  return fs
    .readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map(parseMountInfoLine);
}

function parseMountInfoLine(line: string): MountInfo {
  const [front = '', back = ''] = line.split(' - ', 2);
  const [id, parentId, device = '', root = '', mountPoint = '', options = '', ...optionalFields] =
    front.split(' ');
  const [fsType = '', source = '', superOptions = ''] = back.split(' ');
  return {
    id: Number(id),
    parentId: Number(parentId),
    device,
    root: unescapeOctal(root),
    mountPoint: unescapeOctal(mountPoint),
    options: options.split(','),
    optionalFields,
    fsType,
    source: unescapeOctal(source),
    superOptions: superOptions.split(','),
  };
}
