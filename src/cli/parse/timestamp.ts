/** Times of `--since` and `--until`: RFC 3339 in several lengths, seconds since the epoch, or a span back from now. */
import { parseGoDuration } from '../format/duration.ts';

const DATE = /^(\d{4})-(\d\d)-(\d\d)(?:T(\d\d)(?::(\d\d)(?::(\d\d)(\.\d{1,9})?)?)?)?(Z|[+-]\d\d:\d\d)?$/;

/**
 * @returns `seconds[.nanoseconds]`, or the text itself when the daemon should judge it
 * @throws Error
 */
export function parseTimestamp(value: string, now = Date.now()): string {
  try {
    const ms = now - parseGoDuration(value) / 1e6;
    const seconds = Math.floor(ms / 1000);
    return `${seconds}.${String(Math.round((ms - seconds * 1000) * 1e6)).padStart(9, '0')}`;
  } catch {
    // no span
  }
  const match = DATE.exec(value);
  if (match) {
    const [, year, month, day, hour = '00', minute = '00', second = '00', fraction = '', zone = ''] = match;
    const ms = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}${zone}`);
    if (Number.isNaN(ms))
      throw new Error(`failed to parse value as time or duration: ${JSON.stringify(value)}`);
    return `${ms / 1000}.${fraction.slice(1).padEnd(9, '0')}`;
  }
  if (/^\d+(\.\d+)?$/.test(value)) return value;
  throw new Error(`failed to parse value as time or duration: ${JSON.stringify(value)}`);
}
