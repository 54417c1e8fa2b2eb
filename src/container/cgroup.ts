import { posix } from 'node:path';
import { Cgroup } from '../linux/index.ts';
import type { ContainerDeps } from './deps.ts';
import type { ContainerRecord } from './types.ts';

/** The cgroup path of a container, absolute in the hierarchy: `<parent>/<id>`. */
export function cgroupPath(deps: Pick<ContainerDeps, 'cgroupParent'>, record: ContainerRecord): string {
  return posix.join('/', record.hostConfig.CgroupParent || deps.cgroupParent, record.id);
}

export function containerCgroup(deps: Pick<ContainerDeps, 'cgroupParent'>, record: ContainerRecord): Cgroup {
  return new Cgroup(cgroupPath(deps, record));
}
