/** Reading request bodies: JSON with Docker's rules and messages, and credentials in headers. */
import type { IncomingMessage } from 'node:http';
import { invalidParameter } from '../errdefs/index.ts';
import { authConfig } from './body-types.ts';
import { type Decoder, decodeBody } from './schema.ts';
import type { RegistryAuth } from './types.ts';

/** No JSON body of Docker's comes near it; a bound keeps a client from filling our memory. */
const MAX_JSON = 16 * 1024 * 1024;

const hasBody = (req: IncomingMessage): boolean =>
  req.headers['transfer-encoding'] !== undefined || Number(req.headers['content-length'] ?? 0) > 0;

/**
 * The body of a request as JSON, decoded by `decoder`; undefined when there is none. Throws
 * InvalidParameter for a wrong content type, broken JSON, or wrong types in it.
 */
export async function readJson(req: IncomingMessage, decoder: Decoder): Promise<unknown> {
  checkJsonType(req);
  if (!hasBody(req)) return undefined;
  const text = (await readAll(req)).toString('utf8');
  if (text.trim() === '') throw invalidParameter('invalid JSON: got EOF while reading request body');
  // Go leaves a struct as it is for `null`.
  return decodeBody(decoder, parseJson(text) ?? {});
}

/** A body that is read whatever its content type, as `/auth` does. */
export async function readUntypedJson(req: IncomingMessage, decoder: Decoder): Promise<unknown> {
  const text = (await readAll(req)).toString('utf8');
  if (text.trim() === '') return {};
  return decodeBody(decoder, parseJson(text));
}

/** Reads and drops what is left of a body, so that what follows on the connection is ours. */
export async function drain(req: IncomingMessage): Promise<void> {
  if (req.complete && req.readableLength === 0) {
    req.resume();
    return;
  }
  for await (const _ of req) {
    // dropped
  }
}

function checkJsonType(req: IncomingMessage): void {
  const type = req.headers['content-type'] ?? '';
  if (type === '') {
    if (!hasBody(req)) return;
    throw invalidParameter('malformed Content-Type header (): mime: no media type');
  }
  const media = (type.split(';', 1)[0] as string).trim().toLowerCase();
  if (media !== 'application/json') {
    throw invalidParameter(`unsupported Content-Type header (${type}): must be 'application/json'`);
  }
}

async function readAll(req: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of req as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_JSON) throw invalidParameter(`request body too large: more than ${MAX_JSON} bytes`);
    chunks.push(chunk);
  }
  return chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
}

/** Parses JSON; V8's complaint is put into the words of Go's decoder, which clients show. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (err) {
    const { message } = err as Error;
    if (/after JSON|non-whitespace character after/.test(message)) {
      throw invalidParameter('unexpected content after JSON');
    }
    throw invalidParameter(`invalid JSON: ${goSyntaxError(text, message)}`);
  }
}

function goSyntaxError(text: string, message: string): string {
  const position = /position (\d+)/.exec(message)?.[1];
  const cutShort = position !== undefined && Number(position) >= text.trimEnd().length;
  if (cutShort || /end of JSON input|Unterminated string/.test(message)) return 'unexpected EOF';
  const token = /Unexpected token '?(.)/su.exec(message)?.[1] ?? text[Number(position ?? 0)] ?? '';
  if (/property name/.test(message)) {
    const found = text[Number(position ?? 0)] ?? '';
    return `invalid character '${found}' looking for beginning of object key string`;
  }
  return `invalid character '${token}' looking for beginning of value`;
}

/**
 * `X-Registry-Auth`: base64url JSON. An unreadable one counts as none, since for pulling and pushing
 * credentials are optional (Docker does the same).
 */
export function registryAuth(req: IncomingMessage): RegistryAuth | undefined {
  return decodeHeader(
    req.headers['x-registry-auth'],
    (value) => decodeBody(authConfig, value) as RegistryAuth,
  );
}

/** `X-Registry-Config`: credentials by registry, for builds. */
export function registryConfig(req: IncomingMessage): Record<string, RegistryAuth> {
  const decoded = decodeHeader(req.headers['x-registry-config'], (value) => {
    if (typeof value !== 'object' || value === null) return {};
    return Object.fromEntries(
      Object.entries(value).map(([registry, auth]) => [
        registry,
        decodeBody(authConfig, auth) as RegistryAuth,
      ]),
    );
  });
  return decoded ?? {};
}

function decodeHeader<T>(
  header: string | string[] | undefined,
  decode: (value: unknown) => T,
): T | undefined {
  if (typeof header !== 'string' || header === '') return undefined;
  try {
    // Node's base64 decoder takes the URL alphabet and the plain one, padded or not.
    return decode(JSON.parse(Buffer.from(header, 'base64').toString('utf8')));
  } catch {
    return undefined;
  }
}
