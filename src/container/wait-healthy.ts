import type { ContainerWaitResponse } from '@docker/node-sdk';
import { invalidParameter } from '../errdefs/index.ts';
import type { Container } from './container.ts';
import { checkOf, type HealthService } from './health.ts';
import { restartsUnhealthy } from './restart-backoff.ts';

/**
 * Beyond Docker: answers code 0 when the container is healthy, and another with a message when it has become unhealthy, or
 * has ended or gone before. One that its restart policy starts anew is waited for, and so is one not started yet.
 * @throws InvalidParameter when it has no health check: it would never be healthy
 */
export function waitHealthy(
  health: HealthService,
  container: Container,
  signal: AbortSignal,
): Promise<ContainerWaitResponse> {
  const check = checkOf(container.record);
  if (!check) {
    throw invalidParameter(
      `container ${container.record.name} has no health check: it will never be healthy`,
    );
  }
  return new Promise((resolve) => {
    const cancels = new Set<() => void>();
    const cancelAll = (): void => {
      for (const cancel of cancels) cancel();
    };
    let settled = false;
    const settle = (answer: ContainerWaitResponse): void => {
      settled = true;
      cancelAll();
      resolve(answer);
    };
    const look = (): void => {
      const answer = settled ? undefined : healthAnswer(container, check.retries);
      if (answer) settle(answer);
    };
    // What follows from an exit, a restart or a removal, is decided in the same turn.
    const lookSoon = (): void => queueMicrotask(look);
    const nextExit = (): void => {
      const cancel = container.onNextExit(() => {
        cancels.delete(cancel);
        lookSoon();
        if (!settled) nextExit();
      });
      cancels.add(cancel);
    };
    cancels.add(health.onChange(container, lookSoon));
    cancels.add(container.onRemoved(() => settle(failure(1, 'it was removed before it was healthy'))));
    nextExit();
    signal.addEventListener('abort', cancelAll, { once: true });
    look();
  });
}

const failure = (StatusCode: number, Message: string): ContainerWaitResponse => ({
  StatusCode,
  Error: { Message },
});

function healthAnswer(container: Container, retries: number): ContainerWaitResponse | undefined {
  const { record, health } = container;
  const { state } = record;
  if (state.status === 'running') {
    if (health?.status === 'healthy') return { StatusCode: 0 };
    // What is merely not probed (paused, just woken) is called unhealthy, too, with no failure to its name.
    const failed = health?.status === 'unhealthy' && health.failingStreak >= retries;
    if (!failed || restartsUnhealthy(record)) return undefined;
    const output = health.log.at(-1)?.Output.trim();
    return failure(1, `it is unhealthy${output ? `: ${output}` : ''}`);
  }
  const restarts = container.restartTimer !== undefined || container.keepAtExit > 0;
  if (container.running || restarts || state.status === 'created') return undefined;
  return failure(
    state.exitCode || 1,
    state.error || `it ended with exit code ${state.exitCode} before it was healthy`,
  );
}
