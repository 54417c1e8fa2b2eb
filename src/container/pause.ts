import { setTimeout } from 'node:timers/promises';
import { conflict, system } from '../errdefs/index.ts';
import { cgroupMode, isErrno } from '../linux/index.ts';
import { type CgroupDeps, containerCgroup } from './cgroup.ts';
import type { Container } from './container.ts';
import type { ContainerStore } from './container-store.ts';
import type { ContainerDeps } from './deps.ts';
import type { ContainerRecord } from './types.ts';

/**
 * Freezes or thaws all processes of a container by its cgroup.
 * @throws Conflict when it is to be frozen and has just ended: its cgroup is gone before its exit is told
 */
export function freeze(deps: CgroupDeps, record: ContainerRecord, frozen: boolean): void {
  const cgroup = containerCgroup(deps, record);
  try {
    if (cgroupMode() === 'v2') cgroup.write('cgroup.freeze', frozen ? '1' : '0');
    else cgroup.write('freezer.state', frozen ? 'FROZEN' : 'THAWED');
  } catch (err) {
    if (!isErrno(err, 'ENOENT', 'ENODEV')) throw err;
    if (frozen) throw conflict(`container ${record.id} is not running`, { cause: err });
  }
}

/** Milliseconds that the kernel may take to freeze every task. */
const PATIENCE = 5000;

/**
 * The kernel freezes in its own time: a task in a system call only at its end.
 * @throws Conflict when the container ended meanwhile; System when a task does not freeze, and thaws the others then
 */
async function untilFrozen(deps: PauseDeps, container: Container): Promise<void> {
  const { record } = container;
  const cgroup = containerCgroup(deps, record);
  const due = Date.now() + PATIENCE;
  for (let wait = 1; !cgroup.frozen(); wait = Math.min(wait * 2, 50)) {
    if (!container.running) throw conflict(`container ${record.id} is not running`);
    if (Date.now() > due) {
      freeze(deps, record, false);
      throw system(`Cannot pause container ${record.id}: unable to freeze`, {
        hint: 'A process of it hangs in the kernel (state D), for instance on a dead network file system',
      });
    }
    await setTimeout(wait);
    // v1: a task that was forked meanwhile is caught by asking again.
    freeze(deps, record, true);
  }
}

type PauseDeps = CgroupDeps & Pick<ContainerDeps, 'onEvent'>;

/** @param asked what the client called the container @throws Conflict when it is paused already or does not run */
export function pauseContainer(
  deps: PauseDeps,
  containers: ContainerStore<Container>,
  container: Container,
  asked: string,
): Promise<void> {
  return container.lock.run(async () => {
    const { record } = container;
    if (record.state.status === 'paused') throw conflict(`Container ${asked} is already paused`);
    if (!container.running) throw conflict(`container ${asked} is not running`);
    freeze(deps, record, true);
    await untilFrozen(deps, container);
    record.state.status = 'paused';
    containers.save(container);
    deps.onEvent('pause', record);
  });
}

/**
 * Pauses a container for a while; the function that resolves takes it back, unless somebody else did so before. Nothing
 * of it is written down: when the daemon is killed meanwhile, the next one finds a container that should run, and thaws it.
 * @throws Conflict when it is paused already or does not run
 */
export function pauseDuring(
  deps: PauseDeps,
  containers: ContainerStore<Container>,
  container: Container,
): Promise<() => Promise<void>> {
  const { record } = container;
  const resume = (): Promise<void> =>
    container.lock.run(() => {
      if (record.state.status !== 'paused') return;
      freeze(deps, record, false);
      record.state.status = 'running';
      containers.save(container); // something else may have been written down meanwhile, and this with it
      deps.onEvent('unpause', record);
    });
  return container.lock.run(async () => {
    if (record.state.status === 'paused' || !container.running) {
      throw conflict(`Container ${record.id} is not running, or paused already`);
    }
    freeze(deps, record, true);
    await untilFrozen(deps, container);
    record.state.status = 'paused';
    deps.onEvent('pause', record);
    return resume;
  });
}

/** @throws System, as in Docker, when it is not paused */
export function unpauseContainer(
  deps: PauseDeps,
  containers: ContainerStore<Container>,
  container: Container,
): Promise<void> {
  return container.lock.run(() => {
    const { record } = container;
    if (record.state.status !== 'paused') throw system(`Container ${record.id} is not paused`);
    freeze(deps, record, false);
    record.state.status = 'running';
    containers.save(container);
    deps.onEvent('unpause', record);
  });
}
