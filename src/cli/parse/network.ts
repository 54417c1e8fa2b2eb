/** `--network` in its simple and its advanced form, and the addresses that go with it. */
import { isIP } from 'node:net';
import type { EndpointSettings } from '@docker/node-sdk';
import { cut, parseCsvLine } from './csv.ts';

/** One `--network`. */
export interface NetworkAttachment {
  target: string;
  aliases: string[];
  driverOpts: Record<string, string>;
  links: string[];
  ip: string;
  ip6: string;
  linkLocal: string[];
  mac: string;
  gwPriority: number;
}

const empty = (target: string): NetworkAttachment => ({
  target,
  aliases: [],
  driverOpts: {},
  links: [],
  ip: '',
  ip6: '',
  linkLocal: [],
  mac: '',
  gwPriority: 0,
});

/** Parses `bridge`, or `name=net,alias=a,ip=…,driver-opt=k=v`. @throws Error with docker's words */
export function parseNetwork(value: string): NetworkAttachment {
  if (value === '') throw new Error('no name set for network');
  if (!/^(?:name|alias|ip6?|mac-address|link-local-ip|driver-opt|gw-priority)=/.test(value)) {
    if (!value.includes('=')) return empty(value);
  }
  const attachment = empty('');
  for (const field of parseCsvLine(value)) {
    const [rawKey, rawValue] = cut(field, '=');
    const key = rawKey.trim().toLowerCase();
    if (rawValue === undefined || key === '') throw new Error(`invalid field ${field}`);
    const text = rawValue.trim();
    if (key === 'name') attachment.target = text;
    else if (key === 'alias') attachment.aliases.push(text);
    else if (key === 'ip') attachment.ip = text;
    else if (key === 'ip6') attachment.ip6 = text;
    else if (key === 'mac-address') attachment.mac = text;
    else if (key === 'link-local-ip') attachment.linkLocal.push(text);
    else if (key === 'driver-opt') {
      const [name, option] = cut(text, '=');
      if (option === undefined) throw new Error('invalid key value pair format in driver options');
      attachment.driverOpts[name.toLowerCase()] = option;
    } else if (key === 'gw-priority') {
      if (!/^[+-]?\d+$/.test(text)) throw new Error(`invalid gw-priority (${text}): invalid syntax`);
      attachment.gwPriority = Number(text);
    } else throw new Error(`invalid field key ${key}`);
  }
  if (attachment.target === '') throw new Error('network name/id is not specified');
  return attachment;
}

/** Options of `run` that belong to its first network. */
export interface ContainerNetworkFlags {
  aliases: readonly string[];
  links: readonly string[];
  ip: string;
  ip6: string;
  linkLocal: readonly string[];
  mac: string;
}

const BUILT_IN = new Set(['default', 'bridge', 'host', 'none', 'nat']);

/** Whether a network is one that a user made. */
export const isUserDefined = (target: string): boolean =>
  !BUILT_IN.has(target) && !target.startsWith('container:');

/** Joins the older flags (`--ip`, `--network-alias`, …) to the first network. @throws Error when both say it */
function applyFlags(first: NetworkAttachment, flags: ContainerNetworkFlags): NetworkAttachment {
  const conflict = (option: string, what: string, both: boolean): void => {
    if (both) throw new Error(`conflicting options: cannot specify both ${option} and per-network ${what}`);
  };
  if (first.aliases.length && flags.aliases.length) {
    throw new Error('conflicting options: cannot specify both --network-alias and per-network alias');
  }
  conflict('--ip', 'IPv4 address', first.ip !== '' && flags.ip !== '');
  conflict('--ip6', 'IPv6 address', first.ip6 !== '' && flags.ip6 !== '');
  conflict('--mac-address', 'MAC address', first.mac !== '' && flags.mac !== '');
  conflict(
    '--link-local-ip',
    'link-local IP addresses',
    first.linkLocal.length > 0 && flags.linkLocal.length > 0,
  );
  return {
    ...first,
    aliases: [...first.aliases, ...flags.aliases],
    links: isUserDefined(first.target) ? [...flags.links] : [],
    ip: first.ip || flags.ip,
    ip6: first.ip6 || flags.ip6,
    linkLocal: first.linkLocal.length ? first.linkLocal : [...flags.linkLocal],
    mac: first.mac || flags.mac,
  };
}

