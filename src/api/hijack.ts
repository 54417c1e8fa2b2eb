/**
 * Hijacked connections: attach, exec, session. Clients ask with `Connection: Upgrade` and `Upgrade: tcp`
 * (answered 101) or without (200); either way the connection is a raw byte stream afterwards, each half
 * closing on its own. Bytes the client sends right behind its request belong to that stream.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { cancelled } from '../errdefs/index.ts';
import { drain } from './body.ts';

export const RAW_STREAM = 'application/vnd.docker.raw-stream';
export const MULTIPLEXED_STREAM = 'application/vnd.docker.multiplexed-stream';

/** A connection Node took out of its HTTP parser, with what it had read behind the request. */
export interface Connection {
  readonly stream: Duplex;
  readonly head: Buffer;
}

/** How long a client may keep its sending half open after we have sent everything. */
const LINGER_MS = 10_000;

/** What the head of a hijacked answer says. */
export interface HijackHead {
  contentType?: string;
  /** The protocol the connection changes to: `tcp`, or `h2c` for sessions. */
  protocol: string;
}

/** Sends the head of a hijacked answer and returns the raw connection. */
export async function openConnection(
  req: IncomingMessage,
  res: ServerResponse,
  upgraded: Connection | undefined,
  head: HijackHead,
): Promise<Duplex> {
  // Taken now: Node takes it away once the connection is gone.
  const { socket } = req;
  // What is left of the body is not stdin.
  await drain(req);
  if (!upgraded) {
    const stream = takeOver(socket, res);
    stream.write(`HTTP/1.1 200 OK\r\nContent-Type: ${RAW_STREAM}\r\n\r\n`);
    return stream;
  }
  const { stream } = upgraded;
  res.detachSocket(stream as Socket);
  const lines = [
    'HTTP/1.1 101 UPGRADED',
    ...(head.contentType === undefined ? [] : [`Content-Type: ${head.contentType}`]),
    'Connection: Upgrade',
    `Upgrade: ${head.protocol}`,
    ...Object.entries(res.getHeaders()).map(([name, value]) => `${name}: ${value}`),
  ];
  stream.write(`${lines.join('\r\n')}\r\n\r\n`);
  if (upgraded.head.length > 0) stream.unshift(upgraded.head);
  return stream;
}

/**
 * Takes a connection away from Node's HTTP server after a request without `Upgrade`. Node has no public
 * call for it: its listeners are removed, and adding a `data` listener makes it give the handle back.
 * Its `close` listener stays, which frees the parser.
 */
function takeOver(socket: Socket, res: ServerResponse): Duplex {
  if (socket.destroyed) throw cancelled('the client is gone');
  res.detachSocket(socket);
  for (const event of ['data', 'end', 'drain', 'error', 'timeout']) socket.removeAllListeners(event);
  socket.setTimeout(0);
  return socket;
}

/**
 * Ends our half, reads on for the client's end (unread bytes would make it a reset), and closes the
 * connection for good when the client takes too long.
 */
export function finishConnection(connection: Duplex): void {
  connection.resume();
  if (connection.writableEnded || connection.destroyed) return;
  connection.end();
  const linger = setTimeout(() => connection.destroy(), LINGER_MS).unref();
  connection.once('close', () => clearTimeout(linger));
}

/** A session whose process can serve the client's connection without us. */
export interface DirectSession extends Duplex {
  /**
   * Takes the connection away, if it can: true. The session is closed when nothing of it is left here; the
   * connection goes on between the client and the other process.
   */
  handOver(connection: Duplex): boolean;
}

function isDirect(session: Duplex): session is DirectSession {
  return 'handOver' in session && typeof session.handOver === 'function';
}

const HANGUP_POLL_MS = 1000;

export interface JoinOptions {
  /** The session takes input. */
  stdin: boolean;
  /** Asked every second after the client's half-close, since Node no longer sees it leave then. */
  hungUp: (() => boolean) | undefined;
}

/**
 * Joins a hijacked connection with a session until both are done. The client's half-close ends the
 * session's stdin when it has `stdin`; the session's end closes our half and gives the client a while to
 * close its own. A client that is gone destroys the session; a session that breaks closes the connection.
 */
export function join(connection: Duplex, session: Duplex, options: JoinOptions): Promise<void> {
  if (isDirect(session) && session.handOver(connection)) {
    return new Promise((resolve) => session.once('close', resolve));
  }
  return new Promise((resolve) => {
    let watch: NodeJS.Timeout | undefined;
    const finish = (): void => {
      connection.unpipe(session);
      finishConnection(connection);
    };
    connection.on('error', () => connection.destroy());
    connection.on('close', () => {
      clearInterval(watch);
      session.destroy();
      resolve();
    });
    session.on('error', finish);
    session.on('close', finish);
    session.on('end', finish);
    // The default of pipe() ends the other side, which is the half-close both ways.
    if (options.stdin) connection.pipe(session);
    else connection.resume();
    const { hungUp } = options;
    if (hungUp) {
      connection.once('end', () => {
        watch = setInterval(() => hungUp() && connection.destroy(), HANGUP_POLL_MS).unref();
      });
    }
    session.pipe(connection);
    if (session.destroyed) finish();
    if (connection.destroyed) session.destroy();
  });
}
