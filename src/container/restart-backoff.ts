/** When a container that has ended is started again: its restart policy, and a pause that grows. */
import type { ContainerRecord } from './types.ts';

/** Milliseconds. Docker's values. */
const FIRST_DELAY = 100;
const LONGEST_DELAY = 60_000;
/** A run longer than this starts the pauses anew. */
const GOOD_RUN = 10_000;

/** True when the policy wants a container that ended by itself running again. */
export function policyRestarts({ hostConfig, state, restartCount }: ContainerRecord): boolean {
  const { Name: policy, MaximumRetryCount: max = 0 } = hostConfig.RestartPolicy ?? {};
  switch (policy as string) {
    case 'always':
    case 'unless-stopped':
      return true;
    case 'on-failure':
      return state.exitCode !== 0 && (max === 0 || restartCount < max);
    case ON_UNHEALTHY:
      return (state.exitCode !== 0 || state.ending?.by === 'health') && (max === 0 || restartCount < max);
    default:
      return false;
  }
}

/**
 * Beyond Docker: restarts a container whose probes fail, and, as `on-failure` does, one that fails by itself; together at
 * most as often as it says.
 */
export const ON_UNHEALTHY = 'on-unhealthy';

/** True when a running container is to be ended and started anew because it is unhealthy. */
export function restartsUnhealthy({ hostConfig, restartCount, state }: ContainerRecord): boolean {
  const { Name: policy, MaximumRetryCount: max = 0 } = hostConfig.RestartPolicy ?? {};
  return (policy as string) === ON_UNHEALTHY && !state.manuallyStopped && (max === 0 || restartCount < max);
}

/** The pauses between restarts: each twice the one before. */
export class RestartBackoff {
  readonly #last = new Map<string, number>();

  /**
   * Milliseconds until the restart after a run of `ranFor` milliseconds; undefined when the policy wants none.
   */
  delay(record: ContainerRecord, ranFor: number): number | undefined {
    if (!policyRestarts(record)) return undefined;
    const last = ranFor > GOOD_RUN ? undefined : this.#last.get(record.id);
    const delay = last === undefined ? FIRST_DELAY : Math.min(last * 2, LONGEST_DELAY);
    this.#last.set(record.id, delay);
    return delay;
  }

  /** The container is gone. */
  forget(id: string): void {
    this.#last.delete(id);
  }
}
