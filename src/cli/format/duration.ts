/** Durations: Go's syntax (`1h30m`), and the rough words of Docker's tables ("2 minutes"). */

/** Nanoseconds in Go's units. */
const UNITS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

/** Parses Go's duration syntax. @returns nanoseconds @throws Error with Go's text */
export function parseGoDuration(text: string): number {
  const shown = JSON.stringify(text);
  const match = /^([+-]?)(.*)$/s.exec(text);
  let rest = match?.[2] ?? '';
  if (rest === '0') return 0;
  if (rest === '') throw new Error(`time: invalid duration ${shown}`);
  let total = 0;
  while (rest !== '') {
    const piece = /^(\d+\.?\d*|\.\d+)([^\d.]*)/.exec(rest);
    if (!piece) throw new Error(`time: invalid duration ${shown}`);
    if (!piece[2]) throw new Error(`time: missing unit in duration ${shown}`);
    const unit = UNITS[piece[2]];
    if (unit === undefined)
      throw new Error(`time: unknown unit ${JSON.stringify(piece[2])} in duration ${shown}`);
    total += Number(piece[1]) * unit;
    rest = rest.slice(piece[0].length);
  }
  return Math.round(match?.[1] === '-' ? -total : total);
}

/** Go's `Duration.String()`. @param ns nanoseconds */
export function formatGoDuration(ns: number): string {
  if (ns === 0) return '0s';
  const sign = ns < 0 ? '-' : '';
  const abs = Math.abs(ns);
  const trim = (value: number, digits: number): string => String(Number(value.toFixed(digits)));
  if (abs < 1e3) return `${sign}${abs}ns`;
  if (abs < 1e6) return `${sign}${trim(abs / 1e3, 3)}µs`;
  if (abs < 1e9) return `${sign}${trim(abs / 1e6, 6)}ms`;
  const minutes = Math.floor(abs / 60e9);
  const seconds = trim((abs - minutes * 60e9) / 1e9, 9);
  if (minutes === 0) return `${sign}${seconds}s`;
  if (minutes < 60) return `${sign}${minutes}m${seconds}s`;
  return `${sign}${Math.floor(minutes / 60)}h${minutes % 60}m${seconds}s`;
}

/** A span in rough words, as Docker's tables show it. @param seconds the span */
export function humanDuration(seconds: number): string {
  const whole = Math.trunc(seconds);
  if (whole < 1) return 'Less than a second';
  if (whole === 1) return '1 second';
  if (whole < 60) return `${whole} seconds`;
  const minutes = Math.trunc(seconds / 60);
  if (minutes === 1) return 'About a minute';
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.trunc(seconds / 3600 + 0.5);
  if (hours === 1) return 'About an hour';
  if (hours < 48) return `${hours} hours`;
  if (hours < 24 * 7 * 2) return `${Math.trunc(hours / 24)} days`;
  if (hours < 24 * 30 * 2) return `${Math.trunc(hours / 24 / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.trunc(hours / 24 / 30)} months`;
  return `${Math.trunc(seconds / 3600 / 24 / 365)} years`;
}

/** "2 minutes ago" for a time. @param ms the time in milliseconds since the epoch */
export const ago = (ms: number, now = Date.now()): string => `${humanDuration((now - ms) / 1000)} ago`;
