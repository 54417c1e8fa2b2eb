/** `wharfd`'s command line and `daemon.json`, under dockerd's names, and how they become one configuration. */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { invalidParameter, messageOf } from '../errdefs/index.ts';

type Kind = 'string' | 'list' | 'boolean' | 'number' | 'json';

/** A setting: its flag (without dashes), its key in daemon.json, and what it holds. */
interface Setting {
  flag: string;
  key: string;
  kind: Kind;
  short?: string;
  help: string;
}

/** Every setting of the daemon; help, parsing and daemon.json are made of this table. */
export const SETTINGS: readonly Setting[] = [
  {
    flag: 'host',
    key: 'hosts',
    kind: 'list',
    short: 'H',
    help: 'Socket to listen on: unix:///path, tcp://host:port, fd://',
  },
  {
    flag: 'data-root',
    key: 'data-root',
    kind: 'string',
    help: 'Where images, containers and volumes are kept (default /var/lib/wharf)',
  },
  {
    flag: 'exec-root',
    key: 'exec-root',
    kind: 'string',
    help: 'Where runtime state is kept (default /run/wharf)',
  },
  {
    flag: 'pidfile',
    key: 'pidfile',
    kind: 'string',
    short: 'p',
    help: 'File for the process id (default <exec root>/wharfd.pid)',
  },
  {
    flag: 'bridge',
    key: 'bridge',
    kind: 'string',
    short: 'b',
    help: 'Name of the default bridge (default wharf0)',
  },
  {
    flag: 'bip',
    key: 'bip',
    kind: 'string',
    help: 'Address and subnet of the default bridge, e.g. 10.9.0.1/16 (default: a free one)',
  },
  { flag: 'mtu', key: 'mtu', kind: 'number', help: 'MTU of the containers’ links' },
  {
    flag: 'default-address-pool',
    key: 'default-address-pools',
    kind: 'json',
    help: 'Pools for networks: base=10.10.0.0/16,size=24',
  },
  { flag: 'dns', key: 'dns', kind: 'list', help: 'DNS servers for containers' },
  { flag: 'dns-search', key: 'dns-search', kind: 'list', help: 'DNS search domains' },
  { flag: 'dns-opt', key: 'dns-opts', kind: 'list', help: 'DNS options' },
  {
    flag: 'cgroup-parent',
    key: 'cgroup-parent',
    kind: 'string',
    help: 'Cgroup of the containers (default /wharf), or with systemd their slice (system.slice)',
  },
  {
    flag: 'exec-opt',
    key: 'exec-opts',
    kind: 'list',
    help: 'native.cgroupdriver=cgroupfs or systemd (default: systemd where it runs, with cgroup v2)',
  },
  { flag: 'add-runtime', key: 'runtimes', kind: 'json', help: 'A further OCI runtime: name=path' },
  {
    flag: 'default-runtime',
    key: 'default-runtime',
    kind: 'string',
    help: 'OCI runtime of containers that name none (default crun)',
  },
  {
    flag: 'insecure-registry',
    key: 'insecure-registries',
    kind: 'list',
    help: 'Registry reached by http, or by https with any certificate',
  },
  {
    flag: 'registry-mirror',
    key: 'registry-mirrors',
    kind: 'list',
    help: 'Mirror of docker.io, asked first',
  },
  {
    flag: 'max-concurrent-downloads',
    key: 'max-concurrent-downloads',
    kind: 'number',
    help: 'Layers downloaded at once in a pull (default 3)',
  },
  {
    flag: 'max-concurrent-uploads',
    key: 'max-concurrent-uploads',
    kind: 'number',
    help: 'Layers uploaded at once in a push (default 5)',
  },
  { flag: 'group', key: 'group', kind: 'string', short: 'G', help: 'Group of the unix socket' },
  { flag: 'label', key: 'labels', kind: 'list', help: 'Label of this engine, key=value' },
  {
    flag: 'log-driver',
    key: 'log-driver',
    kind: 'string',
    help: 'Log driver of containers that name none (default json-file)',
  },
  { flag: 'log-opt', key: 'log-opts', kind: 'json', help: 'Option of that log driver: key=value' },
  {
    flag: 'live-restore',
    key: 'live-restore',
    kind: 'boolean',
    help: 'Containers run on when the daemon is stopped',
  },
  {
    flag: 'seccomp-profile',
    key: 'seccomp-profile',
    kind: 'string',
    help: 'Seccomp profile of containers that name none: a file, builtin or unconfined (default builtin)',
  },
  {
    flag: 'no-new-privileges',
    key: 'no-new-privileges',
    kind: 'boolean',
    help: 'Containers cannot gain privileges, unless they say no-new-privileges=false',
  },
  {
    flag: 'userns-remap',
    key: 'userns-remap',
    kind: 'string',
    help: 'Containers get user namespaces with the subordinate ids of this user: default, user[:group] or uid[:gid]',
  },
  { flag: 'tls', key: 'tls', kind: 'boolean', help: 'Use TLS on tcp sockets' },
  {
    flag: 'tlsverify',
    key: 'tlsverify',
    kind: 'boolean',
    help: 'Use TLS and accept only clients with a certificate of the CA',
  },
  { flag: 'tlscacert', key: 'tlscacert', kind: 'string', help: 'CA of the clients’ certificates' },
  { flag: 'tlscert', key: 'tlscert', kind: 'string', help: 'The daemon’s certificate' },
  { flag: 'tlskey', key: 'tlskey', kind: 'string', help: 'The certificate’s key' },
  {
    flag: 'init-path',
    key: 'init-path',
    kind: 'string',
    help: 'Program of --init (default: tini of this machine)',
  },
  {
    flag: 'init',
    key: 'init',
    kind: 'boolean',
    help: 'Run an init in containers that do not say otherwise',
  },
  {
    flag: 'cdi-spec-dir',
    key: 'cdi-spec-dirs',
    kind: 'list',
    help: 'Directory of CDI device specifications (default /etc/cdi and /var/run/cdi; "" for none)',
  },
  {
    flag: 'feature',
    key: 'features',
    kind: 'json',
    help: 'Switch a feature on or off: cdi=false',
  },
  {
    flag: 'host-gateway-ip',
    key: 'host-gateway-ips',
    kind: 'list',
    help: 'Address that host-gateway of --add-host stands for (default: that of the default bridge)',
  },
  {
    flag: 'shim-path',
    key: 'shim-path',
    kind: 'string',
    help: 'The wharf-shim binary (default: the one built by setup)',
  },
  {
    flag: 'log-level',
    key: 'log-level',
    kind: 'string',
    short: 'l',
    help: 'debug, info, warn or error (default info)',
  },
  { flag: 'debug', key: 'debug', kind: 'boolean', short: 'D', help: 'The same as --log-level debug' },
  { flag: 'config-file', key: '', kind: 'string', help: 'Settings as JSON (default /etc/wharf/daemon.json)' },
  { flag: 'validate', key: '', kind: 'boolean', help: 'Check the settings and exit' },
  { flag: 'version', key: '', kind: 'boolean', short: 'v', help: 'Print the version and exit' },
  { flag: 'help', key: '', kind: 'boolean', short: 'h', help: 'Print this and exit' },
];

