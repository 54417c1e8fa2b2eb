/** Forgetting tracked connections, by ctnetlink (linux/netfilter/nfnetlink_conntrack.h). */
import { isErrno } from './libc.ts';
import { NetlinkWriter, readAttributes } from './rtnetlink-message.ts';
import {
  NETLINK_NETFILTER,
  type NetlinkMessage,
  type NetlinkRequest,
  NetlinkSocket,
} from './rtnetlink-socket.ts';

const SUBSYSTEM = 1 << 8;
const CT_GET = SUBSYSTEM | 1;
const CT_DELETE = SUBSYSTEM | 2;
const AF_INET = 2;

const CTA_TUPLE_ORIG = 1;
const CTA_ID = 12;
const CTA_FILTER = 25;
const CTA_FILTER_ORIG_FLAGS = 1;
const CTA_TUPLE_IP = 1;
const CTA_TUPLE_PROTO = 2;
const CTA_IP_V4_DST = 2;
const CTA_PROTO_NUM = 1;
const CTA_PROTO_DST_PORT = 3;
/** Which parts of the original tuple must match: protocol and destination port. */
const MATCH_PROTO_AND_DST_PORT = (1 << 3) | (1 << 5);

const IPPROTO_UDP = 17;

/** struct nfgenmsg: family, version 0, resource 0. */
const header = (): Buffer => Buffer.from([AF_INET, 0, 0, 0]);

const portBytes = (port: number): Buffer => Buffer.from([port >> 8, port & 255]);

/**
 * Forgets the UDP "connections" sent to `port` (of `address` only, when it is given): what is known of a flow
 * decides where it goes, so a new rule about the port would not concern those that are flowing. Returns how many
 * there were; 0 also where the kernel cannot list them.
 */
export function forgetUdpFlows(port: number, address?: string): number {
  const socket = NetlinkSocket.open(NETLINK_NETFILTER);
  try {
    const wanted = address === undefined ? undefined : Buffer.from(address.split('.').map(Number));
    const flows = socket.dump(getFlows(port)).filter((flow) => {
      const { destination, destinationPort } = originalOf(flow);
      // Kernels before 5.8 ignore the filter and list everything.
      return destinationPort === port && (wanted === undefined || destination?.equals(wanted) === true);
    });
    for (const flow of flows) forget(socket, flow);
    return flows.length;
  } catch (err) {
    if (isErrno(err, 'EOPNOTSUPP', 'EPROTONOSUPPORT', 'EINVAL', 'ENOENT')) return 0;
    throw err;
  } finally {
    socket.close();
  }
}

function getFlows(port: number): NetlinkRequest {
  const writer = new NetlinkWriter().raw(header());
  writer.nest(CTA_TUPLE_ORIG, () =>
    writer.nest(CTA_TUPLE_PROTO, () => {
      writer.u8(CTA_PROTO_NUM, IPPROTO_UDP);
      writer.bytes(CTA_PROTO_DST_PORT, portBytes(port));
    }),
  );
  writer.nest(CTA_FILTER, () => writer.u32(CTA_FILTER_ORIG_FLAGS, MATCH_PROTO_AND_DST_PORT));
  return { type: CT_GET, flags: 0, payload: writer.finish(), operation: `list UDP flows to port ${port}` };
}

function originalOf(flow: NetlinkMessage): { destination?: Buffer; destinationPort?: number } {
  const tuple = readAttributes(readAttributes(flow.payload, 4).get(CTA_TUPLE_ORIG) ?? Buffer.alloc(0));
  const protocol = readAttributes(tuple.get(CTA_TUPLE_PROTO) ?? Buffer.alloc(0));
  if (protocol.get(CTA_PROTO_NUM)?.[0] !== IPPROTO_UDP) return {};
  const destination = readAttributes(tuple.get(CTA_TUPLE_IP) ?? Buffer.alloc(0)).get(CTA_IP_V4_DST);
  const port = protocol.get(CTA_PROTO_DST_PORT);
  return { ...(destination && { destination }), ...(port && { destinationPort: port.readUInt16BE(0) }) };
}

function forget(socket: NetlinkSocket, flow: NetlinkMessage): void {
  const attributes = readAttributes(flow.payload, 4);
  const writer = new NetlinkWriter().raw(header());
  for (const type of [CTA_TUPLE_ORIG, CTA_ID]) {
    const value = attributes.get(type);
    if (value) writer.bytes(type === CTA_TUPLE_ORIG ? type | 0x8000 : type, value);
  }
  try {
    socket.run({ type: CT_DELETE, flags: 0, payload: writer.finish(), operation: 'forget a UDP flow' });
  } catch (err) {
    // It ended by itself meanwhile.
    if (!isErrno(err, 'ENOENT')) throw err;
  }
}
