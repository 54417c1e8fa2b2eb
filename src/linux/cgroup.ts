/**
 * Control groups: which version this machine has, and a group's directories, made, read and removed
 * (man 7 cgroups; kernel: admin-guide/cgroup-v2.rst and cgroup-v1/).
 *
 * A group's path (`/wharf/<id>`) is the same in every v1 hierarchy, and below the one mount in v2.
 */
import fs from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CgroupReader, type CgroupStats, readCgroupStats } from './cgroup-stats.ts';
import { reconfigureFilesystem } from './fs-context.ts';
import { isErrno, SyscallError } from './libc.ts';
import { mountFilesystem } from './mount.ts';
import { readMountInfo } from './mount-info.ts';

/** `hybrid`: v1 hierarchies, and a v2 one without controllers beside them. */
export type CgroupMode = 'v1' | 'hybrid' | 'v2';

/** The mounts of the control group file systems. */
export interface CgroupMounts {
  mode: CgroupMode;
  /** Controller (`memory`, `cpu`, …; `name=systemd` for a named hierarchy) to the mount point of its v1 hierarchy. */
  v1: ReadonlyMap<string, string>;
  /** The mount point of the v2 hierarchy, when there is one. */
  unified: string | undefined;
}

const ENOENT = 2;
const CGROUP_ROOT = '/sys/fs/cgroup';
const NOT_CONTROLLERS =
  /^(rw|ro|xattr|nsdelegate|noprefix|clone_children|cpuset_v2_mode|favordynmods|none)$|^release_agent=/;

let mounts: CgroupMounts | undefined;

/** Reads the mounts anew; {@link cgroupMounts} remembers them. */
export function detectCgroups(): CgroupMounts {
  const v1 = new Map<string, string>();
  let unified: string | undefined;
  for (const mount of readMountInfo()) {
    if (mount.root !== '/') continue; // a bind mount of a part
    if (mount.fsType === 'cgroup2' && mount.mountPoint.startsWith(CGROUP_ROOT)) unified = mount.mountPoint;
    if (mount.fsType !== 'cgroup' || !mount.mountPoint.startsWith(`${CGROUP_ROOT}/`)) continue;
    for (const option of mount.superOptions) {
      if (!NOT_CONTROLLERS.test(option) && !v1.has(option)) v1.set(option, mount.mountPoint);
    }
  }
  const mode = v1.size === 0 && unified !== undefined ? 'v2' : unified === undefined ? 'v1' : 'hybrid';
  mounts = { mode, v1, unified };
  return mounts;
}

/** The mounts as they were when first asked for. */
export function cgroupMounts(): CgroupMounts {
  return mounts ?? detectCgroups();
}

export function cgroupMode(): CgroupMode {
  return cgroupMounts().mode;
}

function readWords(path: string): string[] {
  return fs
    .readFileSync(path, 'utf8')
    .split(/\s+/)
    .filter((word) => word !== '');
}

/** The controllers that can limit a container: all with a v1 hierarchy, or those of the v2 root. */
export function availableControllers(): string[] {
  const { mode, v1, unified } = cgroupMounts();
  if (mode === 'v2') return readWords(join(unified ?? CGROUP_ROOT, 'cgroup.controllers'));
  return [...v1.keys()].filter((name) => !name.startsWith('name='));
}

/** What {@link ensureHybridUsable} did. */
export interface HybridRepair {
  mounted: string[];
  /** Controllers that stay on the unified hierarchy, with the reason: `crun` will refuse to start. */
  failed: { controller: string; reason: string }[];
}

/**
 * Mounts every controller that a hybrid set-up left on the unified hierarchy (mostly `hugetlb`) as a v1 hierarchy;
 * `crun` refuses to work otherwise. Does nothing in the other modes.
 */
export function ensureHybridUsable(): HybridRepair {
  const repair: HybridRepair = { mounted: [], failed: [] };
  const { mode, unified } = detectCgroups();
  if (mode !== 'hybrid' || unified === undefined) return repair;
  for (const controller of readWords(join(unified, 'cgroup.controllers'))) {
    const target = join(CGROUP_ROOT, controller);
    try {
      fs.mkdirSync(target, { recursive: true });
      mountFilesystem('cgroup', target, { [controller]: true }, { noSuid: true, noDev: true, noExec: true });
      repair.mounted.push(controller);
    } catch (err) {
      repair.failed.push({ controller, reason: err instanceof Error ? err.message : String(err) });
    }
  }
  if (repair.mounted.length > 0) detectCgroups();
  return repair;
}

