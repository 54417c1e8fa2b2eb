/** Failures of registries in the words Docker's users know: Go's for the network, the spec's codes for the registry. */
import { cancelled, deadline, isKind, notFound, unavailable, WharfError } from '../errdefs/index.ts';
import { familiarName, familiarString, isObject, type Reference } from '../oci/index.ts';

/** An answer of a registry that is no success: its status and the error codes of its body. */
export class RegistryError extends WharfError {
  readonly status: number;
  /** As in the distribution spec: `MANIFEST_UNKNOWN`, `DENIED`, … */
  readonly codes: readonly string[];

  constructor(status: number, codes: readonly string[], message: string) {
    super(kindOfStatus(status), message, codes[0] === undefined ? {} : { code: codes[0] });
    this.status = status;
    this.codes = codes;
  }
}

function kindOfStatus(status: number): WharfError['kind'] {
  if (status === 401) return 'Unauthorized';
  if (status === 403) return 'Forbidden';
  if (status === 404) return 'NotFound';
  if (status === 429 || status >= 500) return 'Unavailable';
  return 'System';
}

/** Reads the error body of the spec; anything else is shown with its status, cut short. */
export function registryError(status: number, url: string, body: string): RegistryError {
  const errors = errorList(body);
  if (errors.length === 0) {
    if (status === 401)
      return new RegistryError(status, ['UNAUTHORIZED'], 'unauthorized: authentication required');
    if (status === 429)
      return new RegistryError(status, ['TOOMANYREQUESTS'], 'toomanyrequests: too many requests');
    const text = body.trim().slice(0, 200);
    return new RegistryError(
      status,
      [],
      `received unexpected HTTP status: ${status} from ${url}${text === '' ? '' : `: ${text}`}`,
    );
  }
  const lines = errors.map((e) => `${e.code.toLowerCase().replaceAll('_', ' ')}: ${e.message}`);
  const message = lines.length === 1 ? lines[0]! : `errors:\n${lines.join('\n')}\n`;
  return new RegistryError(
    status,
    errors.map((e) => e.code),
    message,
  );
}

function errorList(body: string): { code: string; message: string }[] {
  let doc: unknown;
  try {
    doc = JSON.parse(body);
  } catch {
    return [];
  }
  if (!isObject(doc)) return [];
  if (typeof doc.details === 'string') return [{ code: 'DENIED', message: doc.details }];
  if (!Array.isArray(doc.errors)) return [];
  return doc.errors.filter(isObject).map((e) => ({
    code: typeof e.code === 'string' ? e.code : 'UNKNOWN',
    message: typeof e.message === 'string' && e.message !== '' ? e.message : 'unknown error',
  }));
}

/** What a pull of `ref` fails with, as Docker translates the registry's answer. */
export function pullError(err: unknown, ref: Reference): unknown {
  if (!(err instanceof RegistryError)) return err;
  const name = familiarName(ref);
  const code = err.codes[0];
  if (code === 'DENIED' || (code === undefined && err.status === 403)) {
    return notFound(
      `pull access denied for ${name}, repository does not exist or may require 'docker login': ${err.message}`,
      { cause: err },
    );
  }
  if (code === 'MANIFEST_UNKNOWN' || (code === undefined && err.status === 404)) {
    const detail = code === undefined ? 'manifest unknown: manifest unknown' : err.message;
    return notFound(`manifest for ${familiarString(ref)} not found: ${detail}`, { cause: err });
  }
  if (code === 'NAME_UNKNOWN')
    return notFound(`repository ${name} not found: ${err.message}`, { cause: err });
  return err;
}

const CONNECT: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connect: connection refused',
  EHOSTUNREACH: 'connect: no route to host',
  ENETUNREACH: 'connect: network is unreachable',
  ETIMEDOUT: 'connect: connection timed out',
  EACCES: 'connect: permission denied',
  UND_ERR_CONNECT_TIMEOUT: 'i/o timeout',
};

