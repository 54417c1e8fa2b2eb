/** IPv4 addresses and prefixes as numbers. */
import { isIPv4 } from 'node:net';

/** A prefix: its lowest address and its length. */
export interface Prefix {
  base: number;
  length: number;
}

/** The number of a dotted quad; undefined when `text` is none. */
export function parseIpv4(text: string): number | undefined {
  if (!isIPv4(text)) return undefined;
  return text.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}

export const formatIpv4 = (address: number): string =>
  `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;

const maskOf = (length: number): number => (length === 0 ? 0 : (0xffffffff << (32 - length)) >>> 0);

/** Number of addresses in a prefix. */
export const sizeOf = (prefix: Prefix): number => 2 ** (32 - prefix.length);

/** The prefix of this length that holds `address`. */
export const prefixAt = (address: number, length: number): Prefix => ({
  base: (address & maskOf(length)) >>> 0,
  length,
});

/** Parses `10.0.0.5/24` into its address and the prefix it is in; undefined when it is malformed. */
export function parseCidr(text: string): { address: number; prefix: Prefix } | undefined {
  const [, quad = '', bits = ''] = /^([\d.]+)\/(\d{1,2})$/.exec(text) ?? [];
  const address = parseIpv4(quad);
  const length = Number(bits);
  if (address === undefined || length > 32) return undefined;
  return { address, prefix: prefixAt(address, length) };
}

export const formatPrefix = ({ base, length }: Prefix): string => `${formatIpv4(base)}/${length}`;

export const contains = (prefix: Prefix, address: number): boolean =>
  (address & maskOf(prefix.length)) >>> 0 === prefix.base;

/** True when `inner` lies wholly in `outer`. */
export const covers = (outer: Prefix, inner: Prefix): boolean =>
  inner.length >= outer.length && contains(outer, inner.base);

export const overlaps = (a: Prefix, b: Prefix): boolean => contains(a, b.base) || contains(b, a.base);
