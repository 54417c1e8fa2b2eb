/**
 * Finding a subnet nobody uses: not another of our networks, not a route or address of the host (VPNs, other
 * engines), not the network of a nameserver. Docker's default pools, in Docker's order.
 */
import { invalidParameter, system } from '../errdefs/index.ts';
import type { Rtnetlink } from '../linux/index.ts';
import { contains, overlaps, type Prefix, parseCidr, parseIpv4, prefixAt, sizeOf } from './ipv4.ts';
import type { AddressPool } from './types.ts';

/** Docker's (libnetwork ipamutils): 172.17/16 … 172.31/16, then 192.168/16 in /20s. */
export const DEFAULT_POOLS: readonly AddressPool[] = [
  { base: '172.17.0.0/16', size: 16 },
  { base: '172.18.0.0/16', size: 16 },
  { base: '172.19.0.0/16', size: 16 },
  { base: '172.20.0.0/14', size: 16 },
  { base: '172.24.0.0/14', size: 16 },
  { base: '172.28.0.0/14', size: 16 },
  { base: '192.168.0.0/16', size: 20 },
];

/** The prefixes the host itself uses: its IPv4 routes but the default ones, and its addresses. */
export function hostPrefixes(rtnetlink: Rtnetlink, exceptLinks: ReadonlySet<number> = new Set()): Prefix[] {
  const routes = rtnetlink
    .routes()
    .filter((route) => route.family === 4 && route.to !== 'default' && route.type !== 'multicast')
    .filter((route) => route.index === undefined || !exceptLinks.has(route.index))
    .map((route) => route.to);
  const addresses = rtnetlink
    .addresses()
    .filter(({ index }) => !exceptLinks.has(index))
    .map(({ address }) => address);
  // A route to 0.0.0.0/1 is half a default route of a VPN: it says nothing of where networks are.
  return [...routes, ...addresses].flatMap((text) => {
    const prefix = parseCidr(text)?.prefix;
    return prefix !== undefined && prefix.length > 1 ? [prefix] : [];
  });
}

/** The nameservers of a resolv.conf as prefixes of one address. */
export function nameserverPrefixes(resolvConf: string): Prefix[] {
  return [...resolvConf.matchAll(/^\s*nameserver\s+(\S+)/gm)].flatMap(([, text = '']) => {
    const address = parseIpv4(text);
    return address === undefined ? [] : [prefixAt(address, 32)];
  });
}

/** Cuts the first prefix from `pools` that overlaps none of `used`. Throws when there is none. */
export function chooseSubnet(pools: readonly AddressPool[], used: readonly Prefix[]): Prefix {
  for (const pool of pools) {
    const base = parseCidr(pool.base)?.prefix;
    if (base === undefined || pool.size < base.length || pool.size > 30) {
      throw invalidParameter(`invalid default address pool: ${pool.base} with size ${pool.size}`);
    }
    for (let at = base.base; contains(base, at); at += 2 ** (32 - pool.size)) {
      const candidate = { base: at, length: pool.size };
      if (!used.some((prefix) => overlaps(prefix, candidate))) return candidate;
      if (at + sizeOf(candidate) > 0xffffffff) break;
    }
  }
  throw system('all predefined address pools have been fully subnetted');
}
