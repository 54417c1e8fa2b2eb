/** As much of DNS messages (RFC 1035) as a resolver for container names needs. */

export const DNS_TYPE = { A: 1, PTR: 12, AAAA: 28 } as const;
export const RCODE = {
  success: 0,
  formatError: 1,
  serverFailure: 2,
  nameError: 3,
  notImplemented: 4,
} as const;

const CLASS_INTERNET = 1;
const HEADER = 12;
const QR = 0x8000;
const AUTHORITATIVE = 0x0400;
const RECURSION_DESIRED = 0x0100;
const RECURSION_AVAILABLE = 0x0080;
const OPCODE = 0x7800;
const NAME_MAX = 255;

/** A query with one question. */
export interface DnsQuery {
  id: number;
  flags: number;
  /** Lower case, without the last dot. */
  name: string;
  type: number;
  /** The message from its header to the end of the question. */
  head: Buffer;
}

/** A record of an answer; its name is that of the question. */
export interface DnsRecord {
  type: number;
  data: Buffer;
}

/** Reads a query; undefined for what is none (a response, another opcode or class, malformed). */
export function parseQuery(message: Buffer): DnsQuery | undefined {
  if (message.length < HEADER + 5) return undefined;
  const flags = message.readUInt16BE(2);
  if ((flags & (QR | OPCODE)) !== 0 || message.readUInt16BE(4) !== 1) return undefined;
  const labels: string[] = [];
  let at = HEADER;
  for (;;) {
    const length = message[at];
    // Names of questions are never compressed: two high bits would be a pointer.
    if (length === undefined || length > 63 || at - HEADER > NAME_MAX) return undefined;
    at++;
    if (length === 0) break;
    labels.push(message.toString('latin1', at, at + length));
    at += length;
  }
  if (at + 4 > message.length || message.readUInt16BE(at + 2) !== CLASS_INTERNET) return undefined;
  return {
    id: message.readUInt16BE(0),
    flags,
    name: labels.join('.').toLowerCase(),
    type: message.readUInt16BE(at),
    head: message.subarray(0, at + 4),
  };
}

/** A response to `query` with `records` (seconds of `ttl`), which may be none. */
export function response(
  query: DnsQuery,
  rcode: number,
  records: readonly DnsRecord[] = [],
  ttl = 0,
): Buffer {
  const head = Buffer.from(query.head);
  const authoritative = rcode === RCODE.success ? AUTHORITATIVE : 0;
  head.writeUInt16BE(QR | authoritative | (query.flags & RECURSION_DESIRED) | RECURSION_AVAILABLE | rcode, 2);
  head.writeUInt16BE(records.length, 6);
  head.writeUInt32BE(0, 8);
  const answers = records.map(({ type, data }) => {
    const answer = Buffer.alloc(12 + data.length);
    answer.writeUInt16BE(0xc000 | HEADER, 0); // the question's name
    answer.writeUInt16BE(type, 2);
    answer.writeUInt16BE(CLASS_INTERNET, 4);
    answer.writeUInt32BE(ttl, 6);
    answer.writeUInt16BE(data.length, 10);
    data.copy(answer, 12);
    return answer;
  });
  return Buffer.concat([head, ...answers]);
}

/** A name in wire format. Labels longer than 63 bytes are cut: no such name can be asked for. */
export function encodeName(name: string): Buffer {
  const labels = name.split('.').filter((label) => label !== '');
  return Buffer.concat([
    ...labels.flatMap((label) => {
      const bytes = Buffer.from(label, 'latin1').subarray(0, 63);
      return [Uint8Array.of(bytes.length), bytes];
    }),
    Uint8Array.of(0),
  ]);
}

/** `2.0.17.172.in-addr.arpa` → `172.17.0.2`; undefined for other names. */
export function reversedAddress(name: string): string | undefined {
  const [, a, b, c, d] = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.in-addr\.arpa$/.exec(name) ?? [];
  return a === undefined ? undefined : `${d}.${c}.${b}.${a}`;
}