/** Keys of lists that once held one value. */
const OLD_KEYS: Readonly<Record<string, string>> = { 'host-gateway-ip': 'host-gateway-ips' };

const DEFAULT_CONFIG_FILE = '/etc/wharf/daemon.json';

/** Settings by flag name; lists and JSON as they came. */
export type Settings = Readonly<Record<string, unknown>>;

/** Reads the command line, then the configuration file. A setting in both is an error, as in dockerd. */
export function readSettings(argv: readonly string[]): Settings {
  const flags = parseFlags(argv);
  const path = (flags['config-file'] as string | undefined) ?? DEFAULT_CONFIG_FILE;
  const file = readConfigFile(path, flags['config-file'] !== undefined);
  const both = Object.keys(file).filter((flag) => flags[flag] !== undefined && !Array.isArray(flags[flag]));
  if (both.length > 0) {
    throw invalidParameter(
      `unable to configure the daemon with file ${path}: the following directives are specified both as a flag and in the configuration file: ${both.join(', ')}`,
    );
  }
  const merged: Record<string, unknown> = { ...file, ...flags };
  for (const [key, value] of Object.entries(file)) {
    const given = flags[key];
    if (Array.isArray(given) && Array.isArray(value)) merged[key] = [...value, ...given];
  }
  return merged;
}

