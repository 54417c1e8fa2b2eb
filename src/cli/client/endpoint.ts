/**
 * Where the daemon is: `-H`, `WHARF_HOST`, `DOCKER_HOST`, or the default socket, in the address forms that
 * dockerd's clients accept (`unix://`, `tcp://`, `http(s)://`, bare `host:port`), with the TLS settings that go
 * with it.
 */
import { CliError } from '../errors.ts';

/** Where wharfd listens unless told otherwise. */
export const DEFAULT_HOST = 'unix:///run/wharf/wharf.sock';

/** PEM files for TLS, as the flags and `DOCKER_CERT_PATH` name them. */
export interface TlsFiles {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** The client's own certificate was asked for; standard files may be missing. */
  readonly explicit: boolean;
  /** False: encrypt, but accept any server (`--tls` without `--tlsverify`). */
  readonly verify: boolean;
}

/** A daemon's address, resolved. `display` is what messages show. */
export type Endpoint =
  | { readonly kind: 'unix'; readonly path: string; readonly display: string }
  | {
      readonly kind: 'tcp';
      readonly host: string;
      readonly port: number;
      /** A path prefix in the address (`tcp://host:2375/prefix`), without its closing slash. */
      readonly prefix: string;
      readonly tls?: TlsFiles;
      readonly display: string;
    };

const invalid = (host: string): CliError =>
  new CliError(
    `Failed to initialize: unable to resolve wharf endpoint: invalid bind address format: ${host}`,
    {
      hint: 'use unix:///path/to/socket or tcp://host:port',
    },
  );

/**
 * Parses a daemon address.
 * @param host the address as given
 * @param tls TLS settings; used by tcp addresses only
 * @throws CliError when the form is unknown
 */
export function parseEndpoint(host: string, tls?: TlsFiles): Endpoint {
  if (host === '') return parseEndpoint(DEFAULT_HOST);
  if (host.startsWith('/')) return { kind: 'unix', path: host, display: `unix://${host}` };
  const match = /^([a-z]+):\/\/(.*)$/.exec(host);
  const [scheme, rest] = match ? [match[1], match[2] ?? ''] : ['tcp', host];
  switch (scheme) {
    case 'unix':
      if (rest === '') throw invalid(host);
      return { kind: 'unix', path: rest, display: `unix://${rest}` };
    case 'tcp':
    case 'http':
    case 'https':
      return parseTcp(host, rest, scheme === 'https' ? (tls ?? { verify: true, explicit: false }) : tls);
    case 'ssh':
      throw new CliError(`ssh:// addresses are not supported: ${host}`, {
        hint: 'forward the socket yourself: ssh -nNT -L /tmp/wharf.sock:/run/wharf/wharf.sock HOST, then -H unix:///tmp/wharf.sock',
      });
    default:
      throw invalid(host);
  }
}

function parseTcp(original: string, rest: string, tls: TlsFiles | undefined): Endpoint {
  const match = /^(\[[0-9a-fA-F:.%\w]*\]|[^:/\s]*)(?::(\d+))?(\/.*)?$/.exec(rest);
  if (!match) throw invalid(original);
  const port = match[2] === undefined ? (tls ? 2376 : 2375) : Number(match[2]);
  if (port < 1 || port > 65535) throw invalid(original);
  const bare = (match[1] ?? '').replace(/^\[|\]$/g, '');
  return {
    kind: 'tcp',
    host: bare === '' ? '127.0.0.1' : bare,
    port,
    prefix: (match[3] ?? '').replace(/\/$/, ''),
    ...(tls && { tls }),
    display: `tcp://${match[1] || '127.0.0.1'}:${port}${match[3] ?? ''}`,
  };
}
