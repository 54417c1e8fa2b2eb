/** Times as Docker writes them. */

let lastMs = 0;
let lastTick = 0n;

/** Now, in nanoseconds since the epoch: the system clock, never going back within a millisecond. */
export function nowNs(): bigint {
  const ms = Date.now();
  const tick = process.hrtime.bigint();
  if (ms !== lastMs) {
    lastMs = ms;
    lastTick = tick;
  }
  const below = tick - lastTick;
  return BigInt(ms) * 1_000_000n + (below > 999_999n ? 999_999n : below);
}

/** `ns` since the epoch as RFC 3339 in UTC, without trailing zeros, as Go's RFC3339Nano. */
export function formatNs(ns: bigint): string {
  const below = (ns % 1_000_000n).toString().padStart(6, '0');
  const ms = new Date(Number(ns / 1_000_000n)).toISOString().slice(0, -1);
  return `${`${ms}${below}`.replace(/\.?0+$/, '')}Z`;
}

/** Now, as RFC 3339 with nanoseconds in UTC. */
export const timestamp = (): string => formatNs(nowNs());

/** Orders times of {@link timestamp}, whose fractions differ in length: negative when `a` is earlier. */
export function compareTimes(a: string, b: string): number {
  const [left, right] = [a.replace('Z', ''), b.replace('Z', '')];
  return left < right ? -1 : left > right ? 1 : 0;
}

/** A length of time as Docker says it in `docker ps`: `Less than a second`, `5 minutes`, `About an hour`. */
export function humanDuration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 1) return 'Less than a second';
  if (seconds === 1) return '1 second';
  if (seconds < 60) return `${seconds} seconds`;
  const minutes = Math.floor(seconds / 60);
  if (minutes === 1) return 'About a minute';
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.floor(seconds / 3600 + 0.5);
  if (hours === 1) return 'About an hour';
  if (hours < 48) return `${hours} hours`;
  if (hours < 24 * 7 * 2) return `${Math.floor(hours / 24)} days`;
  if (hours < 24 * 30 * 2) return `${Math.floor(hours / 24 / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.floor(hours / 24 / 30)} months`;
  return `${Math.floor(hours / 24 / 365)} years`;
}
