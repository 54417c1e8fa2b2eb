/**
 * The API server. It speaks HTTP/1.1 by Node's own parser and routes by our table; a framework on top
 * (Fastify was measured: 21 MB resident, 50 to 100 ms at start, nothing gained per request) would only
 * stand between us and the connection, which attach and exec take over anyway.
 *
 *   const server = createApiServer(backends, { version, log });
 *   await server.listenUnix('/run/wharf/wharf.sock', { group: 'docker' });
 *   await server.close();
 */
import { createServer, type RequestListener, type Server, ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { cancelled, conflict } from '../errdefs/index.ts';
import type { Backends } from './backends.ts';
import { type ApiLog, createDispatcher } from './dispatch.ts';
import { finishConnection } from './hijack.ts';
import { listen, listenUnix, type UnixOptions } from './listen.ts';
import { createRouter } from './router.ts';
import { allRoutes } from './routes/index.ts';

export interface ApiServerOptions {
  /** The engine's version, for the `Server` header. */
  version: string;
  log?: ApiLog;
  /** The builder `/_ping` recommends: `1` classic (default), `2` BuildKit. */
  builderVersion?: '1' | '2';
  /**
   * True when the peer of a socket has closed both halves (poll(2): POLLHUP). Node cannot tell once the
   * peer has half-closed; with this, an attach whose client dies then is let go within a second.
   */
  isHungUp?: (fd: number) => boolean;
}

/** PEM texts; with `ca` clients must show a certificate signed by it (mutual TLS). */
export interface TlsOptions {
  key: string | Buffer;
  cert: string | Buffer;
  ca?: string | Buffer;
}

export interface ApiServer {
  /** Serves on a unix socket. Throws Conflict when another daemon does. */
  listenUnix(path: string, options?: UnixOptions): Promise<void>;
  /** Serves on TCP; port 0 picks one. Returns the address. */
  listenTcp(where: { host: string; port: number; tls?: TlsOptions }): Promise<AddressInfo>;
  /** Serves on a listening descriptor that a supervisor handed over. */
  listenFd(fd: number): Promise<void>;
  /** From now on only questions are answered; what would change something gets 503. What is under way goes on. */
  refuseChanges(): void;
  /**
   * Stops listening and ends what has no end of its own (attach, logs, events, waits, pulls). Other requests
   * under way may finish for `graceMs` (default 3000), then they are cut off.
   */
  close(graceMs?: number): Promise<void>;
}

const SILENT: ApiLog = { debug() {}, warn() {}, error() {} };

/** Header blocks up to Go's default; `X-Registry-Config` can be large. */
const MAX_HEADER_SIZE = 1024 * 1024;
/** A client that never finishes its headers is dropped, as Docker does, after five minutes. */
const HEADERS_TIMEOUT_MS = 300_000;
/** Finds dead TCP clients of long streams. */
const KEEP_ALIVE_PROBE_MS = 60_000;

export function createApiServer(backends: Backends, options: ApiServerOptions): ApiServer {
  const log = options.log ?? SILENT;
  const streams = new Set<Duplex>();
  let refusing = false;
  const dispatcher = createDispatcher({
    router: createRouter(allRoutes(backends, { builderVersion: options.builderVersion ?? '1' })),
    log,
    streams,
    refusing: () => refusing,
    serverName: `Docker/${options.version} (linux)`,
    ...(options.isHungUp ? { isHungUp: options.isHungUp } : {}),
  });
  const servers = new Set<Server>();
  const sockets = new Set<Socket>();
  let closing = false;

  const httpOptions = {
    maxHeaderSize: MAX_HEADER_SIZE,
    headersTimeout: HEADERS_TIMEOUT_MS,
    // Uploads (load, build, cp) and idle pooled connections may take as long as they like.
    requestTimeout: 0,
    keepAliveTimeout: 0,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_PROBE_MS,
    requireHostHeader: false,
    shouldUpgradeCallback: dispatcher.mayUpgrade,
  };
  const onRequest: RequestListener = (req, res) => dispatcher.handle(req, res);

  const prepare = (server: Server): Server => {
    if (closing) throw conflict('the API server is closing');
    servers.add(server);
    // A client may close its half after the request and still wait for the answer (Go's server allows it).
    Reflect.set(server, 'httpAllowHalfOpen', true);
    server.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
    });
    server.on('upgrade', (req, stream, head) => {
      stream.on('error', () => stream.destroy());
      if (!req.complete) {
        // Node does not tell a request that was upgraded before its body had come of a client that left.
        const cutShort = (): void => {
          if (req.complete) return;
          stream.destroy();
          req.destroy(cancelled('the client is gone'));
        };
        stream.once('end', cutShort);
        stream.once('close', cutShort);
      }
      // An answer to an upgrade that is no upgrade (an error, a detached exec) ends the connection.
      const res = new ServerResponse(req);
      res.shouldKeepAlive = false;
      res.assignSocket(stream as Socket);
      res.on('finish', () => {
        res.detachSocket(stream as Socket);
        finishConnection(stream);
      });
      dispatcher.handle(req, res, { stream, head });
    });
    return server;
  };

  return {
    listenUnix(path, unixOptions = {}) {
      return listenUnix(prepare(createServer(httpOptions, onRequest)), path, unixOptions, log);
    },
    async listenTcp({ host, port, tls }) {
      const server = prepare(
        tls
          ? (createTlsServer(
              {
                ...httpOptions,
                key: tls.key,
                cert: tls.cert,
                ...(tls.ca ? { ca: tls.ca, requestCert: true, rejectUnauthorized: true } : {}),
                minVersion: 'TLSv1.2',
                // node:http sets this for plain servers only; half-close needs it.
                allowHalfOpen: true,
              } as Parameters<typeof createTlsServer>[0],
              onRequest,
            ) as unknown as Server)
          : createServer(httpOptions, onRequest),
      );
      await listen(server, { host, port });
      return server.address() as AddressInfo;
    },
    listenFd(fd) {
      return listen(prepare(createServer(httpOptions, onRequest)), { fd });
    },
    refuseChanges() {
      refusing = true;
    },
    async close(graceMs = 3000) {
      closing = true;
      const stopped = [...servers].map(
        (server) => new Promise<void>((resolve) => server.close(() => resolve())),
      );
      for (const server of servers) server.closeIdleConnections();
      for (const stream of streams) stream.destroy();
      const cut = setTimeout(() => {
        for (const socket of sockets) socket.destroy();
      }, graceMs);
      await Promise.all(stopped);
      clearTimeout(cut);
      for (const socket of sockets) socket.destroy();
    },
  };
}
