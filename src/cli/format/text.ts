/** Small shapings of text that several tables share. */

/** Cuts to `width` characters, the last of them an ellipsis. */
export function ellipsis(text: string, width: number): string {
  const characters = [...text];
  if (characters.length <= width) return text;
  if (width < 1) return '';
  return width === 1 ? (characters[0] ?? '') : `${characters.slice(0, width - 1).join('')}…`;
}

/** The short form of an ID: 12 hex digits, without the algorithm. */
export function truncateId(id: string): string {
  const colon = id.indexOf(':');
  return (colon >= 0 ? id.slice(colon + 1) : id).slice(0, 12);
}

const pad = (value: number, width = 2): string => String(value).padStart(width, '0');

/** Go's `Time.String()` in the local zone: `2026-11-24 01:34:47 +0000 UTC`. @param ms since the epoch */
export function goTime(ms: number): string {
  const date = new Date(ms);
  const offset = -date.getTimezoneOffset();
  const sign = offset < 0 ? '-' : '+';
  const zone = `${sign}${pad(Math.floor(Math.abs(offset) / 60))}${pad(Math.abs(offset) % 60)}`;
  const name = offset === 0 ? 'UTC' : zoneName(date) || zone;
  const day = `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
  return `${day} ${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())} ${zone} ${name}`;
}

function zoneName(date: Date): string {
  const part = new Intl.DateTimeFormat('en-US', { timeZoneName: 'short' })
    .formatToParts(date)
    .find((p) => p.type === 'timeZoneName')?.value;
  return part && !part.startsWith('GMT') ? part : '';
}

/** RFC 3339 with the local offset and as many fraction digits as the source had. @param iso what the API sent */
export function localRfc3339(iso: string): string {
  const ms = Date.parse(iso);
  if (Number.isNaN(ms)) return iso;
  const date = new Date(ms);
  const offset = -date.getTimezoneOffset();
  if (offset === 0) return iso;
  const local = new Date(ms + offset * 60_000).toISOString().slice(0, 19);
  const fraction = /\.\d+/.exec(iso)?.[0] ?? '';
  return `${local}${fraction}${offset < 0 ? '-' : '+'}${pad(Math.floor(Math.abs(offset) / 60))}:${pad(Math.abs(offset) % 60)}`;
}

/** Labels as tables show them: `a=1,b=2`. */
export const joinLabels = (labels: Readonly<Record<string, string>> | null | undefined): string =>
  Object.entries(labels ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .toSorted()
    .join(',');
