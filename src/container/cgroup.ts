import { readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { Cgroup } from '../linux/index.ts';
import type { ContainerDeps } from './deps.ts';
import type { ContainerRecord } from './types.ts';

/** The cgroup path that a container is to get, absolute in the hierarchy: `<parent>/<id>`. */
export function cgroupPath(deps: Pick<ContainerDeps, 'cgroupParent'>, record: ContainerRecord): string {
  return posix.join('/', record.hostConfig.CgroupParent || deps.cgroupParent, record.id);
}

/**
 * The cgroup of a container. While it runs the kernel is asked for it: another driver than cgroupfs (systemd) names
 * groups its own way.
 */
export function containerCgroup(deps: Pick<ContainerDeps, 'cgroupParent'>, record: ContainerRecord): Cgroup {
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
 * is the container's own group: its name holds the id. Below it may be groups that the runtime or the container made.
 */
export function pathOfContainer(procCgroup: string, id: string): string | undefined {
  for (const line of procCgroup.split('\n')) {
    const parts = line.split(':').slice(2).join(':').split('/');
    const own = parts.findIndex((part) => part.includes(id));
    if (own >= 0) return parts.slice(0, own + 1).join('/');
  }
  return undefined;
}
