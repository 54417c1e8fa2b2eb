/** Addresses, routes and neighbours: requests, and how the kernel describes them (man 7 rtnetlink). */
import { isIP } from 'node:net';
import { invalidParameter } from '../errdefs/index.ts';
import { formatMac, NetlinkWriter, parseMac, readAttributes, u32Of } from './rtnetlink-message.ts';
import type { NetlinkMessage, NetlinkRequest } from './rtnetlink-socket.ts';

const RTM = {
  newAddress: 20,
  delAddress: 21,
  getAddress: 22,
  newRoute: 24,
  delRoute: 25,
  getRoute: 26,
} as const;
const RTM_NEWNEIGH = 28;
const RTM_DELNEIGH = 29;
const RTM_GETNEIGH = 30;
const NLM_F_REPLACE = 0x100;
const NLM_F_EXCL = 0x200;
const NLM_F_CREATE = 0x400;

const AF_UNSPEC = 0;
const AF_INET = 2;
const AF_BRIDGE = 7;
const AF_INET6 = 10;

const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_BROADCAST = 4;
const IFA_F_NODAD = 0x02;

const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PRIORITY = 6;
const RTA_PREFSRC = 7;
const RTA_TABLE = 15;
const RT_TABLE_MAIN = 254;
const RTPROT_BOOT = 3;
const RTN_UNICAST = 1;
const SCOPE_UNIVERSE = 0;
const SCOPE_LINK = 253;
const ROUTE_TYPES = [
  'unspec',
  'unicast',
  'local',
  'broadcast',
  'anycast',
  'multicast',
  'blackhole',
  'unreachable',
  'prohibit',
];

const NDA_DST = 1;
const NDA_LLADDR = 2;
const NDA_MASTER = 9;
const NUD_PERMANENT = 0x80;
const NTF_SELF = 0x02;
const NTF_MASTER = 0x04;

/** The bytes of an address, 4 or 16. Throws InvalidParameter. */
export function addressBytes(text: string): Buffer {
  const version = isIP(text);
  if (version === 4) return Buffer.from(text.split('.').map(Number));
  if (version === 6) return v6Bytes(text);
  throw invalidParameter(`invalid IP address: ${JSON.stringify(text)}`);
}

function v6Bytes(text: string): Buffer {
  const [head = '', tail] = text.replace(/%.*$/, '').split('::');
  const words = (part: string | undefined): number[] =>
    part === undefined || part === ''
      ? []
      : part.split(':').flatMap((word) => {
          if (!word.includes('.')) return [Number.parseInt(word, 16)];
          const [a = 0, b = 0, c = 0, d = 0] = word.split('.').map(Number);
          return [a * 256 + b, c * 256 + d];
        });
  const left = words(head);
  const right = words(tail);
  const bytes = Buffer.alloc(16);
  for (const [i, word] of left.entries()) bytes.writeUInt16BE(word, i * 2);
  for (const [i, word] of right.entries()) bytes.writeUInt16BE(word, 16 - (right.length - i) * 2);
  return bytes;
}

/** The text of an address of 4 or 16 bytes; IPv6 in its shortest form (RFC 5952). */
export function addressText(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  const words = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(i * 2).toString(16)).join(':');
  const zeros = [...words.matchAll(/(?<![^:])0(?::0)+(?![^:])/g)].sort(
    (a, b) => b[0].length - a[0].length,
  )[0];
  if (zeros === undefined) return words;
  const before = words.slice(0, zeros.index).replace(/:$/, '');
  return `${before}::${words.slice(zeros.index + zeros[0].length).replace(/^:/, '')}`;
}

const familyOf = (bytes: Uint8Array): number => (bytes.length === 4 ? AF_INET : AF_INET6);

/** Splits `10.0.0.1/24`; without a length it is a single address. */
function prefixOf(cidr: string): { bytes: Buffer; length: number } {
  const [text = '', lengthText] = cidr.split('/');
  const bytes = addressBytes(text);
  const length = lengthText === undefined ? bytes.length * 8 : Number(lengthText);
  if (!Number.isInteger(length) || length < 0 || length > bytes.length * 8) {
    throw invalidParameter(`invalid prefix: ${JSON.stringify(cidr)}`);
  }
  return { bytes, length };
}

/** An address of an interface. */
export interface Address {
  index: number;
  /** With its prefix: `10.0.0.1/24`. */
  address: string;
}