/** An attachment in the API's terms. */
export function toEndpointSettings(n: NetworkAttachment): EndpointSettings {
  if (n.target.trim() === '') throw new Error('no name set for network');
  if (n.aliases.length && !isUserDefined(n.target)) {
    throw new Error('network-scoped aliases are only supported for user-defined networks');
  }
  if (n.mac !== '' && !isMac(n.mac)) throw new Error(`${n.mac} is not a valid mac address`);
  const ipam = {
    ...(n.ip && { IPv4Address: n.ip }),
    ...(n.ip6 && { IPv6Address: n.ip6 }),
    ...(n.linkLocal.length && { LinkLocalIPs: n.linkLocal }),
  };
  return {
    ...(n.aliases.length && { Aliases: n.aliases }),
    ...(n.links.length && { Links: n.links }),
    ...(Object.keys(n.driverOpts).length && { DriverOpts: n.driverOpts }),
    ...(Object.keys(ipam).length && { IPAMConfig: ipam }),
    ...(n.mac && { MacAddress: n.mac }),
    ...(n.gwPriority && { GwPriority: n.gwPriority }),
  };
}

/** The networks of a container: its mode, and settings per network. @throws Error with docker's words */
export function parseNetworks(
  values: readonly string[],
  flags: ContainerNetworkFlags,
): { mode: string; endpoints: Record<string, EndpointSettings> } {
  const given = values.map(parseNetwork);
  const attachments = given.length ? given : [empty('default')];
  const first = attachments[0] as NetworkAttachment;
  attachments[0] = applyFlags(first, flags);
  const endpoints: Record<string, EndpointSettings> = {};
  for (const attachment of attachments) {
    if (attachment.target in endpoints)
      throw new Error(`network ${JSON.stringify(attachment.target)} is specified multiple times`);
    endpoints[attachment.target] = toEndpointSettings(attachment);
  }
  const made = attachments.filter((a) => isUserDefined(a.target)).length;
  if (made > 0 && made < attachments.length) {
    throw new Error(
      'conflicting options: cannot attach both user-defined and non-user-defined network-modes',
    );
  }
  const only = Object.values(endpoints);
  const plain = only.length === 1 && Object.keys(only[0] ?? {}).length === 0;
  return { mode: first.target, endpoints: plain ? {} : endpoints };
}

/** An Ethernet address in the forms Go's net.ParseMAC takes for six bytes. */
export const isMac = (text: string): boolean =>
  /^([0-9a-fA-F]{2}([:-]))([0-9a-fA-F]{2}\2){4}[0-9a-fA-F]{2}$/.test(text) ||
  /^([0-9a-fA-F]{4}\.){2}[0-9a-fA-F]{4}$/.test(text);

/** `--add-host name:ip` and `name=ip`, in the API's `name:ip`. */
export function parseExtraHost(value: string): string {
  let [name, address] = cut(value, '=');
  if (address === undefined || name.includes(':')) [name, address] = cut(value, ':');
  if (name === '' || !address) throw new Error(`bad format for add-host: ${JSON.stringify(value)}`);
  const bare = /^\[(.*)\]$/.exec(address)?.[1] ?? address;
  if (bare !== 'host-gateway' && isIP(bare) === 0)
    throw new Error(`invalid IP address in add-host: ${JSON.stringify(bare)}`);
  return `${name}:${bare}`;
}

/** Checks an IP address at the flag. */
export function checkIp(value: string): string {
  if (isIP(value.trim()) === 0) throw new Error(`IP address is not correctly formatted: ${value}`);
  return value.trim();
}

/** Checks `--dns-search`. */
export function checkDnsSearch(value: string): string {
  const domain = value.trim();
  if (domain === '.') return domain;
  if (!/^(?!-)[\w-]+(?:\.[\w-]+)*\.?$/.test(domain) || !/[a-zA-Z]/.test(domain))
    throw new Error(`${value} is not a valid domain`);
  return domain;
}

/** Checks `--link`. */
export function checkLink(value: string): string {
  const parts = value.split(':');
  if (value === '') throw new Error('empty string specified for links');
  if (parts.length > 2) throw new Error(`bad format for links: ${value}`);
  return value;
}
