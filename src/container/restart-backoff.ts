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
  switch (policy) {
    case 'always':
    case 'unless-stopped':
      return true;
    case 'on-failure':
      return state.exitCode !== 0 && (max === 0 || restartCount < max);
    default:
      return false;
  }
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
