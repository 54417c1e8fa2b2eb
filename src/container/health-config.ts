/** What a health check is: Docker's rules for `HEALTHCHECK` and `--health-*`. Times in nanoseconds, 0 and absent: the default. */
import type { HealthConfig } from '@docker/node-sdk';
import { invalidParameter } from '../errdefs/index.ts';

/** Docker's shortest time. */
const MINIMUM = 1_000_000;
const SECOND = 1_000_000_000;

/** A health check with all its values. Times in milliseconds. */
export interface HealthCheck {
  argv: readonly string[];
  /** Between the end of a probe and the next. */
  interval: number;
  timeout: number;
  /** How many probes must fail in a row. */
  retries: number;
  /** How long after the start a failure does not count. */
  startPeriod: number;
  /** The interval during the start period. */
  startInterval: number;
}

/** @throws InvalidParameter in Docker's words */
export function validateHealth(config: HealthConfig | null | undefined): void {
  if (!config) return;
  for (const name of ['Interval', 'Timeout', 'StartPeriod', 'StartInterval'] as const) {
    const value = config[name] ?? 0;
    if (value !== 0 && value < MINIMUM)
      throw invalidParameter(`${name} in Healthcheck cannot be less than 1ms`);
    if (name === 'Timeout' && (config.Retries ?? 0) < 0)
      throw invalidParameter('Retries in Healthcheck cannot be negative');
  }
}

/** The request's values, the image's where it has none; a field of the request's may so change a check of the image. */
export function mergeHealth(
  request: HealthConfig | null | undefined,
  image: HealthConfig | null | undefined,
): HealthConfig | undefined {
  if (!image || !request) return request ?? image ?? undefined;
  const merged: HealthConfig = { ...request };
  if (!merged.Test?.length && image.Test) merged.Test = image.Test;
  for (const name of ['Interval', 'Timeout', 'StartPeriod', 'StartInterval', 'Retries'] as const) {
    const value = image[name];
    if (!merged[name] && value) merged[name] = value;
  }
  return merged;
}

/**
 * The check a container has; undefined: none (`NONE`, or a kind that Docker does not know either).
 * @param shell of the image (`SHELL`), for `CMD-SHELL`
 */
export function healthCheck(
  config: HealthConfig | null | undefined,
  shell: readonly string[] | null | undefined,
): HealthCheck | undefined {
  const [kind, ...rest] = config?.Test ?? [];
  const argv =
    kind === 'CMD'
      ? rest
      : kind === 'CMD-SHELL'
        ? [...(shell?.length ? shell : ['/bin/sh', '-c']), ...rest]
        : [];
  if (!config || argv.length === 0) return undefined;
  const ms = (value: number | undefined, standard: number): number => (value || standard) / 1_000_000;
  return {
    argv,
    interval: ms(config.Interval, 30 * SECOND),
    timeout: ms(config.Timeout, 30 * SECOND),
    retries: config.Retries || 3,
    startPeriod: ms(config.StartPeriod, 0),
    startInterval: ms(config.StartInterval, 5 * SECOND),
  };
}

/** A length of time as Go prints it, which the text of a time-out has: `1.5s`, `1m30s`, `100ms`. @param ms milliseconds */
export function goDuration(ms: number): string {
  if (ms < 1) return `${ms * 1000}µs`;
  if (ms < 1000) return `${ms}ms`;
  const hours = Math.floor(ms / 3_600_000);
  const minutes = Math.floor(ms / 60_000) % 60;
  const seconds = Number(((ms % 60_000) / 1000).toFixed(9));
  if (hours > 0) return `${hours}h${minutes}m${seconds}s`;
  return minutes > 0 ? `${minutes}m${seconds}s` : `${seconds}s`;
}
