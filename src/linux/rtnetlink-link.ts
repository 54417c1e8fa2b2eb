/** Links (network interfaces): requests to make and change them, and how the kernel describes them (man 7 rtnetlink). */

import { invalidParameter } from '../errdefs/index.ts';
import { libcFunction } from './libc.ts';
import { formatMac, NetlinkWriter, parseMac, readAttributes, textOf, u32Of } from './rtnetlink-message.ts';
import type { NetlinkMessage, NetlinkRequest } from './rtnetlink-socket.ts';

const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_GETLINK = 18;
const RTM_SETLINK = 19;
const NLM_F_EXCL = 0x200;
const NLM_F_CREATE = 0x400;

const AF_UNSPEC = 0;
const AF_BRIDGE = 7;
const IFF_UP = 0x1;

// linux/if_link.h
const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_LINK = 5;
const IFLA_MASTER = 10;
const IFLA_PROTINFO = 12;
const IFLA_LINKINFO = 18;
const IFLA_NET_NS_PID = 19;
const IFLA_IFALIAS = 20;
const IFLA_NET_NS_FD = 28;
const IFLA_LINK_NETNSID = 37;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const VETH_INFO_PEER = 1;
const IFLA_BRPORT = {
  hairpin: 4,
  guard: 5,
  learning: 8,
  unicastFlood: 9,
  isolated: 33,
} as const;

/** The longest name the kernel takes (IFNAMSIZ less the terminating NUL). */
const NAME_MAX = 15;

const ifNameToIndex = libcFunction<[string]>('unsigned int if_nametoindex(const char *name)');

/** An interface as the kernel lists it. */
export interface Link {
  index: number;
  name: string;
  up: boolean;
  /** `02:42:ac:11:00:02`; absent on links without one. */
  mac?: string;
  mtu: number;
  /** Index of the bridge it is a port of. */
  master?: number;
  /** Index of its peer (veth) or lower link; in another namespace when `peerElsewhere`. */
  peer?: number;
  peerElsewhere: boolean;
  /** `veth`, `bridge`, `dummy`, …; absent for hardware and lo. */
  kind?: string;
  alias?: string;
}

/** What can be set on a link, when it is made or later. */
export interface LinkAttributes {
  up?: boolean;
  mac?: string;
  mtu?: number;
  /** Index of the bridge it becomes a port of; 0 takes it out. */
  master?: number;
}

/** A namespace to put a link into: an open descriptor of it, or a process in it. */
export type NetnsTarget = { fd: number } | { pid: number };

/** struct ifinfomsg. */
function linkHeader(family: number, index: number, flags: number, change: number): Buffer {
  const header = Buffer.alloc(16);
  header.writeUInt8(family, 0);
  header.writeInt32LE(index, 4);
  header.writeUInt32LE(flags, 8);
  header.writeUInt32LE(change, 12);
  return header;
}

function checkName(name: string): string {
  if (
    name === '' ||
    name === '.' ||
    name === '..' ||
    Buffer.byteLength(name) > NAME_MAX ||
    /[/\s:\0]/.test(name)
  ) {
    throw invalidParameter(`invalid interface name: ${JSON.stringify(name)}`);
  }
  return name;
}

function writeAttributes(writer: NetlinkWriter, attributes: LinkAttributes): void {
  if (attributes.mac !== undefined) {
    const mac = parseMac(attributes.mac);
    if (mac === undefined) throw invalidParameter(`invalid MAC address: ${attributes.mac}`);
    writer.bytes(IFLA_ADDRESS, mac);
  }
  if (attributes.mtu !== undefined) writer.u32(IFLA_MTU, attributes.mtu);
  if (attributes.master !== undefined) writer.u32(IFLA_MASTER, attributes.master);
}

function writeNetns(writer: NetlinkWriter, target: NetnsTarget): void {
  if ('fd' in target) writer.u32(IFLA_NET_NS_FD, target.fd);
  else writer.u32(IFLA_NET_NS_PID, target.pid);
}

const upFlags = (up: boolean | undefined): [number, number] => [
  up === true ? IFF_UP : 0,
  up === undefined ? 0 : IFF_UP,
];

function newLink(
  kind: string,
  name: string,
  attributes: LinkAttributes,
  data?: (writer: NetlinkWriter) => void,
): NetlinkRequest {
  const writer = new NetlinkWriter().raw(linkHeader(AF_UNSPEC, 0, ...upFlags(attributes.up)));
  writer.string(IFLA_IFNAME, checkName(name));
  writeAttributes(writer, attributes);
  writer.nest(IFLA_LINKINFO, () => {
    writer.string(IFLA_INFO_KIND, kind);
    if (data !== undefined) writer.nest(IFLA_INFO_DATA, data);
  });
  return {
    type: RTM_NEWLINK,
    flags: NLM_F_CREATE | NLM_F_EXCL,
    payload: writer.finish(),
    operation: `create ${kind} ${name}`,
  };
}

/** Makes a bridge. Give it a MAC, or it takes that of its lowest port and changes it as ports come and go. */
export const newBridge = (name: string, attributes: LinkAttributes = {}): NetlinkRequest =>
  newLink('bridge', name, attributes);

/** Makes a dummy link: one that swallows what it is sent. */
export const newDummy = (name: string, attributes: LinkAttributes = {}): NetlinkRequest =>
  newLink('dummy', name, attributes);