/**
 * Has the kernel favour changes of control groups (cgroup-v2.rst, `favordynmods`, Linux 6.0). Without it, moving a
 * process into a group first waits for an RCU grace period, 5 to 12 ms idle and far more under load, which is as long as
 * all the rest of a container's start; the price is some nanoseconds at each fork and exit. It holds for the whole
 * machine until changed back, with `on: false`.
 * @returns whether it is on afterwards; false where the kernel has no such option or there is no v2 hierarchy
 */
export function favorDynamicCgroups(on = true): boolean {
  const { unified } = cgroupMounts();
  const mount = readMountInfo().find((m) => m.fsType === 'cgroup2' && m.mountPoint === unified);
  if (mount === undefined) return false;
  const options = mount.superOptions.filter((option) => option !== 'rw' && option !== 'ro');
  const others = options.filter((option) => option !== FAVOR_DYNMODS);
  if (options.length > others.length === on) return on;
  try {
    const wanted = on ? [...others, FAVOR_DYNMODS] : others;
    reconfigureFilesystem(
      mount.mountPoint,
      Object.fromEntries(wanted.map((option) => [option, true] as const)),
    );
    return on;
  } catch (err) {
    if (isErrno(err, 'EINVAL', 'ENOSYS', 'EPERM')) return !on;
    throw err;
  }
}

const FAVOR_DYNMODS = 'favordynmods';

/** One control group, in all hierarchies. Making the object touches nothing. */
export class Cgroup {
  /** Absolute within the hierarchy, such as `/wharf/0123abcd`. */
  readonly path: string;
  private readonly mounts: CgroupMounts;

  constructor(path: string, in_: CgroupMounts = cgroupMounts()) {
    this.path = join('/', path); // no `..` above the hierarchy's root
    this.mounts = in_;
  }

  /** Whether it is a group of cgroup v2. */
  get unified(): boolean {
    return this.mounts.mode === 'v2';
  }

  /** The group's directory for `controller`; undefined when the machine has no hierarchy with it. */
  directory(controller: string): string | undefined {
    const { mode, v1, unified } = this.mounts;
    const root = mode === 'v2' ? unified : v1.get(controller);
    return root === undefined ? undefined : join(root, this.path);
  }

  /** All of the group's directories: one in v2, one for each hierarchy else. */
  directories(): string[] {
    const { v1, unified } = this.mounts;
    const roots = new Set([...v1.values(), ...(unified === undefined ? [] : [unified])]);
    return [...roots].map((root) => join(root, this.path));
  }

  /** Makes the group, ready to hold processes, with all controllers. Existing is fine. */
  create(): void {
    if (this.mounts.mode === 'v2') this.createUnified(this.mounts.unified ?? CGROUP_ROOT);
    else for (const directory of this.directories()) fs.mkdirSync(directory, { recursive: true });
    const cpuset = this.mounts.v1.get('cpuset');
    if (cpuset !== undefined) this.fillCpuset(cpuset);
  }

  /** v2: a controller is there for a group only when every group above hands it down. */
  private createUnified(root: string): void {
    let directory = root;
    for (const part of this.path.split('/').filter((name) => name !== '')) {
      const hand = readWords(join(directory, 'cgroup.controllers')).map((name) => `+${name}`);
      // One by one: a group with processes of its own may refuse some (domain controllers), not all.
      for (const word of hand) {
        try {
          fs.writeFileSync(join(directory, 'cgroup.subtree_control'), word);
        } catch (err) {
          if (!isErrno(err, 'EBUSY', 'EOPNOTSUPP', 'ENOTSUP', 'EINVAL', 'ENOENT')) throw err;
        }
      }
      directory = join(directory, part);
      fs.mkdirSync(directory, { recursive: true });
    }
  }

  /** v1: a new cpuset is empty, and takes no process until it has processors and memory nodes. */
  private fillCpuset(root: string): void {
    let directory = root;
    for (const part of this.path.split('/').filter((name) => name !== '')) {
      const parent = directory;
      directory = join(directory, part);
      for (const file of ['cpuset.cpus', 'cpuset.mems']) {
        if (fs.readFileSync(join(directory, file), 'utf8').trim() === '') {
          fs.writeFileSync(join(directory, file), fs.readFileSync(join(parent, file)));
        }
      }
    }
  }

