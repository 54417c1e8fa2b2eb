/** A container's health, and what the end of a probe does to it. */
import type { HealthCheck } from './health-config.ts';

export type HealthStatus = 'starting' | 'healthy' | 'unhealthy';

/** One probe, as inspect shows it. */
export interface ProbeResult {
  /** RFC 3339. */
  Start: string;
  End: string;
  /** -1: it could not be run, or took too long. */
  ExitCode: number;
  Output: string;
}

export interface HealthState {
  status: HealthStatus;
  failingStreak: number;
  /** The last {@link LOG_LENGTH}, oldest first. */
  log: readonly ProbeResult[];
}

const LOG_LENGTH = 5;
/** Bytes of a probe's output that are kept. */
const MAX_OUTPUT = 4096;

/** At a start: the probes of earlier runs stay to be seen. */
export const startingHealth = (before: HealthState | undefined): HealthState => ({
  status: 'starting',
  failingStreak: 0,
  log: before?.log ?? [],
});

/** While nothing probes it (stopped, paused) a container is not healthy: so Docker says, without an event. */
export const unprobedHealth = (state: HealthState): HealthState => ({ ...state, status: 'unhealthy' });

/** @param startedAt of the container, RFC 3339 */
export function afterProbe(
  state: HealthState,
  result: ProbeResult,
  check: Pick<HealthCheck, 'retries' | 'startPeriod'>,
  startedAt: string,
): HealthState {
  const log = [...state.log.slice(1 - LOG_LENGTH), result];
  if (result.ExitCode === 0) return { status: 'healthy', failingStreak: 0, log };
  // Until it was healthy once, a failure in the start period is none.
  const early = Date.parse(result.Start) - Date.parse(startedAt) < check.startPeriod;
  if (state.status === 'starting' && early) return { ...state, log };
  const failingStreak = state.failingStreak + 1;
  return { status: failingStreak >= check.retries ? 'unhealthy' : state.status, failingStreak, log };
}

/** Milliseconds until the next probe. @param runningFor milliseconds since the container's start */
export function nextProbe(state: HealthState, check: HealthCheck, runningFor: number): number {
  const starts = state.status === 'starting' && runningFor < check.startPeriod;
  return starts ? check.startInterval : check.interval;
}

/** What a probe said, cut where Docker cuts it. */
export function boundOutput(output: Buffer): string {
  return output.length > MAX_OUTPUT ? `${output.toString('utf8', 0, MAX_OUTPUT)}...` : output.toString();
}