/** The far end of a veth pair; `netns` puts it into another namespace from its first moment. */
export interface VethPeer extends LinkAttributes {
  name: string;
  netns?: NetnsTarget;
}

/** Makes a veth pair, both ends complete (up, mastered, named) in the one request. */
export function newVeth(name: string, peer: VethPeer, attributes: LinkAttributes = {}): NetlinkRequest {
  return newLink('veth', name, attributes, (writer) =>
    writer.nest(VETH_INFO_PEER, () => {
      writer.raw(linkHeader(AF_UNSPEC, 0, ...upFlags(peer.up)));
      writer.string(IFLA_IFNAME, checkName(peer.name));
      writeAttributes(writer, peer);
      if (peer.netns !== undefined) writeNetns(writer, peer.netns);
    }),
  );
}

/** Changes a link. A new `name` needs it to be down on old kernels; `netns` moves it away (and takes it down). */
export function setLink(
  index: number,
  changes: LinkAttributes & {
    name?: string;
    netns?: NetnsTarget;
    /** At most 256 bytes, for people: shown by `ip link`. */
    alias?: string;
  },
): NetlinkRequest {
  const writer = new NetlinkWriter().raw(linkHeader(AF_UNSPEC, index, ...upFlags(changes.up)));
  if (changes.name !== undefined) writer.string(IFLA_IFNAME, checkName(changes.name));
  writeAttributes(writer, changes);
  if (changes.alias !== undefined) writer.bytes(IFLA_IFALIAS, Buffer.from(changes.alias));
  if (changes.netns !== undefined) writeNetns(writer, changes.netns);
  return {
    type: RTM_NEWLINK,
    flags: 0,
    payload: writer.finish(),
    operation: `set link ${index} ${Object.keys(changes).join(' ')}`,
  };
}

/** Removes a link by index or name (a veth with its peer). */
export function deleteLink(link: number | string): NetlinkRequest {
  const writer = new NetlinkWriter().raw(linkHeader(AF_UNSPEC, typeof link === 'number' ? link : 0, 0, 0));
  if (typeof link === 'string') writer.string(IFLA_IFNAME, checkName(link));
  return { type: RTM_DELLINK, flags: 0, payload: writer.finish(), operation: `delete link ${link}` };
}

/** Attributes of a bridge's port (man 8 bridge): may frames go back where they came from (hairpin), … */
export type BridgePortAttributes = Partial<Record<keyof typeof IFLA_BRPORT, boolean>>;

/** Changes how a bridge treats its port `index`. */
export function setBridgePort(index: number, attributes: BridgePortAttributes): NetlinkRequest {
  const writer = new NetlinkWriter().raw(linkHeader(AF_BRIDGE, index, 0, 0));
  writer.nest(IFLA_PROTINFO, () => {
    for (const [key, type] of Object.entries(IFLA_BRPORT)) {
      const value = attributes[key as keyof typeof IFLA_BRPORT];
      if (value !== undefined) writer.u8(type, value ? 1 : 0);
    }
  });
  return {
    type: RTM_SETLINK,
    flags: 0,
    payload: writer.finish(),
    operation: `set bridge port ${index} ${Object.keys(attributes).join(' ')}`,
  };
}

/**
 * The index of the link `name` in the namespace this thread is in now, if there is one (man 3 if_nametoindex). Ten
 * times as fast as asking for all there is to know of it.
 */
export function linkIndex(name: string): number | undefined {
  return ifNameToIndex(checkName(name)) || undefined;
}

/** Asks for one link (by {@link NetlinkSocket.get}). */
export function getLink(link: number | string): NetlinkRequest {
  const writer = new NetlinkWriter().raw(linkHeader(AF_UNSPEC, typeof link === 'number' ? link : 0, 0, 0));
  if (typeof link === 'string') writer.string(IFLA_IFNAME, checkName(link));
  return { type: RTM_GETLINK, flags: 0, payload: writer.finish(), operation: `get link ${link}` };
}

/** Asks for all links (by {@link NetlinkSocket.dump}). */
export const getLinks = (): NetlinkRequest => ({
  type: RTM_GETLINK,
  flags: 0,
  payload: linkHeader(AF_UNSPEC, 0, 0, 0),
  operation: 'list links',
});

/** Reads an RTM_NEWLINK message. */
export function parseLink({ payload }: NetlinkMessage): Link {
  const attributes = readAttributes(payload, 16);
  const mac = attributes.get(IFLA_ADDRESS);
  const info = attributes.get(IFLA_LINKINFO);
  const optional = {
    mac: mac?.length === 6 ? formatMac(mac) : undefined,
    master: u32Of(attributes.get(IFLA_MASTER)),
    peer: u32Of(attributes.get(IFLA_LINK)),
    kind: info && textOf(readAttributes(info).get(IFLA_INFO_KIND)),
    alias: textOf(attributes.get(IFLA_IFALIAS)),
  };
  return {
    index: payload.readInt32LE(4),
    name: textOf(attributes.get(IFLA_IFNAME)) ?? '',
    up: (payload.readUInt32LE(8) & IFF_UP) !== 0,
    mtu: u32Of(attributes.get(IFLA_MTU)) ?? 0,
    peerElsewhere: attributes.has(IFLA_LINK_NETNSID),
    ...Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined)),
  };
}