  exists(): boolean {
    return this.directories().some((directory) => fs.existsSync(directory));
  }

  /**
   * Moves a process into the group, in the hierarchies where the group is there. A process that has just ended, and a
   * group that is nowhere, are no failure.
   */
  adopt(pid: number): void {
    for (const directory of this.directories()) {
      try {
        fs.writeFileSync(join(directory, 'cgroup.procs'), String(pid));
      } catch (err) {
        if (!isErrno(err, 'ENOENT', 'ENODEV', 'ESRCH')) throw err;
      }
    }
  }

  /** Writes a setting such as `memory.max`, by its controller's own file name. */
  write(file: string, value: string): void {
    const directory = this.directory(file.slice(0, file.indexOf('.')));
    if (directory === undefined) throw new Error(`no cgroup controller for ${file}`);
    fs.writeFileSync(join(directory, file), value);
  }

  /** {@link write} off the main thread, for what takes the kernel long. */
  async writeAsync(file: string, value: string): Promise<void> {
    const directory = this.directory(file.slice(0, file.indexOf('.')));
    if (directory === undefined) throw new SyscallError('open', ENOENT, file);
    await writeFile(join(directory, file), value);
  }

  /** Reads a setting such as `memory.max`, without its final newline. @throws `ENOENT` when there is no such file */
  read(file: string): string {
    const directory = this.directory(file.slice(0, file.indexOf('.')));
    if (directory === undefined) throw new SyscallError('open', ENOENT, file);
    return fs.readFileSync(join(directory, file), 'utf8').trimEnd();
  }

  /** Whether all tasks of the group are frozen. False also when it is gone. */
  frozen(): boolean {
    try {
      return this.unified
        ? /^frozen 1$/m.test(this.read('cgroup.events'))
        : this.read('freezer.state') === 'FROZEN';
    } catch (err) {
      if (isErrno(err, 'ENOENT', 'ENODEV')) return false;
      throw err;
    }
  }

  /**
   * Removes the group with the groups below it, in all hierarchies; not there is fine. It kills nothing.
   * @throws `EBUSY` while processes are in it (those of other hierarchies are removed all the same)
   */
  remove(): void {
    let failure: unknown;
    for (const directory of this.directories()) {
      try {
        removeGroup(directory);
      } catch (err) {
        failure = err;
      }
    }
    if (failure !== undefined) throw failure;
  }

  /** The pids in the group and, unless told otherwise, in those below it. */
  procs(options: { recursive?: boolean } = {}): number[] {
    const directory =
      this.directory('pids') ?? this.directory('memory') ?? this.directories().find((d) => fs.existsSync(d));
    return directory === undefined ? [] : [...new Set(groupProcs(directory, options.recursive ?? true))];
  }

  /** What the group uses; what a missing controller would tell is absent or 0. */
  stats(): CgroupStats {
    return readCgroupStats((controller) => this.directory(controller), this.mounts.mode === 'v2');
  }

  /** For reading the group's statistics again and again; yours to close. */
  reader(): CgroupReader {
    return new CgroupReader((controller) => this.directory(controller), this.mounts.mode === 'v2');
  }

  /** How many processes in the group the kernel has killed for want of memory. */
  oomKills(): number {
    return this.stats().memory.oomKills;
  }
}

function removeGroup(directory: string): void {
  try {
    fs.rmdirSync(directory);
    return;
  } catch (err) {
    if (isErrno(err, 'ENOENT')) return;
    if (!isErrno(err, 'EBUSY', 'ENOTEMPTY')) throw err;
  }
  for (const name of subGroups(directory)) removeGroup(join(directory, name));
  fs.rmdirSync(directory);
}

function subGroups(directory: string): string[] {
  return fs
    .readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name);
}

function groupProcs(directory: string, recursive: boolean): number[] {
  try {
    const own = readWords(join(directory, 'cgroup.procs')).map(Number);
    if (!recursive) return own;
    return own.concat(...subGroups(directory).map((name) => groupProcs(join(directory, name), true)));
  } catch (err) {
    // ENODEV: it went away while being read; EOPNOTSUPP: a threaded group of v2.
    if (isErrno(err, 'ENOENT', 'ENODEV', 'EOPNOTSUPP', 'ENOTSUP')) return [];
    throw err;
  }
}
