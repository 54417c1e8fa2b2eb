/** Mutual TLS to a tcp daemon, with the PEM files that docker's flags name. */
import { existsSync, readFileSync } from 'node:fs';
import { connect, type TLSSocket } from 'node:tls';
import { CliError, messageOf } from '../errors.ts';
import type { TlsFiles } from './endpoint.ts';

function pem(path: string | undefined, what: string): string | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path, 'utf8');
  } catch (err) {
    throw new CliError(`could not read ${what} ${JSON.stringify(path)}: ${messageOf(err)}`);
  }
}

/** Starts a TLS connection; the caller waits for `secureConnect`. */
export function dialTls(host: string, port: number, files: TlsFiles): TLSSocket {
  const ca = files.verify ? pem(files.ca, 'CA certificate') : undefined;
  const own = (path: string | undefined): string | undefined =>
    files.explicit || (path !== undefined && existsSync(path)) ? path : undefined;
  const cert = pem(own(files.cert), 'certificate');
  const key = pem(own(files.key), 'key');
  return connect({
    host,
    port,
    servername: /^[\d.]+$|:/.test(host) ? '' : host,
    rejectUnauthorized: files.verify,
    minVersion: 'TLSv1.2',
    ...(ca && { ca }),
    ...(cert && { cert }),
    ...(key && { key }),
  });
}
