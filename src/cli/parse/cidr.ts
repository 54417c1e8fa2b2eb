/** Subnets such as `10.0.0.0/8` and `fd00::/64`. */
import { BlockList, isIP, isIPv6 } from 'node:net';

/** Parses a subnet; undefined when it is none. */
export function parseCidr(
  text: string,
): { address: string; bits: number; family: 'ipv4' | 'ipv6' } | undefined {
  const match = /^([^/]+)\/(\d{1,3})$/.exec(text);
  const address = match?.[1] ?? '';
  const bits = Number(match?.[2]);
  if (isIP(address) === 0) return undefined;
  const family = isIPv6(address) ? 'ipv6' : 'ipv4';
  return bits <= (family === 'ipv6' ? 128 : 32) ? { address, bits, family } : undefined;
}

/** Whether an address, or the base of another subnet, lies in a subnet. */
export function contains(subnet: string, address: string): boolean {
  const outer = parseCidr(subnet);
  const inner = parseCidr(address)?.address ?? address;
  if (!outer || isIP(inner) === 0) return false;
  const family = isIPv6(inner) ? 'ipv6' : 'ipv4';
  if (family !== outer.family) return false;
  const list = new BlockList();
  list.addSubnet(outer.address, outer.bits, outer.family);
  return list.check(inner, family);
}
