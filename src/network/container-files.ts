/** Contents of a container's /etc/hosts and /etc/resolv.conf. */
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { invalidParameter } from '../errdefs/index.ts';
import type { FilesRequest, NetworkFiles } from './types.ts';

/** Address of the resolver inside containers on user-defined networks. */
export const RESOLVER_ADDRESS = '127.0.0.11';

/** Docker's, for a host that has none of its own that a container could reach. */
const FALLBACK_NAMESERVERS = ['8.8.8.8', '8.8.4.4'];

const LOCALHOST = `127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
`;

/** A line of /etc/hosts: an address and its names. */
export interface HostsLine {
  address: string;
  names: readonly string[];
}

/** /etc/hosts: localhost, what the user added, the container's own addresses. `base` replaces the localhost lines. */
export function hostsFile(lines: readonly HostsLine[], base: string = LOCALHOST): string {
  const head = base === '' || base.endsWith('\n') ? base : `${base}\n`;
  return head + lines.map(({ address, names }) => `${address}\t${names.join(' ')}\n`).join('');
}

/**
 * Parses HostConfig.ExtraHosts (`name:address` or `name=address`).
 *
 * @param hostGateways what `host-gateway` stands for
 */
export function parseExtraHosts(extraHosts: readonly string[], hostGateways: readonly string[]): HostsLine[] {
  return extraHosts.flatMap((text) => {
    const [, name = '', value = ''] = /^([^:=]+)[:=](.+)$/.exec(text) ?? [];
    if (name === '' || value === '')
      throw invalidParameter(`bad format for add-host: ${JSON.stringify(text)}`);
    if (value === 'host-gateway') return hostGateways.map((address) => ({ address, names: [name] }));
    const address = value.replace(/^\[(.*)\]$/, '$1');
    if (isIP(address) === 0)
      throw invalidParameter(`invalid IP address in add-host: ${JSON.stringify(value)}`);
    return [{ address, names: [name] }];
  });
}

/** What resolv.conf (man 5 resolv.conf) says. */
export interface ResolvConf {
  nameservers: string[];
  search: string[];
  options: string[];
}

export function parseResolvConf(text: string): ResolvConf {
  const conf: ResolvConf = { nameservers: [], search: [], options: [] };
  for (const line of text.split('\n')) {
    const [keyword, ...values] = line
      .replace(/[#;].*$/, '')
      .trim()
      .split(/\s+/);
    if (keyword === 'nameserver' && values[0] !== undefined) conf.nameservers.push(values[0]);
    if (keyword === 'search' || keyword === 'domain') conf.search = values;
    if (keyword === 'options') conf.options.push(...values);
  }
  return conf;
}

export const formatResolvConf = ({ nameservers, search, options }: ResolvConf): string =>
  [
    ...nameservers.map((address) => `nameserver ${address}`),
    ...(search.length > 0 ? [`search ${search.join(' ')}`] : []),
    ...(options.length > 0 ? [`options ${options.join(' ')}`] : []),
    '',
  ].join('\n');

const isLoopback = (address: string): boolean => /^(127\.|::1$|0\.0\.0\.0$|::$)/.test(address);

/** What a container overrides of the host's resolv.conf (HostConfig.Dns, DnsSearch, DnsOptions). */
export interface ResolvOverrides {
  dns: readonly string[];
  dnsSearch: readonly string[];
  dnsOptions: readonly string[];
}

/** The host's settings with the container's in their place. A search list of `.` means none. */
export function overrideResolvConf(
  host: ResolvConf,
  { dns, dnsSearch, dnsOptions }: ResolvOverrides,
): ResolvConf {
  return {
    nameservers: dns.length > 0 ? [...dns] : host.nameservers,
    search: dnsSearch.length > 0 ? dnsSearch.filter((domain) => domain !== '.') : host.search,
    options: dnsOptions.length > 0 ? [...dnsOptions] : host.options,
  };
}

/** For a container that asks the host's nameservers itself: those it can reach. IPv6 ones need IPv6 (`withIPv6`). */
export function reachableNameservers(nameservers: readonly string[], withIPv6 = false): string[] {
  const reachable = nameservers.filter(
    (address) => !isLoopback(address) && (withIPv6 || !address.includes(':')),
  );
  return reachable.length > 0 ? reachable : FALLBACK_NAMESERVERS;
}

/** What the files of one container are made from, besides its own wishes. */
export interface FileFacts {
  /** Its own. */
  addresses: readonly string[];
  links: readonly HostsLine[];
  /** Is it on a network with a resolver of ours? */
  named: boolean;
  /** What `host-gateway` stands for: an address, or one of IPv4 and one of IPv6. */
  hostGateways: readonly string[];
  /** The host's. */
  resolvConf: ResolvConf;
  /** The daemon's, for what the container leaves open. */
  defaults: ResolvOverrides;
}

/** /etc/hosts and /etc/resolv.conf. In the host's network they are the host's, with what the user added. */
export function networkFiles(request: FilesRequest, facts: FileFacts): NetworkFiles {
  const onHost = request.networkMode === 'host';
  const names = hostNames(request.hostname, request.domainname ?? '');
  const own = facts.addresses.map((address) => ({ address, names }));
  const lines = [...parseExtraHosts(request.extraHosts ?? [], facts.hostGateways), ...facts.links, ...own];
  return {
    hosts: onHost ? hostsFile(lines, readText('/etc/hosts')) : hostsFile(lines),
    resolvConf: formatResolvConf(resolvConfOf(request, facts, onHost)),
  };
}

/** Docker's: the full name and its first label. */
function hostNames(hostname: string, domainname: string): string[] {
  const full = domainname === '' ? hostname : `${hostname}.${domainname}`;
  const dot = full.indexOf('.');
  return dot === -1 ? [full] : [full, full.slice(0, dot)];
}

function resolvConfOf(request: FilesRequest, facts: FileFacts, onHost: boolean): ResolvConf {
  const dns = orElse(request.dns, facts.defaults.dns);
  const conf = overrideResolvConf(facts.resolvConf, {
    dns,
    dnsSearch: orElse(request.dnsSearch, facts.defaults.dnsSearch),
    dnsOptions: orElse(request.dnsOptions, facts.defaults.dnsOptions),
  });
  if (onHost) return conf;
  if (facts.named) {
    const ndots = conf.options.some((option) => option.startsWith('ndots:')) ? [] : ['ndots:0'];
    return { ...conf, nameservers: [RESOLVER_ADDRESS], options: [...conf.options, ...ndots] };
  }
  // A nameserver the user named is the user's business; of the host's, those on its loopback are out of reach.
  return dns.length > 0 ? conf : { ...conf, nameservers: reachableNameservers(conf.nameservers) };
}

const orElse = (values: readonly string[] | undefined, others: readonly string[]): readonly string[] =>
  values !== undefined && values.length > 0 ? values : others;

/** A small file's text; empty when it cannot be read. */
export function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
