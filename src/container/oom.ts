/** The kernel kills processes of a container for lack of memory: told when it happens, and kept as evidence. */
import { lastOomVictim } from '../linux/index.ts';
import type { ExitRecord, OomFacts, ShimHandle } from '../runtime/index.ts';
import type { Container } from './container.ts';
import type { ContainerStore } from './container-store.ts';
import type { ContainerDeps } from './deps.ts';

/** A container whose children are killed all the time is looked at and written down once in so many milliseconds. */
const LOOK_MS = 1000;

type OomDeps = Pick<ContainerDeps, 'onEvent'>;

const lastLook = new WeakMap<Container, number>();

/** Tells `oom` as often as `shim` does. @see ShimHandle.onOom */
export function followOom(
  deps: OomDeps,
  containers: Pick<ContainerStore<Container>, 'save'>,
  container: Container,
  shim: Pick<ShimHandle, 'onOom'>,
): void {
  shim.onOom((facts, earlier) => {
    const { state } = container.record;
    if (earlier && facts.kills <= (state.oom?.kills ?? 0)) return;
    const now = Date.now();
    const look = now - (lastLook.get(container) ?? 0) >= LOOK_MS;
    if (look) lastLook.set(container, now);
    note(container, facts, look);
    state.oomKilled = true;
    if (look) containers.save(container);
    deps.onEvent('oom', container.record);
  });
}

/** A run has ended: what its end says of it goes into the state, and is told if it was not yet. The record is the caller's to save. */
export function concludeOom(deps: OomDeps, container: Container, exit: ExitRecord): void {
  const { state } = container.record;
  if (!exit.oomKilled) return;
  const untold = !state.oomKilled || (exit.oom?.kills ?? 0) > (state.oom?.kills ?? 0);
  if (exit.oom) note(container, exit.oom, true);
  state.oomKilled = true;
  if (untold) deps.onEvent('oom', container.record);
}

function note({ record }: Container, { kills, limit, peak }: OomFacts, look: boolean): void {
  const process = (look && kills > 0 ? lastOomVictim(record.id) : undefined) ?? record.state.oom?.process;
  record.state.oom = {
    kills,
    ...(limit === undefined ? {} : { limit }),
    ...(peak === undefined ? {} : { peak }),
    ...(process === undefined ? {} : { process }),
  };
}