function addressRequest(
  type: number,
  flags: number,
  verb: string,
  { index, address }: Address,
): NetlinkRequest {
  const { bytes, length } = prefixOf(address);
  const header = Buffer.alloc(8);
  header.writeUInt8(familyOf(bytes), 0);
  header.writeUInt8(length, 1);
  if (bytes.length === 16) header.writeUInt8(IFA_F_NODAD, 2);
  header.writeUInt32LE(index, 4);
  const writer = new NetlinkWriter().raw(header).bytes(IFA_LOCAL, bytes).bytes(IFA_ADDRESS, bytes);
  if (bytes.length === 4 && length < 31) {
    const broadcast = Buffer.alloc(4);
    broadcast.writeUInt32BE((bytes.readUInt32BE(0) | (0xffffffff >>> length)) >>> 0);
    writer.bytes(IFA_BROADCAST, broadcast);
  }
  return { type, flags, payload: writer.finish(), operation: `${verb} address ${address} on link ${index}` };
}

/** Adds an address (IPv6 without duplicate detection: we hand the addresses out). */
export const newAddress = (address: Address): NetlinkRequest =>
  addressRequest(RTM.newAddress, NLM_F_CREATE | NLM_F_EXCL, 'add', address);

export const deleteAddress = (address: Address): NetlinkRequest =>
  addressRequest(RTM.delAddress, 0, 'delete', address);

/** Asks for all addresses of all links. */
export const getAddresses = (): NetlinkRequest => ({
  type: RTM.getAddress,
  flags: 0,
  payload: Buffer.alloc(8),
  operation: 'list addresses',
});

export function parseAddress({ payload }: NetlinkMessage): Address {
  const attributes = readAttributes(payload, 8);
  const bytes = attributes.get(IFA_LOCAL) ?? attributes.get(IFA_ADDRESS) ?? Buffer.alloc(4);
  return { index: payload.readUInt32LE(4), address: `${addressText(bytes)}/${payload.readUInt8(1)}` };
}

/** A route. */
export interface Route {
  /** `10.0.0.0/24`, or `default`. */
  to: string;
  /** Next hop; absent for what is on the link. */
  via?: string;
  /** Index of the outgoing link. */
  index?: number;
  /** Source address to prefer. */
  source?: string;
  /** Lower wins. */
  metric?: number;
  /** 254 is the main table. */
  table?: number;
  /** `unicast` unless it says otherwise (`local`, `broadcast`, `blackhole`, …). */
  type?: string;
  family?: 4 | 6;
}

function routeRequest(type: number, flags: number, verb: string, route: Route): NetlinkRequest {
  const via = route.via === undefined ? undefined : addressBytes(route.via);
  const to = route.to === 'default' ? undefined : prefixOf(route.to);
  const family = to ? familyOf(to.bytes) : via ? familyOf(via) : route.family === 6 ? AF_INET6 : AF_INET;
  const header = Buffer.alloc(12);
  header.writeUInt8(family, 0);
  header.writeUInt8(to?.length ?? 0, 1);
  header.writeUInt8(route.table ?? RT_TABLE_MAIN, 4);
  header.writeUInt8(RTPROT_BOOT, 5);
  header.writeUInt8(via ? SCOPE_UNIVERSE : SCOPE_LINK, 6);
  header.writeUInt8(Math.max(ROUTE_TYPES.indexOf(route.type ?? 'unicast'), RTN_UNICAST), 7);
  const writer = new NetlinkWriter().raw(header);
  if (to) writer.bytes(RTA_DST, to.bytes);
  if (via) writer.bytes(RTA_GATEWAY, via);
  if (route.index !== undefined) writer.u32(RTA_OIF, route.index);
  if (route.source !== undefined) writer.bytes(RTA_PREFSRC, addressBytes(route.source));
  if (route.metric !== undefined) writer.u32(RTA_PRIORITY, route.metric);
  const operation = `${verb} route ${route.to}${route.via ? ` via ${route.via}` : ''}`;
  return { type, flags, payload: writer.finish(), operation };
}

export const newRoute = (route: Route): NetlinkRequest =>
  routeRequest(RTM.newRoute, NLM_F_CREATE | NLM_F_EXCL, 'add', route);

export const replaceRoute = (route: Route): NetlinkRequest =>
  routeRequest(RTM.newRoute, NLM_F_CREATE | NLM_F_REPLACE, 'replace', route);

