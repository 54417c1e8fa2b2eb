/** Certificates of a registry as Docker keeps them: `certs.d/<host:port>/{*.crt, *.cert with *.key}`. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { getCACertificates } from 'node:tls';
import { invalidParameter, isKind } from '../errdefs/index.ts';

export interface TlsOptions {
  ca?: string[];
  cert?: string;
  key?: string;
  rejectUnauthorized: boolean;
}

let systemRoots: string[] | undefined;

/** Node's own and the machine's certificate authorities. Reading them takes milliseconds: done when first needed. */
function roots(): string[] {
  systemRoots ??= [...new Set([...getCACertificates('default'), ...getCACertificates('system')])];
  return systemRoots;
}

/**
 * What a TLS connection to `host` is made with. Throws InvalidParameter for a certificate without its key, in
 * Docker's words.
 */
export function tlsOptions(host: string, dirs: readonly string[], insecure: boolean): TlsOptions {
  const ca: string[] = [];
  let client: { cert: string; key: string } | undefined;
  for (const dir of dirs.map((base) => join(base, host))) {
    const names = list(dir);
    for (const name of names) {
      if (name.endsWith('.crt')) ca.push(readFileSync(join(dir, name), 'utf8'));
      if (name.endsWith('.cert')) {
        const keyName = `${name.slice(0, -5)}.key`;
        if (!names.includes(keyName)) {
          throw invalidParameter(
            `missing key ${keyName} for client certificate ${name}. CA certificates must use the extension .crt`,
          );
        }
        client = {
          cert: readFileSync(join(dir, name), 'utf8'),
          key: readFileSync(join(dir, keyName), 'utf8'),
        };
      }
      if (name.endsWith('.key') && !names.includes(`${name.slice(0, -4)}.cert`)) {
        throw invalidParameter(`missing client certificate ${name.slice(0, -4)}.cert for key ${name}`);
      }
    }
  }
  return { ca: [...roots(), ...ca], ...client, rejectUnauthorized: !insecure };
}

function list(dir: string): string[] {
  try {
    return readdirSync(dir).sort();
  } catch (err) {
    if (isKind(err)) throw err;
    return []; // no directory, no certificates
  }
}
