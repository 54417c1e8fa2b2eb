/** What every command gets: the daemon's client, the config file, the outputs. All made when first used. */
import { join } from 'node:path';
import { ApiClient } from './client/client.ts';
import { DEFAULT_HOST, type Endpoint, parseEndpoint, type TlsFiles } from './client/endpoint.ts';
import { ConfigFile, configDirectory } from './config/config-file.ts';
import { CliError } from './errors.ts';
import { type Flag, type FlagValues, flag } from './flags/flag.ts';
import { type Output, stderr, stdout } from './output.ts';

/** The name we go by in messages. */
export const PROGRAM = 'wharf';

/** The newest API version this client was written for. */
export const API_VERSION = '1.51';

/** Flags that stand before the command. */
export const GLOBAL_FLAGS: readonly Flag[] = [
  flag('config', 'string', 'Directory of the client config files', {
    default: configDirectory(undefined),
    complete: 'files',
  }),
  flag('context,c', 'string', 'Context to connect with; only "default" is known', { complete: ['default'] }),
  flag('debug,D', 'bool', 'Enable debug mode'),
  flag('host,H', 'list', 'Daemon socket to connect to'),
  flag('log-level,l', 'string', 'Logging level ("debug", "info", "warn", "error", "fatal")', {
    default: 'info',
    complete: ['debug', 'info', 'warn', 'error', 'fatal'],
  }),
  flag('tls', 'bool', 'Use TLS; implied by --tlsverify'),
  flag('tlscacert', 'string', 'Trust only certificates signed by this CA', { complete: 'files' }),
  flag('tlscert', 'string', 'TLS certificate file', { complete: 'files' }),
  flag('tlskey', 'string', 'TLS key file', { complete: 'files' }),
  flag('tlsverify', 'bool', 'Use TLS and verify the daemon'),
  flag('version,v', 'bool', 'Print version information and quit'),
];

/** The surroundings of one run. */
export class Cli {
  readonly out: Output = stdout;
  readonly err: Output = stderr;
  readonly globals: FlagValues;
  /** The words that led to the command, such as `wharf container ls`. */
  path = PROGRAM;
  #client: ApiClient | undefined;
  #config: ConfigFile | undefined;

  constructor(globals: FlagValues) {
    this.globals = globals;
  }

  /** The address of the daemon: `-H`, `WHARF_HOST`, `DOCKER_HOST`, the default. */
  get endpoint(): Endpoint {
    const hosts = this.globals.list('host');
    if (hosts.length > 1) throw new CliError('Specify only one -H');
    const context = this.globals.string('context') || process.env.DOCKER_CONTEXT || 'default';
    if (context !== 'default') {
      throw new CliError(
        `Failed to initialize: unable to resolve wharf endpoint: context ${JSON.stringify(context)}: context not found`,
        {
          hint: 'contexts are not kept by wharf: name the daemon with -H or WHARF_HOST',
        },
      );
    }
    return parseEndpoint(
      hosts[0] ?? (process.env.WHARF_HOST || process.env.DOCKER_HOST || DEFAULT_HOST),
      this.#tls(),
    );
  }

  #tls(): TlsFiles | undefined {
    const { globals } = this;
    const verify = globals.changed('tlsverify')
      ? globals.bool('tlsverify')
      : Boolean(process.env.DOCKER_TLS_VERIFY);
    if (!verify && !globals.bool('tls') && !process.env.DOCKER_TLS) return undefined;
    const directory = process.env.DOCKER_CERT_PATH || this.config.directory;
    const file = (name: string, standard: string): string =>
      globals.string(name) || join(directory, standard);
    return {
      ca: file('tlscacert', 'ca.pem'),
      cert: file('tlscert', 'cert.pem'),
      key: file('tlskey', 'key.pem'),
      verify,
      explicit: verify || globals.changed('tlscert') || globals.changed('tlskey'),
    };
  }

  get client(): ApiClient {
    if (!this.#client) {
      const version = process.env.DOCKER_API_VERSION;
      const headers = this.#config?.data.HttpHeaders;
      this.#client = new ApiClient(this.endpoint, {
        ...(version && { version }),
        ...(headers && { headers }),
      });
    }
    return this.#client;
  }

  get config(): ConfigFile {
    this.#config ??= new ConfigFile(configDirectory(this.globals.string('config')));
    if (this.#config.problem !== undefined)
      this.warn(`Error loading config file: ${this.#config.path}: ${this.#config.problem}`);
    return this.#config;
  }

  /** A warning on standard error, yellow on a terminal. */
  warn(message: string): void {
    this.err.line(
      this.err.isTerminal && !process.env.NO_COLOR
        ? `\x1b[33mWARNING:\x1b[0m ${message}`
        : `WARNING: ${message}`,
    );
  }
}
