/** A client that writes its own bytes: for what HTTP libraries hide. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export interface Raw {
  socket: Socket;
  /** All received so far. */
  text(): string;
  /** Resolves with everything received once it contains `part`. */
  until(part: string): Promise<string>;
  /** Resolves with everything received when the server has ended its half. */
  ended(): Promise<string>;
}

/** Connects, sends `bytes` in one packet and collects what comes. */
export async function rawClient(path: string, bytes: string): Promise<Raw> {
  const socket = connect({ path, allowHalfOpen: true });
  await once(socket, 'connect');
  const chunks: Buffer[] = [];
  let ended = false;
  const text = (): string => Buffer.concat(chunks).toString('latin1');
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('end', () => {
    ended = true;
  });
  socket.on('error', () => {
    ended = true;
  });
  socket.write(bytes);
  const wait = async (done: () => boolean, what: string): Promise<string> => {
    const deadline = Date.now() + 5000;
    while (!done()) {
      if (Date.now() > deadline)
        throw new Error(`timed out waiting for ${what}; got ${JSON.stringify(text())}`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    return text();
  };
  return {
    socket,
    text,
    until: (part) => wait(() => text().includes(part), JSON.stringify(part)),
    ended: () => wait(() => ended, 'the end'),
  };
}

/** A request as bytes; a body gets its length and the JSON type. */
export function request(
  method: string,
  path: string,
  options: { body?: string; headers?: string[] } = {},
): string {
  const { body, headers = [] } = options;
  const length =
    body === undefined ? [] : ['Content-Type: application/json', `Content-Length: ${body.length}`];
  return [`${method} ${path} HTTP/1.1`, 'Host: d', ...headers, ...length, '', body ?? ''].join('\r\n');
}

export const UPGRADE: string[] = ['Connection: Upgrade', 'Upgrade: tcp'];

/** A whole exchange over a fresh connection. */
export async function exchange(
  path: string,
  bytes: string,
): Promise<{ status: number; head: string; body: string }> {
  const client = await rawClient(path, bytes.replace('Host: d', 'Host: d\r\nConnection: close'));
  const text = await client.ended();
  client.socket.destroy();
  const split = text.indexOf('\r\n\r\n');
  return {
    status: Number(text.slice(9, 12)),
    head: text.slice(0, split),
    body: text.slice(split + 4),
  };
}
