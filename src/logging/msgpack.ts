/** As much of MessagePack (msgpack.org/spec) as fluentd's forward protocol takes: strings, numbers, maps, lists, event times. */

/** Bytes of a string, which need not be UTF-8. */
export type PackedString = string | Buffer;

/** Writes values one behind the other. */
export class MessagePacker {
  readonly #parts: Buffer[] = [];

  list(length: number): this {
    return this.#sized(length, 0x90, 15, 0xdc, 0xdd);
  }

  map(length: number): this {
    return this.#sized(length, 0x80, 15, 0xde, 0xdf);
  }

  string(value: PackedString): this {
    const bytes = typeof value === 'string' ? Buffer.from(value) : value;
    if (bytes.length > 31 && bytes.length < 256) this.#parts.push(Buffer.from([0xd9, bytes.length]));
    else this.#sized(bytes.length, 0xa0, 31, 0xda, 0xdb);
    this.#parts.push(bytes);
    return this;
  }

  /** @param value 0 to 2³² - 1 */
  integer(value: number): this {
    if (value < 128) this.#parts.push(Buffer.from([value]));
    else {
      const bytes = Buffer.alloc(5);
      bytes[0] = 0xce;
      bytes.writeUInt32BE(value, 1);
      this.#parts.push(bytes);
    }
    return this;
  }

  /** fluentd's EventTime: extension type 0, seconds and nanoseconds. */
  eventTime(seconds: number, nanoseconds: number): this {
    const bytes = Buffer.alloc(10);
    bytes[0] = 0xd7;
    bytes.writeUInt32BE(seconds, 2);
    bytes.writeUInt32BE(nanoseconds, 6);
    this.#parts.push(bytes);
    return this;
  }

  #sized(length: number, fix: number, most: number, small: number, large: number): this {
    if (length <= most) {
      this.#parts.push(Buffer.from([fix | length]));
    } else if (length < 0x10000) {
      this.#parts.push(Buffer.from([small, length >> 8, length & 0xff]));
    } else {
      const bytes = Buffer.alloc(5);
      bytes[0] = large;
      bytes.writeUInt32BE(length, 1);
      this.#parts.push(bytes);
    }
    return this;
  }

  finish(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

/**
 * Reads fluentd's acknowledgement, a map `{"ack": chunk}`, at the start of `bytes`.
 * @returns the chunk; undefined when it is not whole yet @throws Error when it is something else
 */
export function readAck(bytes: Buffer): string | undefined {
  if (bytes.length === 0) return undefined;
  if (bytes[0] !== 0x81) throw new Error('the server has not answered with an acknowledgement');
  const key = readString(bytes, 1);
  if (key === undefined) return undefined;
  const value = readString(bytes, key.end);
  if (value === undefined) return undefined;
  if (key.text !== 'ack') throw new Error('the server has not answered with an acknowledgement');
  return value.text;
}

function readString(bytes: Buffer, at: number): { text: string; end: number } | undefined {
  const type = bytes[at];
  if (type === undefined) return undefined;
  const [start, length] =
    type >= 0xa0 && type <= 0xbf
      ? [at + 1, type & 31]
      : type === 0xd9 || type === 0xc4
        ? [at + 2, bytes[at + 1] ?? Number.POSITIVE_INFINITY]
        : type === 0xda || type === 0xc5
          ? [at + 3, at + 2 < bytes.length ? bytes.readUInt16BE(at + 1) : Number.POSITIVE_INFINITY]
          : [-1, 0];
  if (start === -1) throw new Error('the server has not answered with an acknowledgement');
  if (start + length > bytes.length) return undefined;
  return { text: bytes.toString('utf8', start, start + length), end: start + length };
}
