/**
 * Registry credentials: in `config.json` itself, or kept by a helper program (`docker-credential-<name>`, whose
 * protocol is JSON on standard input and output).
 */
import { spawnSync } from 'node:child_process';
import { CliError } from '../errors.ts';
import type { ConfigFile } from './config-file.ts';

/** Docker Hub's key in the file. */
export const INDEX_SERVER = 'https://index.docker.io/v1/';

/** What the daemon wants in `X-Registry-Auth`. */
export interface Credentials {
  username?: string;
  password?: string;
  identitytoken?: string;
  registrytoken?: string;
  serveraddress?: string;
}

/** Helpers answer this when they hold nothing for a server. */
const NOT_FOUND = 'credentials not found in native keychain';

/** The host of a server's name: scheme and path dropped. */
export const hostOf = (server: string): string => server.replace(/^https?:\/\//, '').split('/', 1)[0] ?? '';

/** The key of a registry in the file. @param registry a host as in an image's name, or a URL */
export function authKey(registry: string): string {
  const host = hostOf(registry);
  if (host === '' || host === 'docker.io' || host === 'index.docker.io' || host === 'registry-1.docker.io')
    return INDEX_SERVER;
  return host;
}

function runHelper(helper: string, action: 'get' | 'store' | 'erase', input: string): string {
  const program = `docker-credential-${helper}`;
  const result = spawnSync(program, [action], { input, encoding: 'utf8', maxBuffer: 1 << 20 });
  const { code } = (result.error ?? {}) as NodeJS.ErrnoException;
  // A helper that ends without reading what it was sent is not at fault.
  if (result.error && code !== 'EPIPE') {
    const missing = code === 'ENOENT';
    throw new CliError(
      `error getting credentials - err: exec: "${program}": ${missing ? 'executable file not found in $PATH' : result.error.message}, out: \`\``,
    );
  }
  if (result.status !== 0)
    throw new CliError((result.stdout + result.stderr).trim() || `${program} ${action} failed`);
  return result.stdout;
}

function helperFor(config: ConfigFile, key: string): string | undefined {
  return config.data.credHelpers?.[key] || config.data.credsStore || undefined;
}

/** The credentials kept for a registry; an empty object when there are none. */
export function loadCredentials(config: ConfigFile, registry: string): Credentials {
  const key = authKey(registry);
  const helper = helperFor(config, key);
  if (helper) {
    try {
      const answer = JSON.parse(runHelper(helper, 'get', key)) as { Username?: string; Secret?: string };
      if (answer.Username === '<token>') return { identitytoken: answer.Secret ?? '', serveraddress: key };
      return { username: answer.Username ?? '', password: answer.Secret ?? '', serveraddress: key };
    } catch (err) {
      if (err instanceof CliError && err.message.includes(NOT_FOUND)) return {};
      throw err;
    }
  }
  const auths = config.data.auths ?? {};
  const entry = auths[key] ?? Object.entries(auths).find(([name]) => hostOf(name) === hostOf(key))?.[1];
  if (!entry) return {};
  const decoded = Buffer.from(entry.auth ?? '', 'base64')
    .toString('utf8')
    .replace(/\0+$/, '');
  const colon = decoded.indexOf(':');
  return {
    ...(colon >= 0 && { username: decoded.slice(0, colon), password: decoded.slice(colon + 1) }),
    ...(entry.identitytoken && { identitytoken: entry.identitytoken }),
    ...(entry.registrytoken && { registrytoken: entry.registrytoken }),
    serveraddress: key,
  };
}

/** Keeps credentials for a registry. @returns how they are kept */
export function storeCredentials(
  config: ConfigFile,
  key: string,
  credentials: Credentials,
): 'plain' | 'helper' {
  const helper = helperFor(config, key);
  const { username = '', password = '', identitytoken } = credentials;
  if (helper) {
    const kept = {
      ServerURL: key,
      Username: identitytoken ? '<token>' : username,
      Secret: identitytoken || password,
    };
    runHelper(helper, 'store', JSON.stringify(kept));
    config.data.auths = { ...config.data.auths, [key]: {} };
    config.save();
    return 'helper';
  }
  config.data.auths = {
    ...config.data.auths,
    [key]: {
      auth: Buffer.from(`${username}:${identitytoken ? '' : password}`).toString('base64'),
      ...(identitytoken && { identitytoken }),
    },
  };
  config.save();
  return 'plain';
}

/** Forgets a registry's credentials. @returns whether there were any */
export function eraseCredentials(config: ConfigFile, key: string): boolean {
  const auths = config.data.auths ?? {};
  const names = [key, `https://${key}`, `http://${key}`].filter((name) => name in auths);
  const helper = helperFor(config, key);
  if (helper) {
    try {
      runHelper(helper, 'erase', key);
    } catch (err) {
      if (!(err instanceof CliError && err.message.includes(NOT_FOUND))) throw err;
    }
  }
  if (names.length === 0) return false;
  for (const name of names) delete auths[name];
  config.data.auths = auths;
  config.save();
  return true;
}

/** Encodes credentials for the `X-Registry-Auth` header (base64url JSON). */
export const encodeAuth = (credentials: Credentials): string =>
  Buffer.from(JSON.stringify(credentials)).toString('base64url');
