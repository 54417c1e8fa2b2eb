/** Which proxy a request goes through, by the rules of Go's `http.ProxyFromEnvironment`. */
import { BlockList, isIP } from 'node:net';
import type { RegistryConfig } from './types.ts';

/** The proxy's URL, or undefined for a direct connection. Loopback addresses are never proxied. */
export function proxyFor(url: URL, config: RegistryConfig): string | undefined {
  const proxy = url.protocol === 'https:' ? config.httpsProxy : config.httpProxy;
  if (!proxy || isExempt(url, config.noProxy ?? '')) return undefined;
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(proxy) ? proxy : `http://${proxy}`;
}

function isExempt(url: URL, noProxy: string): boolean {
  const host = url.hostname.replace(/^\[|\]$/g, '').toLowerCase();
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port;
  const family = isIP(host);
  const kind = family === 6 ? 'ipv6' : 'ipv4';
  const loopback = new BlockList();
  loopback.addSubnet('127.0.0.0', 8);
  loopback.addAddress('::1', 'ipv6');
  if (host === 'localhost' || (family !== 0 && loopback.check(host, kind))) return true;
  return noProxy
    .split(/[,\s]+/)
    .filter((entry) => entry !== '')
    .some((entry) => covers(entry.toLowerCase(), host, port, family));
}

/** One entry: `*`, a network, an address, a domain (`.x` for its subdomains only), each but the first with a port. */
function covers(entry: string, host: string, port: string, family: number): boolean {
  if (entry === '*') return true;
  const cidr = /^([^/]+)\/(\d+)$/.exec(entry);
  if (cidr?.[1] !== undefined) {
    const of = isIP(cidr[1]);
    if (of === 0 || of !== family) return false;
    const net = new BlockList();
    net.addSubnet(cidr[1], Number(cidr[2]), of === 6 ? 'ipv6' : 'ipv4');
    return net.check(host, of === 6 ? 'ipv6' : 'ipv4');
  }
  const [, name = entry, wanted] = /^(\[[^\]]+\]|[^:]+)(?::(\d+))?$/.exec(entry) ?? [];
  if (wanted !== undefined && wanted !== port) return false;
  const bare = name.replace(/^\[|\]$/g, '').replace(/^\*(?=\.)/, '');
  if (bare.startsWith('.')) return host.endsWith(bare);
  return host === bare || (family === 0 && host.endsWith(`.${bare}`));
}
