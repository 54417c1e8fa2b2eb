/** From a request on the wire to its handler, and from what it throws to an answer. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { invalidParameter, kindOf, messageOf, unavailable } from '../errdefs/index.ts';
import { type ApiVersion, formatVersion, MAX_API_VERSION, negotiate, splitVersion } from './api-version.ts';
import type { Connection } from './hijack.ts';
import { errorBody, statusOf } from './http-errors.ts';
import { Query } from './query.ts';
import { ApiRequest } from './request.ts';
import type { RouteMatch, Router } from './router.ts';

/** The part of pino's logger the API uses. */
export interface ApiLog {
  isLevelEnabled?(level: string): boolean;
  debug(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface Dispatcher {
  /** Serves a request; `upgraded` is its connection when Node handed it over. */
  handle(req: IncomingMessage, res: ServerResponse, upgraded?: Connection): void;
  /** True when a request with an `Upgrade` header is for a route that takes the connection over. */
  mayUpgrade(req: IncomingMessage): boolean;
}

export interface DispatchOptions {
  router: Router;
  log: ApiLog;
  /** The `Server` header. */
  serverName: string;
  /** See {@link ApiServerOptions.isHungUp}. */
  isHungUp?: (fd: number) => boolean;
  /** True while the daemon goes down: what would change something is refused. */
  refusing?: () => boolean;
  /** Gets the connections whose answers have no end of their own, while they last. */
  streams: Set<Duplex>;
}

/** What the path of a request says. */
interface Target {
  match: RouteMatch | undefined;
  asked: string | undefined;
  query: string;
}

const READS: ReadonlySet<string> = new Set(['GET', 'HEAD']);

export function createDispatcher(options: DispatchOptions): Dispatcher {
  const { router, log } = options;
  const common: readonly [string, string][] = [
    ['Api-Version', formatVersion(MAX_API_VERSION)],
    ['Docker-Experimental', 'false'],
    ['Ostype', 'linux'],
    ['Server', options.serverName],
  ];

  const locate = (req: IncomingMessage): Target => {
    const url = originForm(req.url ?? '/');
    const mark = url.indexOf('?');
    const path = decodePath(mark < 0 ? url : url.slice(0, mark));
    const { asked, rest } = splitVersion(path);
    return {
      match: router.find(req.method ?? 'GET', rest),
      asked,
      query: mark < 0 ? '' : url.slice(mark + 1),
    };
  };

  const fail = (
    req: IncomingMessage,
    res: ServerResponse,
    connection: Duplex,
    hijacked: boolean,
    err: unknown,
  ): void => {
    const fields = { method: req.method, url: req.url, err };
    if (kindOf(err) === 'System' && !connection.destroyed) {
      log.error(fields, `${req.method} ${req.url}: ${messageOf(err)}`);
    } else {
      log.debug(fields, 'request failed');
    }
    if (hijacked) return void connection.destroy();
    // Too late for a status: cutting the answer short tells the client that it is not whole.
    if (res.headersSent) return void res.destroy();
    const status = statusOf(err);
    if (status === 304) {
      res.writeHead(304).end();
      return;
    }
    const body = `${JSON.stringify(errorBody(err))}\n`;
    res.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) });
    if (req.complete || req.method === 'HEAD') res.end(req.method === 'HEAD' ? undefined : body);
    else endAfterRequest(req, res, body);
  };

  const handle: Dispatcher['handle'] = (req, res, upgraded) => {
    if (log.isLevelEnabled?.('debug')) logWhenDone(req, res, log);
    let request: ApiRequest | undefined;
    // Kept, since Node takes `req.socket` away once the connection is gone.
    const connection = upgraded?.stream ?? req.socket;
    const onError = (err: unknown): void => fail(req, res, connection, request?.hijacked ?? false, err);
    try {
      const { match, asked, query } = locate(req);
      if (!match && req.method !== 'OPTIONS') return pageNotFound(req, res);
      for (const [name, value] of common) res.setHeader(name, value);
      const version: ApiVersion = negotiate(asked);
      if (!match) {
        res.setHeader('Content-Length', 0);
        res.end();
        return;
      }
      if (options.refusing?.() && !READS.has(match.route.method)) {
        throw unavailable('the daemon is shutting down');
      }
      request = new ApiRequest({
        req,
        res,
        connection,
        upgraded,
        route: match.route,
        params: match.params,
        query: new Query(query),
        version,
        hungUp: hungUpCheck(req, options.isHungUp),
        streams: options.streams,
      });
      match.route.handler(request)?.catch(onError);
    } catch (err) {
      onError(err);
    }
  };

  return {
    handle,
    mayUpgrade(req) {
      try {
        return locate(req).match?.route.hijack === true;
      } catch {
        return false;
      }
    },
  };
}

/** Clients that believe to speak to a proxy send `GET http://host/path`. */
const originForm = (url: string): string =>
  url.startsWith('/') ? url : url.replace(/^https?:\/\/[^/]*/i, '') || '/';

function decodePath(path: string): string {
  if (!path.includes('%')) return path;
  try {
    return decodeURIComponent(path);
  } catch {
    throw invalidParameter(`invalid URL escape in path ${JSON.stringify(path)}`);
  }
}

/** Milliseconds that a client may go on sending after it was answered. */
const LINGER_MS = 2000;

/**
 * Answers a client that is still sending its body, and takes what it sends meanwhile: closing the connection at once
 * would reset it, and the client might never see why (RFC 9112, section 9.6).
 */
function endAfterRequest(req: IncomingMessage, res: ServerResponse, body: string): void {
  const timer = setTimeout(() => res.end(), LINGER_MS);
  const done = (): void => {
    clearTimeout(timer);
    res.end();
  };
  req.once('end', done).once('close', done).once('error', done);
  res.write(body);
  req.resume();
}

function pageNotFound(req: IncomingMessage, res: ServerResponse): void {
  const body = '{"message":"page not found"}\n';
  res.writeHead(404, { 'Content-Type': 'application/json', 'Content-Length': body.length });
  res.end(req.method === 'HEAD' ? undefined : body);
}

function logWhenDone(req: IncomingMessage, res: ServerResponse, log: ApiLog): void {
  const start = performance.now();
  res.once('close', () => {
    const ms = Math.round((performance.now() - start) * 100) / 100;
    log.debug({ method: req.method, url: req.url, status: res.statusCode, ms }, 'request');
  });
}

/** Node has no public way to a socket's descriptor, hence the shape check. */
function hungUpCheck(
  req: IncomingMessage,
  isHungUp: DispatchOptions['isHungUp'],
): (() => boolean) | undefined {
  if (!isHungUp) return undefined;
  const { socket } = req;
  return () => {
    const handle: unknown = Reflect.get(socket, '_handle');
    const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined;
    return typeof fd === 'number' && fd >= 0 && isHungUp(fd);
  };
}
