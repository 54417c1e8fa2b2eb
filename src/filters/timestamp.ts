/** Times as the API's filters take them: a duration back from now, seconds since 1970, RFC 3339 or a part of it. */
import { invalidParameter } from '../errdefs/index.ts';

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1e3,
  m: 6e4,
  h: 36e5,
};

/** Milliseconds since 1970. Throws InvalidParameter in Go's words. */
export function parseTimestamp(text: string, now: number = Date.now()): number {
  if (/^\d+(\.\d{1,9})?$/.test(text)) return Number(text) * 1000;
  if (/^(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+$/.test(text)) {
    let back = 0;
    for (const [, value, unit] of text.matchAll(/([\d.]+)(ns|us|µs|ms|s|m|h)/g))
      back += Number(value) * UNIT_MS[unit!]!;
    return now - back;
  }
  const match = /^(\d{4}-\d\d-\d\d)(?:T(\d\d(?::\d\d(?::\d\d(?:\.\d{1,9})?)?)?))?(Z|[+-]\d\d:\d\d)?$/.exec(
    text,
  );
  if (match !== null) {
    const [, date, time = '00:00:00', zone = ''] = match;
    const clock = time.length === 2 ? `${time}:00:00` : time.length === 5 ? `${time}:00` : time;
    const ms = Date.parse(`${date}T${clock}${zone}`);
    if (!Number.isNaN(ms)) return ms;
  }
  throw invalidParameter(`failed to parse value as time or duration: "${text}"`);
}
