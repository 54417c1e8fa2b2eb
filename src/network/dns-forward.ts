/** Asking the real nameservers, from the host's network namespace. */
import { createSocket } from 'node:dgram';
import { connect, isIP } from 'node:net';

/** As Docker's: how long one server may take, and how many are tried. */
const SERVER_TIMEOUT_MS = 4000;
const SERVERS_MAX = 3;

const PORT = 53;

/** Asks `servers` one after the other. Undefined when none of them answers. */
export async function forward(
  message: Buffer,
  servers: readonly string[],
  protocol: 'udp' | 'tcp',
): Promise<Buffer | undefined> {
  for (const server of servers.filter((s) => isIP(s) !== 0).slice(0, SERVERS_MAX)) {
    try {
      return await (protocol === 'udp' ? askUdp(message, server) : askTcp(message, server));
    } catch {
      // Silent or unreachable: the next one.
    }
  }
  return undefined;
}

/** A socket of its own per query: with a random port, so that answers cannot be forged by guessing. */
function askUdp(message: Buffer, server: string): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const socket = createSocket(isIP(server) === 6 ? 'udp6' : 'udp4');
  const timer = setTimeout(() => reject(new Error('timed out')), SERVER_TIMEOUT_MS);
  socket.on('error', reject);
  socket.on('message', (answer) => {
    if (answer.length >= 12 && answer.readUInt16BE(0) === message.readUInt16BE(0)) resolve(answer);
  });
  // By the event, not a callback: that one would be called for failures as well.
  socket.on('connect', () => socket.send(message, (err) => err && reject(err)));
  socket.connect(PORT, server);
  return promise.finally(() => {
    clearTimeout(timer);
    socket.close();
  });
}

/** Over TCP a message is preceded by its length (RFC 1035 4.2.2). */
function askTcp(message: Buffer, server: string): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const socket = connect(PORT, server);
  let received = Buffer.alloc(0);
  socket.setTimeout(SERVER_TIMEOUT_MS, () => reject(new Error('timed out')));
  socket.on('error', reject);
  socket.on('close', () => reject(new Error('closed')));
  socket.on('connect', () => socket.write(framed(message)));
  socket.on('data', (data: Buffer) => {
    received = Buffer.concat([received, data]);
    if (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
      resolve(received.subarray(2, 2 + received.readUInt16BE(0)));
    }
  });
  return promise.finally(() => socket.destroy());
}

/** A message as it goes over TCP. */
export function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}
