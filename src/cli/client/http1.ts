/**
 * HTTP/1.1 for one daemon, one connection per request.
 *
 * Why not node:http: loading it costs 6 ms, a quarter of what a short command takes in all, and what the
 * Engine API asks beyond the plain (hijacked connections, half-close, streamed bodies both ways) is easier on
 * the socket itself. RFC 9112.
 */
import { connect, type Socket } from 'node:net';
import { CliError } from '../errors.ts';
import { BodyReader } from './body.ts';
import type { Endpoint } from './endpoint.ts';

/** A request as it goes on the wire. */
export interface WireRequest {
  method: string;
  /** Path with query, already encoded. */
  path: string;
  headers?: Readonly<Record<string, string>>;
  /** A string or buffer is sent with its length, a stream in chunks. */
  body?: string | Buffer | AsyncIterable<Buffer>;
  signal?: AbortSignal;
}

/** An answer: the head, and the socket that carries the body (or, hijacked, the raw stream). */
export interface WireResponse {
  status: number;
  reason: string;
  /** Header names in lower case; a repeated header is joined by a comma. */
  headers: Readonly<Record<string, string>>;
  /** Bytes that came with the head. */
  rest: Buffer;
  socket: Socket;
  /** Reads the body as framed by the head. Not for hijacked connections. */
  body(): BodyReader;
}

const MAX_HEAD = 1 << 20;

/** Opens a connection to the daemon. @throws CliError that says how to go on */
export async function dial(endpoint: Endpoint, signal?: AbortSignal): Promise<Socket> {
  const socket =
    endpoint.kind === 'unix'
      ? connect({ path: endpoint.path, allowHalfOpen: true })
      : endpoint.tls
        ? await (await import('./tls.ts')).dialTls(endpoint.host, endpoint.port, endpoint.tls)
        : connect({ host: endpoint.host, port: endpoint.port, allowHalfOpen: true });
  const ready = endpoint.kind === 'tcp' && endpoint.tls ? 'secureConnect' : 'connect';
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      socket.destroy();
      reject(signal?.reason);
    };
    if (signal?.aborted) return abort();
    signal?.addEventListener('abort', abort, { once: true });
    socket.once('error', (err) => reject(connectError(endpoint, err)));
    socket.once(ready, () => {
      socket.removeAllListeners('error');
      socket.on('error', () => {}); // later errors reach the reader of the body by 'close'
      signal?.removeEventListener('abort', abort);
      signal?.addEventListener('abort', () => socket.destroy(), { once: true });
      resolve(socket);
    });
  });
}

function connectError(endpoint: Endpoint, err: NodeJS.ErrnoException): CliError {
  if (err.code === 'EACCES' || err.code === 'EPERM') {
    return new CliError(
      `permission denied while trying to connect to the Wharf daemon at ${endpoint.display}`,
      {
        hint: 'run as root, or as a member of the group that owns the socket',
        cause: err,
      },
    );
  }
  const certificate = /CERT|SELF_SIGNED|UNABLE_TO|ERR_TLS|EPROTO/.test(err.code ?? '');
  if (certificate) {
    return new CliError(`error during connect to ${endpoint.display}: ${err.message}`, {
      hint: 'check --tlscacert, --tlscert and --tlskey (or DOCKER_CERT_PATH)',
      cause: err,
    });
  }
  return new CliError(`Cannot connect to the Wharf daemon at ${endpoint.display}. Is wharfd running?`, {
    cause: err,
  });
}

