/**
 * Netlink's wire format (linux/netlink.h): a message is a 16-byte header, a fixed part that depends on its
 * type, and attributes (type, length, value), each padded to four bytes. Numbers are in host byte order, which
 * on the machines we run on (x86-64, arm64) is little endian.
 */

/** Flag of an attribute that holds attributes. */
const NLA_F_NESTED = 0x8000;
const NLA_TYPE_MASK = 0x3fff;

const align = (length: number): number => (length + 3) & ~3;

/** Builds a message's payload: its fixed part, then attributes. */
export class NetlinkWriter {
  #buffer = Buffer.alloc(256);
  #length = 0;

  #reserve(bytes: number): number {
    const at = this.#length;
    const end = at + align(bytes);
    if (end > this.#buffer.length) {
      const grown = Buffer.alloc(Math.max(end, this.#buffer.length * 2));
      this.#buffer.copy(grown, 0, 0, at);
      this.#buffer = grown;
    }
    this.#length = end;
    return at;
  }

  /** Appends raw bytes, padded to four. */
  raw(bytes: Uint8Array): this {
    this.#buffer.set(bytes, this.#reserve(bytes.length));
    return this;
  }

  /** An attribute with the bytes of `value`. */
  bytes(type: number, value: Uint8Array): this {
    const at = this.#reserve(4 + value.length);
    this.#buffer.writeUInt16LE(4 + value.length, at);
    this.#buffer.writeUInt16LE(type, at + 2);
    this.#buffer.set(value, at + 4);
    return this;
  }

  u8(type: number, value: number): this {
    return this.bytes(type, Uint8Array.of(value));
  }

  u16(type: number, value: number): this {
    return this.bytes(type, Uint8Array.of(value & 0xff, value >> 8));
  }

  u32(type: number, value: number): this {
    const at = this.#reserve(8);
    this.#buffer.writeUInt16LE(8, at);
    this.#buffer.writeUInt16LE(type, at + 2);
    this.#buffer.writeUInt32LE(value >>> 0, at + 4);
    return this;
  }

  /** A NUL-terminated string. */
  string(type: number, value: string): this {
    return this.bytes(type, Buffer.from(`${value}\0`));
  }

  /** An attribute that holds what `fill` appends. */
  nest(type: number, fill: (writer: this) => void): this {
    const at = this.#reserve(4);
    fill(this);
    this.#buffer.writeUInt16LE(this.#length - at, at);
    this.#buffer.writeUInt16LE(type | NLA_F_NESTED, at + 2);
    return this;
  }

  finish(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }
}

/** The attributes of a message, by type. Values are views into the message. Of repeated types the last one counts. */
export type Attributes = ReadonlyMap<number, Buffer>;

/** Reads the attributes in `buffer` from `offset`; stops at the first that does not fit. */
export function readAttributes(buffer: Buffer, offset = 0): Attributes {
  const attributes = new Map<number, Buffer>();
  for (let at = offset; at + 4 <= buffer.length; ) {
    const length = buffer.readUInt16LE(at);
    if (length < 4 || at + length > buffer.length) break;
    attributes.set(buffer.readUInt16LE(at + 2) & NLA_TYPE_MASK, buffer.subarray(at + 4, at + length));
    at += align(length);
  }
  return attributes;
}

/** The text of a NUL-terminated attribute. */
export function textOf(value: Buffer | undefined): string | undefined {
  if (value === undefined) return undefined;
  const end = value.indexOf(0);
  return value.toString('utf8', 0, end === -1 ? value.length : end);
}

/** The number in a 32-bit attribute. */
export function u32Of(value: Buffer | undefined): number | undefined {
  return value !== undefined && value.length >= 4 ? value.readUInt32LE(0) : undefined;
}

/** `02:42:ac:11:00:02` ↔ six bytes. */
export const formatMac = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':');

/** The six bytes of a MAC address; undefined when `text` is none. */
export function parseMac(text: string): Buffer | undefined {
  return /^[0-9a-f]{2}([:-][0-9a-f]{2}){5}$/i.test(text)
    ? Buffer.from(text.replace(/[:-]/g, ''), 'hex')
    : undefined;
}
