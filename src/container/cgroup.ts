/**
 * Where a container's control group is, by the daemon's cgroup driver (Docker: `native.cgroupdriver`):
 *
 * - `cgroupfs`: the runtime makes the group, `<parent>/<id>`.
 * - `systemd`: systemd makes it on the runtime's request, as a scope of its own, `wharf-<id>.scope` in a slice. The
 *   dashes of a slice's name are its place in the tree (man 5 systemd.slice): `a-b.slice` is in `a.slice`.
 */
import { readFileSync } from 'node:fs';
import { basename, posix } from 'node:path';
import { invalidParameter } from '../errdefs/index.ts';
import { Cgroup, cgroupMode } from '../linux/index.ts';
import type { ContainerDeps } from './deps.ts';
import type { ContainerRecord } from './types.ts';

export type CgroupDriver = 'cgroupfs' | 'systemd';

export type CgroupDeps = Pick<ContainerDeps, 'cgroupParent' | 'cgroupDriver' | 'runtimes' | 'defaultRuntime'>;

const SCOPE_PREFIX = 'wharf';

/**
 * The group inside the scope that crun puts the container in. systemd sets the limits of its own units to what it
 * knows of them, at every `daemon-reload`; it knows nothing of what crun wrote, but leaves alone what is inside a
 * delegated unit. runc tells systemd its limits, and has no such group. With v1 there is no delegation.
 */
const SUBGROUP = 'container';

function hasSubgroup(deps: CgroupDeps, record: ContainerRecord): boolean {
  const runtime = deps.runtimes[record.hostConfig.Runtime ?? deps.defaultRuntime];
  return deps.cgroupDriver === 'systemd' && cgroupMode() === 'v2' && basename(runtime?.path ?? '') === 'crun';
}

/** The cgroup path of a container, absolute in the hierarchy. */
export function cgroupPath(deps: CgroupDeps, record: ContainerRecord): string {
  const parent = record.hostConfig.CgroupParent || deps.cgroupParent;
  const slice = deps.cgroupDriver === 'systemd' ? slicePath(parent) : undefined;
  // A parent that is no slice is from the time before the daemon was told to use systemd.
  if (slice === undefined) return posix.join('/', parent, record.id);
  const scope = posix.join(slice, `${SCOPE_PREFIX}-${record.id}.scope`);
  return hasSubgroup(deps, record) ? posix.join(scope, SUBGROUP) : scope;
}

/**
 * The same as the runtime wants it in `linux.cgroupsPath`; with systemd `slice:prefix:name`, as runc and crun agree on.
 * @throws InvalidParameter when the driver cannot use the parent
 */
export function runtimeCgroupsPath(deps: CgroupDeps, record: ContainerRecord): string {
  if (deps.cgroupDriver === 'cgroupfs') return cgroupPath(deps, record);
  const slice = record.hostConfig.CgroupParent || deps.cgroupParent;
  checkCgroupParent(deps.cgroupDriver, slice);
  return `${slice}:${SCOPE_PREFIX}:${record.id}`;
}

/** What the runtime is told on its command line for the driver. */
export function driverArguments(driver: CgroupDriver): readonly string[] {
  return driver === 'systemd' ? ['--systemd-cgroup'] : [];
}

/** Annotations that tell crun what the driver wants of systemd. */
export function driverAnnotations(
  deps: CgroupDeps,
  record: ContainerRecord,
): Readonly<Record<string, string>> {
  if (!hasSubgroup(deps, record)) return {};
  return {
    'run.oci.systemd.subgroup': SUBGROUP,
    // Else a scope has systemd's default, 15 % of the machine's, above the limit that the container was given.
    'org.systemd.property.TasksMax': `uint64 ${2n ** 64n - 1n}`,
  };
}

/**
 * The cgroup of a container. While it runs the kernel is asked for it: it may have been started by a daemon with another
 * driver.
 */
export function containerCgroup(deps: CgroupDeps, record: ContainerRecord): Cgroup {
  return new Cgroup(livePath(record) ?? cgroupPath(deps, record));
}

function livePath({ id, state }: ContainerRecord): string | undefined {
  if (state.pid <= 0) return undefined;
  let text: string;
  try {
    text = readFileSync(`/proc/${state.pid}/cgroup`, 'latin1');
  } catch {
    return undefined; // it has just ended
  }
  return pathOfContainer(text, id);
}

/**
 * The part of a path in /proc/PID/cgroup (`10:memory:/wharf/<id>`, `0::/system.slice/wharf-<id>.scope/container`) that
 * is the container's own group: its name holds the id, but for the {@link SUBGROUP}. Below it may be groups that the container made.
 */
export function pathOfContainer(procCgroup: string, id: string): string | undefined {
  for (const line of procCgroup.split('\n')) {
    const parts = line.split(':').slice(2).join(':').split('/');
    const own = parts.findIndex((part) => part.includes(id));
    if (own < 0) continue;
    const inner = parts[own]?.endsWith('.scope') && parts[own + 1] === SUBGROUP;
    return parts.slice(0, own + (inner ? 2 : 1)).join('/');
  }
  return undefined;
}

/** @throws InvalidParameter, in Docker's words, for a parent that the driver cannot use */
export function checkCgroupParent(driver: CgroupDriver, parent: string): void {
  if (driver === 'systemd' && parent !== '' && slicePath(parent) === undefined) {
    throw invalidParameter('cgroup-parent for systemd cgroup should be a valid slice named as "xxx.slice"');
  }
}

/** The path of a slice in the hierarchy; undefined when `name` is not a slice's. */
function slicePath(name: string): string | undefined {
  const stem = name.slice(0, -'.slice'.length);
  if (!name.endsWith('.slice') || !/^(-|[^-/:]+(-[^-/:]+)*)$/.test(stem)) return undefined;
  if (stem === '-') return '/';
  const parts = stem.split('-');
  return posix.join('/', ...parts.map((_, i) => `${parts.slice(0, i + 1).join('-')}.slice`));
}
