import { cgroupMode } from '../linux/index.ts';
import { containerCgroup } from './cgroup.ts';
import type { ContainerDeps } from './deps.ts';
import type { ContainerRecord } from './types.ts';

/** Freezes or thaws all processes of a container by its cgroup. */
export function freeze(deps: ContainerDeps, record: ContainerRecord, frozen: boolean): void {
  const cgroup = containerCgroup(deps, record);
  if (cgroupMode() === 'v2') cgroup.write('cgroup.freeze', frozen ? '1' : '0');
  else cgroup.write('freezer.state', frozen ? 'FROZEN' : 'THAWED');
}