/** Sends a request and waits for the head of the answer. */
export async function send(endpoint: Endpoint, request: WireRequest): Promise<WireResponse> {
  const socket = await dial(endpoint, request.signal);
  const { body } = request;
  const fixed = typeof body === 'string' || Buffer.isBuffer(body);
  const headers: Record<string, string> = {
    Host: endpoint.kind === 'tcp' ? `${endpoint.host}:${endpoint.port}` : 'api.moby.localhost',
    ...request.headers,
  };
  if (fixed) headers['Content-Length'] = String(Buffer.byteLength(body));
  else if (body) headers['Transfer-Encoding'] = 'chunked';
  else if (request.method !== 'GET' && request.method !== 'HEAD') headers['Content-Length'] = '0';
  if (!headers.Connection) headers.Connection = 'close';
  const prefix = endpoint.kind === 'tcp' ? endpoint.prefix : '';
  let head = `${request.method} ${prefix}${request.path} HTTP/1.1\r\n`;
  for (const [name, value] of Object.entries(headers)) head += `${name}: ${value.replace(/[\r\n]/g, '')}\r\n`;
  head += '\r\n';
  const answer = readHead(socket, endpoint, request);
  if (fixed && typeof body === 'string') socket.write(head + body);
  else {
    socket.write(head);
    if (fixed) socket.write(body as Buffer);
    else if (body) {
      // The daemon may answer (an error, or progress) before it has read the whole body.
      sendChunks(socket, body).catch((err: unknown) => socket.destroy(err as Error));
    }
  }
  return answer;
}

async function sendChunks(socket: Socket, body: AsyncIterable<Buffer>): Promise<void> {
  for await (const chunk of body) {
    if (chunk.length === 0) continue;
    if (socket.destroyed) return;
    socket.cork();
    socket.write(`${chunk.length.toString(16)}\r\n`);
    socket.write(chunk);
    const roomy = socket.write('\r\n');
    socket.uncork();
    if (!roomy) await drained(socket);
  }
  if (!socket.destroyed) socket.write('0\r\n\r\n');
}

const drained = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      socket.off('drain', done);
      socket.off('close', done);
      resolve();
    };
    socket.once('drain', done);
    socket.once('close', done);
  });

function readHead(socket: Socket, endpoint: Endpoint, request: WireRequest): Promise<WireResponse> {
  return new Promise((resolve, reject) => {
    let seen: Buffer = Buffer.alloc(0);
    const fail = (message: string): void => {
      stop();
      socket.destroy();
      reject(
        request.signal?.aborted ? request.signal.reason : new CliError(`error during connect: ${message}`),
      );
    };
    const onData = (chunk: Buffer): void => {
      seen = seen.length ? Buffer.concat([seen, chunk]) : chunk;
      for (;;) {
        const end = seen.indexOf('\r\n\r\n');
        if (end < 0) {
          if (seen.length > MAX_HEAD) fail('the answer has an endless head');
          return;
        }
        const parsed = parseHead(seen.toString('latin1', 0, end));
        const rest = seen.subarray(end + 4);
        if (!parsed) {
          const plain = seen.toString('latin1', 0, Math.min(end, 80));
          fail(`${endpoint.display} does not speak HTTP: ${JSON.stringify(plain)}`);
          return;
        }
        if (parsed.status < 200 && parsed.status !== 101) {
          seen = rest; // 100 Continue, 102 Processing
          continue;
        }
        stop();
        socket.pause();
        const method = request.method;
        resolve({ ...parsed, rest, socket, body: () => new BodyReader(socket, parsed, rest, method) });
        return;
      }
    };
    const onClose = (): void => fail(`${endpoint.display} closed the connection without an answer`);
    const stop = (): void => {
      socket.off('data', onData);
      socket.off('end', onClose);
      socket.off('close', onClose);
    };
    socket.on('data', onData);
    socket.on('end', onClose);
    socket.on('close', onClose);
  });
}

/** A response's status line and headers. */
export interface ResponseHead {
  status: number;
  reason: string;
  headers: Readonly<Record<string, string>>;
}

/** Parses a head (without its closing blank line); undefined when it is none. */
export function parseHead(text: string): ResponseHead | undefined {
  const lines = text.split('\r\n');
  const first = /^HTTP\/1\.[01] (\d{3})(?: (.*))?$/.exec(lines[0] ?? '');
  if (!first) return undefined;
  const headers: Record<string, string> = {};
  for (const line of lines.slice(1)) {
    const colon = line.indexOf(':');
    if (colon <= 0) return undefined;
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    headers[name] = name in headers ? `${headers[name]}, ${value}` : value;
  }
  return { status: Number(first[1]), reason: first[2] ?? '', headers };
}
