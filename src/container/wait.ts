import type { ContainerWaitResponse } from '@docker/node-sdk';
import type { Container } from './container.ts';
import type { HealthService } from './health.ts';
import { waitHealthy } from './wait-healthy.ts';

export type WaitCondition = 'not-running' | 'next-exit' | 'removed' | 'healthy';

/** The answer to `POST /containers/{id}/wait`; never settles when `signal` aborts first. */
export function waitFor(
  health: HealthService,
  container: Container,
  condition: WaitCondition,
  signal: AbortSignal,
): Promise<ContainerWaitResponse> {
  if (condition === 'healthy') return waitHealthy(health, container, signal);
  if (condition === 'not-running' && !container.running && !container.restartTimer) {
    return Promise.resolve({ StatusCode: container.record.state.exitCode });
  }
  return new Promise<ContainerWaitResponse>((resolve) => {
    const answer = (exitCode: number): void => resolve({ StatusCode: exitCode });
    const cancel = condition === 'removed' ? container.onRemoved(answer) : container.onNextExit(answer);
    signal.addEventListener('abort', cancel, { once: true });
  });
}
