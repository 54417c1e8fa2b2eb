import { conflict } from '../errdefs/index.ts';
import { cgroupMode, isErrno } from '../linux/index.ts';
import { containerCgroup } from './cgroup.ts';
import type { Container } from './container.ts';
import type { ContainerStore } from './container-store.ts';
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

type PauseDeps = Pick<ContainerDeps, 'cgroupParent' | 'onEvent'>;

/** @param asked what the client called the container @throws Conflict when it is paused already or does not run */
export function pauseContainer(
  deps: PauseDeps,
  containers: ContainerStore<Container>,
  container: Container,
  asked: string,
): Promise<void> {
  return container.lock.run(() => {
    const { record } = container;
    if (record.state.status === 'paused') throw conflict(`Container ${asked} is already paused`);
    if (!container.running) throw conflict(`Container ${asked} is not running`);
    freeze(deps, record, true);
    record.state.status = 'paused';
    containers.save(container);
    deps.onEvent('pause', record);
  });
}

/** @throws Conflict when it is not paused */
export function unpauseContainer(
  deps: PauseDeps,
  containers: ContainerStore<Container>,
  container: Container,
): Promise<void> {
  return container.lock.run(() => {
    const { record } = container;
    if (record.state.status !== 'paused') throw conflict(`Container ${record.id} is not paused`);
    freeze(deps, record, false);
    record.state.status = 'running';
    containers.save(container);
    deps.onEvent('unpause', record);
  });
}
