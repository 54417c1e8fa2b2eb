/** Which base URLs serve a registry's host, and how far each is trusted. */

import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';
import { DEFAULT_DOMAIN } from '../oci/index.ts';
import type { RegistryConfig } from './types.ts';

/** A place to ask, in the order they are tried. */
export interface Endpoint {
  /** Without a slash at the end, e.g. `https://registry-1.docker.io`. */
  readonly url: string;
  /** `host` or `host:port`, by which certificates are found. */
  readonly host: string;
  /** Any certificate will do. */
  readonly insecure: boolean;
  /** Asked first, not believed when it fails. */
  readonly mirror: boolean;
}

const HUB = 'https://registry-1.docker.io';

/** The endpoints for `domain`. Mirrors serve pulls from docker.io only, as in Docker. */
export async function endpointsFor(
  domain: string,
  config: RegistryConfig,
  purpose: 'pull' | 'push',
): Promise<Endpoint[]> {
  if (domain !== DEFAULT_DOMAIN) return hostEndpoints(domain, config);
  const mirrors = purpose === 'pull' ? (config.mirrors ?? []) : [];
  const out: Endpoint[] = [];
  for (const mirror of mirrors) {
    const url = new URL(mirror);
    const insecure = await isInsecure(url.host, config);
    out.push({ url: mirror.replace(/\/+$/, ''), host: url.host, insecure, mirror: true });
  }
  out.push({ url: HUB, host: 'registry-1.docker.io', insecure: false, mirror: false });
  return out;
}

async function hostEndpoints(host: string, config: RegistryConfig): Promise<Endpoint[]> {
  const insecure = await isInsecure(host, config);
  const https: Endpoint = { url: `https://${host}`, host, insecure, mirror: false };
  return insecure ? [https, { ...https, url: `http://${host}` }] : [https];
}

const LOOPBACK = ['127.0.0.0/8', '::1/128'];

/** May `host` be spoken to without a trusted certificate? By name, or by network, of its addresses too. */
export async function isInsecure(host: string, config: RegistryConfig): Promise<boolean> {
  const entries = config.insecureRegistries ?? [];
  if (entries.includes(host)) return true;
  const nets = new BlockList();
  for (const entry of [...LOOPBACK, ...entries]) {
    const cidr = /^([^/]+)\/(\d+)$/.exec(entry);
    const family = isIP(cidr?.[1] ?? '');
    if (cidr?.[1] !== undefined && family !== 0) {
      nets.addSubnet(cidr[1], Number(cidr[2]), family === 6 ? 'ipv6' : 'ipv4');
    }
  }
  const name = hostname(host);
  const addresses = isIP(name) !== 0 ? [name] : await addressesOf(name);
  return addresses.some((address) => nets.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4'));
}

/** `[::1]:5000` is `::1`. */
function hostname(host: string): string {
  return /^\[([^\]]+)\]/.exec(host)?.[1] ?? host.replace(/:\d+$/, '');
}

async function addressesOf(name: string): Promise<string[]> {
  if (name === 'localhost') return ['127.0.0.1'];
  try {
    return (await lookup(name, { all: true })).map((a) => a.address);
  } catch {
    return []; // the connection will say it better
  }
}