function parseFlags(argv: readonly string[]): Record<string, unknown> {
  const options = Object.fromEntries(
    SETTINGS.map(({ flag, kind, short }) => [
      flag,
      {
        type: kind === 'boolean' ? ('boolean' as const) : ('string' as const),
        multiple: kind === 'list' || kind === 'json',
        ...(short ? { short } : {}),
      },
    ]),
  );
  try {
    const { values } = parseArgs({ args: [...argv], options, strict: true, allowPositionals: false });
    return Object.fromEntries(
      Object.entries(values).map(([flag, value]) => [
        flag,
        kindOfFlag(flag) === 'number' ? toNumber(flag, value) : value,
      ]),
    );
  } catch (err) {
    throw invalidParameter(messageOf(err), { hint: "See 'wharfd --help'" });
  }
}

const kindOfFlag = (flag: string): Kind | undefined =>
  SETTINGS.find((setting) => setting.flag === flag)?.kind;

function toNumber(flag: string, value: unknown): number {
  const number = Number(value);
  if (!Number.isInteger(number) || number < 0)
    throw invalidParameter(`invalid value "${String(value)}" for --${flag}`);
  return number;
}

function readConfigFile(path: string, required: boolean): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (err) {
    if (!required && err instanceof Error && 'code' in err && err.code === 'ENOENT') return {};
    throw invalidParameter(`unable to configure the daemon with file ${path}: ${messageOf(err)}`);
  }
  const out: Record<string, unknown> = {};
  for (const [name, given] of Object.entries(parseObject(text, path))) {
    const old = OLD_KEYS[name];
    const key = old ?? name;
    const value = old !== undefined && typeof given === 'string' ? [given] : given;
    const setting = SETTINGS.find((s) => s.key === key && key !== '');
    if (!setting) {
      throw invalidParameter(
        `unable to configure the daemon with file ${path}: the following directives don't match any configuration option: ${key}`,
      );
    }
    if (!fits(setting.kind, value)) {
      throw invalidParameter(
        `unable to configure the daemon with file ${path}: ${key} wants a ${setting.kind}`,
      );
    }
    out[setting.flag] = value;
  }
  return out;
}

function parseObject(text: string, path: string): object {
  try {
    const value: unknown = JSON.parse(text.trim() === '' ? '{}' : text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch (err) {
    throw invalidParameter(`unable to configure the daemon with file ${path}: ${messageOf(err)}`);
  }
  throw invalidParameter(`unable to configure the daemon with file ${path}: it holds no JSON object`);
}

function fits(kind: Kind, value: unknown): boolean {
  switch (kind) {
    case 'list':
      return Array.isArray(value) && value.every((item) => typeof item === 'string');
    case 'json':
      return typeof value === 'object' && value !== null;
    default:
      return typeof value === kind;
  }
}

/** The text of `wharfd --help`. */
export function helpText(): string {
  const rows = SETTINGS.map(({ flag, short, kind, help }) => {
    const left = `${short ? `-${short}, ` : '    '}--${flag}${kind === 'boolean' ? '' : ` ${kind === 'json' ? 'list' : kind}`}`;
    return `  ${left.padEnd(36)}${help}`;
  });
  return `Usage:  wharfd [OPTIONS]\n\nA container engine that serves the Docker Engine API.\n\nOptions:\n${rows.join('\n')}\n`;
}
