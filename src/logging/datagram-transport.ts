/** Messages in datagrams: over UDP, or to a unix datagram socket of this machine. */
import { createSocket, type Socket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { closeFd, connectUnixDatagram, isErrno, sendDatagram } from '../linux/index.ts';
import { dialError } from './stream-connection.ts';

export interface MessageTransport {
  readonly usable: boolean;
  /** Sends one datagram each. @throws Error */
  send(packets: readonly Buffer[]): Promise<void>;
  close(): void;
}

/** How long a receiver on this machine may leave its socket full. */
const PATIENCE_MS = 30_000;
const LOOK_MS = 5;

/** To a unix datagram socket: nothing is lost on the way, a receiver that is behind is waited for. */
export class DatagramTransport implements MessageTransport {
  #fd: number | undefined;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** @throws Error in Go's words */
  static open(path: string): DatagramTransport {
    try {
      return new DatagramTransport(connectUnixDatagram(path));
    } catch (err) {
      throw dialError(err, 'unixgram', path);
    }
  }

  get usable(): boolean {
    return this.#fd !== undefined;
  }

  async send(packets: readonly Buffer[]): Promise<void> {
    for (const packet of packets) await this.#send(packet);
  }

  async #send(packet: Buffer): Promise<void> {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      if (this.#fd === undefined) throw new Error('the socket was closed');
      try {
        if (sendDatagram(this.#fd, packet)) return;
      } catch (err) {
        // No receiver takes a message of this size: the others are not to wait for it.
        if (isErrno(err, 'EMSGSIZE')) return;
        throw err;
      }
      if (Date.now() > deadline) throw new Error('write: i/o timeout');
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  close(): void {
    if (this.#fd !== undefined) closeFd(this.#fd);
    this.#fd = undefined;
  }
}

/** Over UDP: what is sent may be lost, and nobody is told. */
export class UdpTransport implements MessageTransport {
  readonly #socket: Socket;
  #open = true;

  private constructor(socket: Socket) {
    this.#socket = socket;
    // ICMP's "port unreachable" comes this way; UDP makes no promise that this would break.
    socket.on('error', () => {});
    socket.unref();
  }

  /** @throws Error in Go's words when the name does not resolve */
  static async open(host: string, port: number): Promise<UdpTransport> {
    try {
      const { address, family } = await lookup(host);
      const socket = createSocket(family === 6 ? 'udp6' : 'udp4');
      const transport = new UdpTransport(socket);
      await new Promise<void>((resolve, reject) => {
        socket.connect(port, address, (err?: Error | null) => (err ? reject(err) : resolve()));
      });
      return transport;
    } catch (err) {
      throw dialError(err, 'udp', `${host}:${port}`, host);
    }
  }

  get usable(): boolean {
    return this.#open;
  }

  async send(packets: readonly Buffer[]): Promise<void> {
    for (const packet of packets) {
      if (!this.#open) throw new Error('the socket was closed');
      await new Promise<void>((resolve) => this.#socket.send(packet, () => resolve()));
    }
  }

  close(): void {
    if (this.#open) this.#socket.close();
    this.#open = false;
  }
}
