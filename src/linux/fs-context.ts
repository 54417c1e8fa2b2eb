/** The mount API of Linux 5.2 and later: file system contexts (man 2 fsopen, fsconfig, fsmount, move_mount, fspick). */
import fs from 'node:fs';
import { AT_FDCWD, closeFd } from './fd.ts';
import { check, libcFunction, SyscallError } from './libc.ts';

// The same numbers on every architecture.
const SYS_MOVE_MOUNT = 429;
const SYS_FSOPEN = 430;
const SYS_FSCONFIG = 431;
const SYS_FSMOUNT = 432;
const SYS_FSPICK = 433;

const FSOPEN_CLOEXEC = 1;
const FSMOUNT_CLOEXEC = 1;
const FSPICK_CLOEXEC = 1;
const FSCONFIG_SET_FLAG = 0;
const FSCONFIG_SET_STRING = 1;
const FSCONFIG_CMD_CREATE = 6;
const FSCONFIG_CMD_RECONFIGURE = 7;
const MOVE_MOUNT_F_EMPTY_PATH = 4;

const c = {
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
};

/** Flags of a mount as fsmount(2) and mount_setattr(2) take them. */
export const MOUNT_ATTR = { rdonly: 1, nosuid: 2, nodev: 4, noexec: 8, noatime: 0x10 } as const;

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

/** The bits for `flags`. */
export function pickFlags(flags: MountFlags, bits: Record<keyof typeof MOUNT_ATTR, number>): number {
  return (
    (flags.readOnly === true ? bits.rdonly : 0) |
    (flags.noSuid === true ? bits.nosuid : 0) |
    (flags.noDev === true ? bits.nodev : 0) |
    (flags.noExec === true ? bits.noexec : 0) |
    (flags.noAtime === true ? bits.noatime : 0)
  );
}

/** Mounts a new file system of `type` on `target`. @throws SyscallError with the kernel's own words, where it gave any */
export function mountByContext(
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
