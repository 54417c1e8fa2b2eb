/** How Docker (that is, Go) reads the values of log options. Errors are plain `Error`s with Go's words, for the caller to wrap. */

const DECIMAL: Readonly<Record<string, number>> = {
  '': 1,
  k: 1000,
  m: 1000 ** 2,
  g: 1000 ** 3,
  t: 1000 ** 4,
  p: 1000 ** 5,
};

function parseSize(text: string, base: 1000 | 1024): number {
  const match = /^(\d+\.?\d*|\.\d+) ?([a-z]*)$/i.exec(text);
  if (match === null) throw new Error(`invalid size: '${text}'`);
  const suffix = match[2]!.toLowerCase();
  const unit = /^([kmgtp]?)(?:i?b)?$/.exec(suffix)?.[1];
  if (unit === undefined || (suffix === 'ib' && unit === '')) throw new Error(`invalid suffix: '${suffix}'`);
  const power = base === 1000 ? DECIMAL[unit]! : 1024 ** (unit === '' ? 0 : 'kmgtp'.indexOf(unit) + 1);
  return Math.trunc(Number(match[1]) * power);
}

/** `10m` as ten million bytes (go-units' FromHumanSize). @throws Error */
export const humanSize = (text: string): number => parseSize(text, 1000);

/** `10m` as ten MiB (go-units' RAMInBytes). @throws Error */
export const ramSize = (text: string): number => parseSize(text, 1024);

const TRUE = ['1', 't', 'T', 'TRUE', 'true', 'True'];
const FALSE = ['0', 'f', 'F', 'FALSE', 'false', 'False'];

/** strconv.ParseBool. @throws Error */
export function parseBool(text: string): boolean {
  if (TRUE.includes(text)) return true;
  if (FALSE.includes(text)) return false;
  throw new Error(`strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax`);
}

/** strconv.Atoi. @throws Error */
export function parseInteger(text: string): number {
  if (!/^[+-]?\d+$/.test(text))
    throw new Error(`strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`);
  return Number(text);
}

const DURATION: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** Milliseconds of a duration such as `1.5s` or `1m30s` (time.ParseDuration). @throws Error */
export function parseDuration(text: string): number {
  const quoted = JSON.stringify(text);
  const match = /^([+-]?)((?:(?:\d+\.?\d*|\.\d+)[a-zµμ]*)+)$/.exec(text);
  if (text === '0') return 0;
  if (match === null) throw new Error(`time: invalid duration ${quoted}`);
  let total = 0;
  for (const [, number, unit = ''] of match[2]!.matchAll(/(\d+\.?\d*|\.\d+)([a-zµμ]*)/g)) {
    if (unit === '') throw new Error(`time: missing unit in duration ${quoted}`);
    const factor = DURATION[unit];
    if (factor === undefined)
      throw new Error(`time: unknown unit ${JSON.stringify(unit)} in duration ${quoted}`);
    total += Number(number) * factor;
  }
  return match[1] === '-' ? -total : total;
}

/** A regular expression of Go's (RE2), as far as JavaScript's have the same form. @throws Error */
export function parseRegExp(text: string): RegExp {
  const flags = /^\(\?([ims]+)\)/.exec(text);
  try {
    return new RegExp(text.slice(flags?.[0].length ?? 0), `u${flags?.[1] ?? ''}`);
  } catch (err) {
    throw new Error(`error parsing regexp: ${err instanceof Error ? err.message : String(err)}`);
  }
}

/** An address as log options have it: `scheme://host[:port]` or `scheme:///path`. */
export interface LogAddress {
  scheme: string;
  /** Without a port, IPv6 without brackets; empty for a path. */
  host: string;
  port: number | undefined;
  path: string;
}

/** @throws Error with Go's words (url.Parse, net.SplitHostPort) */
export function parseAddress(text: string): LogAddress {
  const match = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)([^?#]*)/i.exec(text);
  if (match === null) {
    const reason = /^[^/]*:/.test(text)
      ? 'first path segment in URL cannot contain colon'
      : 'missing protocol scheme';
    throw new Error(`parse ${JSON.stringify(text)}: ${reason}`);
  }
  const [, scheme = '', authority = '', path = ''] = match;
  const parts = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d*))?$/.exec(authority);
  if (parts === null) {
    const colons = authority.split(':').length > 2;
    throw new Error(
      colons
        ? `address ${authority}: too many colons in address`
        : `parse ${JSON.stringify(text)}: invalid port ${JSON.stringify(authority.slice(authority.indexOf(':')))} after host`,
    );
  }
  const port = parts[3] ? Number(parts[3]) : undefined;
  if (port !== undefined && port > 65535) throw new Error('invalid port: value out of range');
  return { scheme: scheme.toLowerCase(), host: parts[1] ?? parts[2] ?? '', port, path };
}