const UNKNOWN_AUTHORITY = 'tls: failed to verify certificate: x509: certificate signed by unknown authority';
const NETWORK: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: UNKNOWN_AUTHORITY,
  SELF_SIGNED_CERT_IN_CHAIN: UNKNOWN_AUTHORITY,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN_AUTHORITY,
  UNABLE_TO_GET_ISSUER_CERT: UNKNOWN_AUTHORITY,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNKNOWN_AUTHORITY,
  CERT_HAS_EXPIRED: 'tls: failed to verify certificate: x509: certificate has expired or is not yet valid',
  CERT_NOT_YET_VALID: 'tls: failed to verify certificate: x509: certificate has expired or is not yet valid',
  EPROTO: 'http: server gave HTTP response to HTTPS client',
  ERR_SSL_WRONG_VERSION_NUMBER: 'http: server gave HTTP response to HTTPS client',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'http: server gave HTTP response to HTTPS client',
  UND_ERR_HEADERS_TIMEOUT: 'net/http: timeout awaiting response headers',
  UND_ERR_BODY_TIMEOUT: 'net/http: timeout reading the response',
  UND_ERR_SOCKET: 'EOF',
  ECONNRESET: 'read: connection reset by peer',
  EPIPE: 'write: broken pipe',
};

/** Codes after which another attempt may well succeed. */
const TRANSIENT: readonly string[] = [
  'UND_ERR_SOCKET',
  'ECONNRESET',
  'EPIPE',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  'ETIMEDOUT',
];

interface NodeFailure {
  code?: unknown;
  address?: unknown;
  port?: unknown;
  hostname?: unknown;
  reason?: unknown;
}

/** The error that says most: of several addresses tried, the IPv4 one; of wrapped ones, the inmost. */
function innermost(err: unknown): NodeFailure & { message?: string } {
  if (err instanceof AggregateError && err.errors.length > 0) {
    const errors: unknown[] = err.errors;
    const v4 = errors.find((e) => isObject(e) && typeof e.address === 'string' && !e.address.includes(':'));
    return innermost(v4 ?? errors.at(-1));
  }
  if (err instanceof Error) {
    const own = err as Error & NodeFailure;
    return own.code === undefined && err.cause !== undefined ? innermost(err.cause) : own;
  }
  return {};
}

/** A failure below HTTP as Go's client words it: `Get "https://…": dial tcp 10.0.0.1:443: connect: connection refused`. */
export function networkError(err: unknown, method: string, url: string): WharfError {
  if (isKind(err, 'Cancelled', 'Deadline') || err instanceof WharfError) return err;
  if (err instanceof Error && err.name === 'AbortError') return cancelled('context canceled', { cause: err });
  if (err instanceof Error && err.name === 'TimeoutError')
    return deadline('context deadline exceeded', { cause: err });
  const inner = innermost(err);
  const code = typeof inner.code === 'string' ? inner.code : '';
  const verb = method.charAt(0) + method.slice(1).toLowerCase();
  return unavailable(`${verb} "${url}": ${detail(inner, code, url)}`, {
    code: code || 'network',
    cause: err,
  });
}

function detail(inner: NodeFailure & { message?: string }, code: string, url: string): string {
  const { hostname, host } = new URL(url);
  if (code === 'ENOTFOUND') return `dial tcp: lookup ${String(inner.hostname ?? hostname)}: no such host`;
  if (code === 'EAI_AGAIN') return `dial tcp: lookup ${hostname}: server misbehaving`;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return `tls: failed to verify certificate: x509: certificate is not valid for ${hostname}: ${String(inner.reason ?? '')}`;
  }
  const connect = CONNECT[code];
  if (connect !== undefined) {
    const address = typeof inner.address === 'string' ? inner.address : undefined;
    const shown = address?.includes(':') ? `[${address}]` : address;
    return `dial tcp ${shown === undefined ? host : `${shown}:${String(inner.port)}`}: ${connect}`;
  }
  return NETWORK[code] ?? inner.message ?? code;
}

/** Is it worth another attempt? Broken connections and busy servers are, refusals are not. */
export function isTransient(err: unknown): boolean {
  if (err instanceof RegistryError) return err.status === 408 || err.status === 429 || err.status >= 500;
  return isKind(err, 'Unavailable') && err.code !== undefined && TRANSIENT.includes(err.code);
}

/** Should http be tried where https failed? Not when the server spoke TLS and we were the ones to refuse. */
export function isConnectFailure(err: unknown): boolean {
  return isKind(err, 'Unavailable') && !(err instanceof RegistryError);
}
