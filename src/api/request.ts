/**
 * One request as the handlers see it: decoded input, the client's abort signal, and the few ways to
 * answer. It hides whether the request came as an upgrade or not.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex, Readable } from 'node:stream';
import { pipeline } from 'node:stream';
import type { ApiVersion, Feature } from './api-version.ts';
import { hasFeature } from './api-version.ts';
import { readJson } from './body.ts';
import { parseFilters } from './filters.ts';
import { type Connection, openConnection } from './hijack.ts';
import type { Query } from './query.ts';
import type { Route } from './router.ts';
import type { Decoder } from './schema.ts';
import { shapeAnswer } from './shapes.ts';
import type { Filters } from './types.ts';

export interface RequestParts {
  req: IncomingMessage;
  res: ServerResponse;
  connection: Duplex;
  /** Set when Node handed the connection over with an `upgrade` event. */
  upgraded: Connection | undefined;
  route: Route;
  params: Readonly<Record<string, string>>;
  query: Query;
  version: ApiVersion;
  /** True when the client has closed both halves, where that can be asked. */
  hungUp: (() => boolean) | undefined;
  /** Where connections with a streamed answer are known, so that closing the server can end them. */
  streams: Set<Duplex>;
}

export class ApiRequest {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly route: Route;
  readonly query: Query;
  readonly version: ApiVersion;
  readonly #params: Readonly<Record<string, string>>;
  readonly #connection: Duplex;
  readonly #upgraded: Connection | undefined;
  /** True when the client has closed both halves, where that can be asked. */
  readonly hungUp: (() => boolean) | undefined;
  readonly #streams: Set<Duplex>;
  #abort: AbortController | undefined;
  /** The connection is a raw stream now, so no status can be sent any more. */
  hijacked = false;

  constructor(parts: RequestParts) {
    this.req = parts.req;
    this.res = parts.res;
    this.route = parts.route;
    this.query = parts.query;
    this.version = parts.version;
    this.hungUp = parts.hungUp;
    this.#streams = parts.streams;
    this.#params = parts.params;
    this.#connection = parts.connection;
    this.#upgraded = parts.upgraded;
  }

  /** A path parameter of the route. */
  param(name: string): string {
    return this.#params[name] ?? '';
  }

  has(feature: Feature): boolean {
    return hasFeature(this.version, feature);
  }

  filters(): Filters {
    return parseFilters(this.query.get('filters'), this.route.operation);
  }

  /** The JSON body, decoded to its type; undefined when there is none. */
  async body<T>(decoder: Decoder): Promise<T | undefined> {
    return (await readJson(this.req, decoder)) as T | undefined;
  }

  /**
   * Aborts when the client is gone, or has closed its sending side while it waits for the answer
   * (Docker cancels then, too). Made on first use: most requests never need one.
   */
  get signal(): AbortSignal {
    if (!this.#abort) {
      const controller = new AbortController();
      this.#abort = controller;
      const abort = () => controller.abort();
      const connection = this.#connection;
      if (connection.destroyed) abort();
      connection.once('close', abort);
      if (!this.route.hijack) connection.once('end', abort);
      this.res.once('close', () => {
        connection.off('close', abort);
        connection.off('end', abort);
        // A response cut short is a client gone, even when keep-alive hides it.
        if (!this.res.writableFinished && !this.hijacked) abort();
      });
    }
    return this.#abort.signal;
  }

  #registerStream(): void {
    const connection = this.#connection;
    const done = (): void => {
      this.#streams.delete(connection);
      connection.off('close', done);
      this.res.off('close', done);
    };
    this.#streams.add(connection);
    connection.once('close', done);
    this.res.once('close', done);
  }

  /** Answers with JSON, shaped for the client's version. */
  json(status: number, value: unknown): void {
    const text = `${JSON.stringify(shapeAnswer(this.route.operation, this.version, value))}\n`;
    this.res.writeHead(status, {
      'Content-Type': 'application/json',
      'Content-Length': Buffer.byteLength(text),
    });
    this.res.end(text);
  }

  /** Answers without a body. */
  empty(status: number): void {
    if (status === 200 || status === 201) this.res.setHeader('Content-Length', 0);
    this.res.writeHead(status);
    this.res.end();
  }

  /** Starts a streamed answer; its headers are on the wire when this returns. It ends when the client goes. */
  startStream(contentType: string): ServerResponse {
    // Half-open connections are allowed, so a client that left shows as an end, not as a close.
    this.signal.addEventListener('abort', () => this.res.destroy(), { once: true });
    this.#registerStream();
    this.res.writeHead(200, { 'Content-Type': contentType });
    this.res.flushHeaders();
    return this.res;
  }

  /** Answers with a stream, with backpressure; a source that fails cuts the answer short. */
  sendStream(contentType: string, source: Readable): Promise<void> {
    const res = this.startStream(contentType);
    return new Promise((resolve) => pipeline(source, res, () => resolve()));
  }

  /** Makes the connection a raw stream: 101 when an upgrade was asked for, else 200. */
  hijack(contentType?: string, protocol = 'tcp'): Promise<Duplex> {
    this.hijacked = true;
    this.#registerStream();
    return openConnection(this.req, this.res, this.#upgraded, {
      protocol,
      ...(contentType === undefined ? {} : { contentType }),
    });
  }

  /** The upgraded connection without an answer, for a handshake of its own; undefined without `Upgrade`. */
  takeUpgraded(): Duplex | undefined {
    if (!this.#upgraded) return undefined;
    this.hijacked = true;
    this.#registerStream();
    const { stream, head } = this.#upgraded;
    this.res.detachSocket(stream as Socket);
    if (head.length > 0) stream.unshift(head);
    return stream;
  }
}
