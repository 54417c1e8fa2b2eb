/**
 * The server side of RFC 6455, as little as `attach/ws` needs: the handshake, data frames in both
 * directions, ping and close. No extensions, no subprotocols. Payloads are passed on as they come, so
 * a frame of any size costs no memory.
 */
import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { Duplex } from 'node:stream';
import { invalidParameter } from '../errdefs/index.ts';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** The 101 answer to a handshake. Throws InvalidParameter when it is not one. */
export function handshakeAnswer(headers: IncomingHttpHeaders): string {
  const key = headers['sec-websocket-key'];
  if (headers.upgrade?.toLowerCase() !== 'websocket' || typeof key !== 'string') {
    throw invalidParameter('bad websocket handshake: not a websocket upgrade');
  }
  if (headers['sec-websocket-version'] !== '13') {
    throw invalidParameter('bad websocket handshake: unsupported version');
  }
  const accept = createHash('sha1').update(`${key}${GUID}`).digest('base64');
  return `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`;
}

/** A frame head: unmasked, final, as servers send it. */
function frameHead(opcode: number, length: number): Buffer {
  if (length < 126) return Buffer.from([0x80 | opcode, length]);
  if (length < 65536) {
    const head = Buffer.from([0x80 | opcode, 126, 0, 0]);
    head.writeUInt16BE(length, 2);
    return head;
  }
  const head = Buffer.alloc(10);
  head[0] = 0x80 | opcode;
  head[1] = 127;
  head.writeBigUInt64BE(BigInt(length), 2);
  return head;
}

/** The frame being received. */
interface Frame {
  opcode: number;
  mask: Buffer;
  /** Payload bytes still to come, and how many have come (the mask goes on across chunks). */
  left: number;
  taken: number;
  /** Payload of a control frame, which is short and needed whole. */
  control: Buffer[];
}

/**
 * A WebSocket connection as a plain duplex of its payload bytes. `binary` chooses the kind of frame sent
 * (API < 1.28 sent text). Ending the writable half sends a close frame.
 */
export class WebSocketStream extends Duplex {
  readonly #connection: Duplex;
  readonly #opcode: number;
  #buffer: Buffer = Buffer.alloc(0);
  #frame: Frame | undefined;
  #closeSent = false;

  constructor(connection: Duplex, options: { binary: boolean }) {
    super({ allowHalfOpen: true });
    this.#connection = connection;
    this.#opcode = options.binary ? OPCODE.binary : OPCODE.text;
    connection.on('data', (chunk: Buffer) => this.#receive(chunk));
    connection.on('end', () => this.push(null));
    connection.on('error', (err) => this.destroy(err));
    connection.on('close', () => this.destroy());
  }

  override _read(): void {
    this.#connection.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (err?: Error | null) => void): void {
    this.#connection.cork();
    this.#connection.write(frameHead(this.#opcode, chunk.length));
    this.#connection.write(chunk, callback);
    this.#connection.uncork();
  }

  override _final(callback: (err?: Error | null) => void): void {
    this.#sendClose(Buffer.from([0x03, 0xe8]));
    this.#connection.end(() => callback());
  }

  override _destroy(err: Error | null, callback: (err: Error | null) => void): void {
    this.#connection.destroy();
    callback(err);
  }

  #sendClose(payload: Buffer): void {
    if (this.#closeSent || !this.#connection.writable) return;
    this.#closeSent = true;
    this.#connection.write(Buffer.concat([frameHead(OPCODE.close, payload.length), payload]));
  }

  #receive(chunk: Buffer): void {
    this.#buffer = this.#buffer.length === 0 ? chunk : Buffer.concat([this.#buffer, chunk]);
    try {
      while (this.#step()) {
        // one step: a head, or what there is of a payload
      }
    } catch (err) {
      this.#sendClose(Buffer.from([0x03, 0xea]));
      this.destroy(err as Error);
    }
  }

  #step(): boolean {
    if (!this.#frame) {
      this.#frame = this.#parseHead();
      if (!this.#frame) return false;
    }
    const frame = this.#frame;
    const part = this.#buffer.subarray(0, frame.left);
    if (part.length === 0 && frame.left > 0) return false;
    this.#buffer = this.#buffer.subarray(part.length);
    const payload = Buffer.alloc(part.length);
    for (let i = 0; i < part.length; i++) {
      payload[i] = (part[i] as number) ^ (frame.mask[(frame.taken + i) & 3] as number);
    }
    frame.taken += part.length;
    frame.left -= part.length;
    if (frame.opcode >= 8) frame.control.push(payload);
    else if (payload.length > 0 && !this.push(payload)) this.#connection.pause();
    if (frame.left === 0) {
      this.#frame = undefined;
      if (frame.opcode >= 8) this.#control(frame.opcode, Buffer.concat(frame.control));
    }
    return this.#buffer.length > 0;
  }

  #parseHead(): Frame | undefined {
    const b = this.#buffer;
    if (b.length < 2) return undefined;
    const [first, second] = [b[0] as number, b[1] as number];
    const opcode = first & 0x0f;
    const short = second & 0x7f;
    if ((first & 0x70) !== 0) throw new Error('websocket: reserved bits set');
    if ((second & 0x80) === 0) throw new Error('websocket: client frame without mask');
    if (opcode >= 8 && (short > 125 || (first & 0x80) === 0)) throw new Error('websocket: bad control frame');
    const extra = short === 126 ? 2 : short === 127 ? 8 : 0;
    const size = 2 + extra + 4;
    if (b.length < size) return undefined;
    const length = extra === 2 ? b.readUInt16BE(2) : extra === 8 ? Number(b.readBigUInt64BE(2)) : short;
    if (!Number.isSafeInteger(length)) throw new Error('websocket: frame too large');
    this.#buffer = b.subarray(size);
    return { opcode, mask: Buffer.from(b.subarray(size - 4, size)), left: length, taken: 0, control: [] };
  }

  #control(opcode: number, payload: Buffer): void {
    if (opcode === OPCODE.ping) {
      if (this.#connection.writable) {
        this.#connection.write(Buffer.concat([frameHead(OPCODE.pong, payload.length), payload]));
      }
    } else if (opcode === OPCODE.close) {
      this.#sendClose(payload.subarray(0, 2));
      this.push(null);
    }
  }
}
