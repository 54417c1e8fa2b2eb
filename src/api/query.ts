/** Query parameters read the way Docker reads them. */
import { invalidParameter } from '../errdefs/index.ts';
import { parsePlatform } from '../oci/index.ts';
import type { Platform, TimestampNs } from './types.ts';

const FALSE = new Set(['', '0', 'no', 'false', 'none']);

/** `%XX` and `+` of a query, as the WHATWG's URL standard has them, into bytes. */
function percentDecode(text: string): Buffer {
  const latin1 = Buffer.from(text.replaceAll('+', ' ')).toString('latin1');
  return Buffer.from(
    latin1.replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  );
}

/** The decoded query of a request. */
export class Query {
  readonly #params: URLSearchParams;
  readonly #text: string;

  constructor(text: string) {
    this.#params = new URLSearchParams(text);
    this.#text = text;
  }

  has(name: string): boolean {
    return this.#params.has(name);
  }

  /** The first value; absent and empty are the same, as nearly everywhere in Docker. */
  get(name: string): string | undefined {
    return this.#params.get(name) || undefined;
  }

  /** The first value as the bytes that were sent: a file name need not be UTF-8. Undefined when absent or empty. */
  bytes(name: string): Buffer | undefined {
    for (const pair of this.#text.split('&')) {
      const [key = '', value = ''] = pair.split(/=(.*)/s, 2);
      if (key === name) return value === '' ? undefined : percentDecode(value);
    }
    return undefined;
  }

  all(name: string): string[] {
    return this.#params.getAll(name);
  }

  /** Anything but empty, `0`, `no`, `false` and `none` is true; `fallback` when absent. */
  bool(name: string, fallback = false): boolean {
    const value = this.#params.get(name);
    return value === null ? fallback : !FALSE.has(value.trim().toLowerCase());
  }

  /** A whole number, or undefined when absent. Throws InvalidParameter with Go's wording. */
  int(name: string): number | undefined {
    const value = this.get(name);
    if (value === undefined) return undefined;
    if (!/^[+-]?[0-9]+$/.test(value)) {
      throw invalidParameter(`strconv.Atoi: parsing ${JSON.stringify(value)}: invalid syntax`);
    }
    const number = Number(value);
    if (!Number.isSafeInteger(number)) {
      throw invalidParameter(`strconv.Atoi: parsing ${JSON.stringify(value)}: value out of range`);
    }
    return number;
  }

  /** A terminal dimension: required, 0 to 2^32-1. `what` names it in the error. */
  size(name: string, what: string): number {
    const value = this.#params.get(name) ?? '';
    const reason = !/^-?[0-9]+$/.test(value)
      ? 'invalid syntax'
      : value.startsWith('-') || Number(value) > 0xffff_ffff
        ? 'value out of range'
        : undefined;
    if (reason) throw invalidParameter(`invalid resize ${what} ${JSON.stringify(value)}: ${reason}`);
    return Number(value);
  }

  /** `seconds` or `seconds.nanoseconds`; undefined when absent. */
  timestamp(name: string): TimestampNs | undefined {
    const value = this.get(name);
    if (value === undefined) return undefined;
    const match = /^([+-]?[0-9]{1,18})(?:\.([0-9]{0,20}))?$/.exec(value);
    if (!match) {
      throw invalidParameter(`invalid value for "${name}": invalid timestamp ${JSON.stringify(value)}`);
    }
    const seconds = BigInt(match[1] as string);
    const nanoseconds = BigInt((match[2] ?? '').slice(0, 9).padEnd(9, '0'));
    return seconds * 1_000_000_000n + nanoseconds;
  }

  /** `platform=linux/arm64`, as create, pull and import take it. */
  platformName(name: string): Platform | undefined {
    const value = this.get(name);
    return value === undefined ? undefined : toPlatform(parsePlatform(value));
  }

  /** JSON-encoded OCI platforms, as push, save, load, inspect and remove take them. */
  platforms(name: string): Platform[] {
    return this.all(name)
      .filter((text) => text !== '')
      .map(decodePlatform);
  }
}

const toPlatform = (p: ReturnType<typeof parsePlatform>): Platform => ({
  os: p.os,
  architecture: p.architecture,
  ...(p.variant === undefined ? {} : { variant: p.variant }),
});

/** Decodes `{"os":"linux","architecture":"arm64"}`. */
function decodePlatform(text: string): Platform {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (err) {
    throw invalidParameter(`failed to parse platform: ${(err as Error).message}`);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw invalidParameter('failed to parse platform: not an object');
  }
  const fields = parsed as Record<string, unknown>;
  const text1 = (key: string): string => (typeof fields[key] === 'string' ? (fields[key] as string) : '');
  const platform = { os: text1('os'), architecture: text1('architecture') };
  const variant = text1('variant');
  const osVersion = text1('os.version');
  if (platform.os === '' && platform.architecture === '' && (variant !== '' || osVersion !== '')) {
    throw invalidParameter('optional platform fields provided, but OS and Architecture are missing');
  }
  if (platform.os === '' || platform.architecture === '') {
    throw invalidParameter('both OS and Architecture must be provided');
  }
  return {
    ...platform,
    ...(variant === '' ? {} : { variant }),
    ...(osVersion === '' ? {} : { 'os.version': osVersion }),
  };
}
