/** `config.json`, the file docker's client keeps credentials and preferences in; we share it. */
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CliError, messageOf } from '../errors.ts';

/** One registry's entry under `auths`. `auth` is base64 of `user:password`. */
export interface AuthEntry {
  auth?: string;
  identitytoken?: string;
  registrytoken?: string;
  email?: string;
}

/** Proxy settings given to new containers, by daemon address or `default`. */
export interface ProxyEntry {
  httpProxy?: string;
  httpsProxy?: string;
  noProxy?: string;
  ftpProxy?: string;
  allProxy?: string;
}

/** The keys we know; others are kept as they are. */
export interface ConfigData {
  auths?: Record<string, AuthEntry>;
  credsStore?: string;
  credHelpers?: Record<string, string>;
  HttpHeaders?: Record<string, string>;
  detachKeys?: string;
  psFormat?: string;
  imagesFormat?: string;
  networksFormat?: string;
  volumesFormat?: string;
  statsFormat?: string;
  proxies?: Record<string, ProxyEntry>;
  [other: string]: unknown;
}

/** The directory of the client's files: `--config`, `DOCKER_CONFIG`, `~/.docker`. */
export function configDirectory(given: string | undefined): string {
  return given || process.env.DOCKER_CONFIG || join(process.env.HOME || '/root', '.docker');
}

/** The file, read once; a missing one is empty. */
export class ConfigFile {
  readonly directory: string;
  readonly path: string;
  readonly data: ConfigData;
  /** Why the file could not be read, if so; the file is then never written over. */
  readonly problem: string | undefined;

  constructor(directory: string) {
    this.directory = directory;
    this.path = join(directory, 'config.json');
    let text = '';
    try {
      text = readFileSync(this.path, 'utf8');
    } catch (err) {
      if ((err as NodeJS.ErrnoException).code !== 'ENOENT') this.problem = messageOf(err);
    }
    let data: ConfigData = {};
    if (text.trim() !== '') {
      try {
        const parsed: unknown = JSON.parse(text);
        if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
          throw new Error('it is not a JSON object');
        data = parsed as ConfigData;
      } catch (err) {
        this.problem = messageOf(err);
      }
    }
    this.data = data;
  }

  /** Writes the file: through a temporary one, readable by its owner only, a symbolic link followed. */
  save(): void {
    if (this.problem !== undefined) {
      throw new CliError(`cannot save credentials: ${this.path} could not be read: ${this.problem}`, {
        hint: 'repair or remove that file first',
      });
    }
    mkdirSync(this.directory, { recursive: true, mode: 0o700 });
    const temporary = join(dirname(this.path), `config.json${process.pid}`);
    try {
      writeFileSync(temporary, JSON.stringify(this.data, null, '\t'), { mode: 0o600 });
      let mode = 0o600;
      try {
        mode = statSync(this.path).mode & 0o777;
      } catch {
        // a new file
      }
      chmodSync(temporary, mode);
      renameSync(temporary, this.path);
    } catch (err) {
      rmSync(temporary, { force: true });
      throw new CliError(`Error saving credentials: ${messageOf(err)}`);
    }
  }
}
