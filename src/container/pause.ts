import { conflict } from '../errdefs/index.ts';
import { cgroupMode, isErrno } from '../linux/index.ts';
import { containerCgroup } from './cgroup.ts';
import type { ContainerDeps } from './deps.ts';
import type { ContainerRecord } from './types.ts';

/**
 * Freezes or thaws all processes of a container by its cgroup.
 * @throws Conflict when it is to be frozen and has just ended: its cgroup is gone before its exit is told
 */
export function freeze(
  deps: Pick<ContainerDeps, 'cgroupParent'>,
  record: ContainerRecord,
  frozen: boolean,
): void {
  const cgroup = containerCgroup(deps, record);
  try {
    if (cgroupMode() === 'v2') cgroup.write('cgroup.freeze', frozen ? '1' : '0');
    else cgroup.write('freezer.state', frozen ? 'FROZEN' : 'THAWED');
  } catch (err) {
    if (!isErrno(err, 'ENOENT', 'ENODEV')) throw err;
    if (frozen) throw conflict(`Container ${record.id} is not running`, { cause: err });
  }
}