export const deleteRoute = (route: Route): NetlinkRequest => routeRequest(RTM.delRoute, 0, 'delete', route);

/** Asks for the routes of all tables and families. */
export const getRoutes = (): NetlinkRequest => ({
  type: RTM.getRoute,
  flags: 0,
  payload: Buffer.alloc(12),
  operation: 'list routes',
});

export function parseRoute({ payload }: NetlinkMessage): Route {
  const attributes = readAttributes(payload, 12);
  const destination = attributes.get(RTA_DST);
  const gateway = attributes.get(RTA_GATEWAY);
  const source = attributes.get(RTA_PREFSRC);
  const index = u32Of(attributes.get(RTA_OIF));
  const metric = u32Of(attributes.get(RTA_PRIORITY));
  return {
    to: destination ? `${addressText(destination)}/${payload.readUInt8(1)}` : 'default',
    family: payload.readUInt8(0) === AF_INET6 ? 6 : 4,
    table: u32Of(attributes.get(RTA_TABLE)) ?? payload.readUInt8(4),
    type: ROUTE_TYPES[payload.readUInt8(7)] ?? 'unspec',
    ...(gateway && { via: addressText(gateway) }),
    ...(source && { source: addressText(source) }),
    ...(index !== undefined && { index }),
    ...(metric !== undefined && { metric }),
  };
}

/** Who has an address (ARP, NDP), or behind which port of a bridge a MAC is (`bridge`). */
export interface Neighbour {
  index: number;
  mac?: string;
  /** Absent in a bridge's forwarding database. */
  address?: string;
  /** True: an entry of the forwarding database of the bridge that link `index` is a port of. */
  bridge?: boolean;
  permanent?: boolean;
}

function neighbourRequest(type: number, flags: number, verb: string, neighbour: Neighbour): NetlinkRequest {
  const bytes = neighbour.address === undefined ? undefined : addressBytes(neighbour.address);
  const header = Buffer.alloc(12);
  header.writeUInt8(neighbour.bridge === true ? AF_BRIDGE : bytes ? familyOf(bytes) : AF_UNSPEC, 0);
  header.writeInt32LE(neighbour.index, 4);
  header.writeUInt16LE(NUD_PERMANENT, 8);
  if (neighbour.bridge === true) header.writeUInt8(NTF_MASTER, 10);
  const writer = new NetlinkWriter().raw(header);
  if (bytes) writer.bytes(NDA_DST, bytes);
  const mac = neighbour.mac === undefined ? undefined : parseMac(neighbour.mac);
  if (neighbour.mac !== undefined && mac === undefined)
    throw invalidParameter(`invalid MAC address: ${neighbour.mac}`);
  if (mac) writer.bytes(NDA_LLADDR, mac);
  const operation = `${verb} neighbour ${neighbour.address ?? ''} ${neighbour.mac ?? ''} on link ${neighbour.index}`;
  return { type, flags, payload: writer.finish(), operation };
}

/** Adds or replaces a permanent neighbour. */
export const setNeighbour = (neighbour: Neighbour): NetlinkRequest =>
  neighbourRequest(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, 'set', neighbour);

export const deleteNeighbour = (neighbour: Neighbour): NetlinkRequest =>
  neighbourRequest(RTM_DELNEIGH, 0, 'delete', neighbour);

/** Asks for all neighbours, or with `bridge` for the forwarding databases of all bridges. */
export function getNeighbours(options: { bridge?: boolean } = {}): NetlinkRequest {
  const header = Buffer.alloc(12);
  header.writeUInt8(options.bridge === true ? AF_BRIDGE : AF_UNSPEC, 0);
  return { type: RTM_GETNEIGH, flags: 0, payload: header, operation: 'list neighbours' };
}

export function parseNeighbour({ payload }: NetlinkMessage): Neighbour {
  const attributes = readAttributes(payload, 12);
  const address = attributes.get(NDA_DST);
  const mac = attributes.get(NDA_LLADDR);
  const bridge =
    payload.readUInt8(0) === AF_BRIDGE &&
    (attributes.has(NDA_MASTER) || (payload.readUInt8(10) & NTF_SELF) === 0);
  return {
    index: payload.readInt32LE(4),
    permanent: (payload.readUInt16LE(8) & NUD_PERMANENT) !== 0,
    ...(bridge && { bridge }),
    ...(mac && { mac: formatMac(mac) }),
    ...(address && { address: addressText(address) }),
  };
}
