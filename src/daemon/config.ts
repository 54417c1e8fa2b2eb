/** From settings as written to the engine's and the API's configuration. */
import { existsSync } from 'node:fs';
import { isIP } from 'node:net';
import { isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type EngineConfig, logDefaults, securityDefaults } from '../engine/index.ts';
import { invalidParameter } from '../errdefs/index.ts';
import type { Settings } from './flags.ts';

/** The package's directory: the launcher says it, as what it runs may be the build. */
const PACKAGE = process.env.WHARF_ROOT ?? fileURLToPath(new URL('../..', import.meta.url));
const BRIDGE_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,14}$/;
const INITS = ['/usr/bin/tini-static', '/usr/bin/docker-init', '/usr/bin/tini'];
const LOG_LEVELS = ['debug', 'info', 'warn', 'error'];

export interface DaemonConfig {
  engine: EngineConfig;
  hosts: string[];
  pidfile: string;
  group: string | undefined;
  logLevel: string;
  tls: { verify: boolean; ca: string; cert: string; key: string } | undefined;
}

/** @throws InvalidParameter that names the setting */
export function daemonConfig(settings: Settings): DaemonConfig {
  const text = (flag: string, fallback: string): string => (settings[flag] as string | undefined) ?? fallback;
  const list = (flag: string): string[] => (settings[flag] as string[] | undefined) ?? [];
  const dataRoot = absolute('data-root', text('data-root', '/var/lib/wharf'));
  const execRoot = absolute('exec-root', text('exec-root', '/run/wharf'));
  const debug = settings.debug === true || settings['log-level'] === 'debug';
  const logLevel = debug ? 'debug' : text('log-level', 'info');
  if (!LOG_LEVELS.includes(logLevel)) throw invalidParameter(`invalid log level: ${logLevel}`);
  const runtimes = parseRuntimes(settings['add-runtime']);
  const defaultRuntime = text('default-runtime', 'crun');
  if (!runtimes[defaultRuntime]) {
    throw invalidParameter(`default runtime "${defaultRuntime}" is not known or not installed`, {
      hint: `Install it (apt-get install ${defaultRuntime}) or name one of: ${Object.keys(runtimes).join(', ') || 'none found'}`,
    });
  }
  const bridgeName = text('bridge', 'wharf0');
  if (!BRIDGE_NAME.test(bridgeName)) throw invalidParameter(`invalid bridge name: ${bridgeName}`);
  const pools = parsePools(settings['default-address-pool']);
  const hosts = list('host');
  return {
    engine: {
      dataRoot,
      execRoot,
      bridgeName,
      ...(settings.bip ? { bip: text('bip', '') } : {}),
      ...(pools.length > 0 ? { addressPools: pools } : {}),
      ...(settings.mtu ? { mtu: settings.mtu as number } : {}),
      dns: list('dns'),
      dnsSearch: list('dns-search'),
      dnsOptions: list('dns-opt'),
      ...(settings['cgroup-parent'] ? { cgroupParent: text('cgroup-parent', '') } : {}),
      ...cgroupDriver(list('exec-opt')),
      ...(process.env.WHARF_SHIM_CGROUP ? { shimCgroup: process.env.WHARF_SHIM_CGROUP } : {}),
      runtimes,
      defaultRuntime,
      registry: {
        insecureRegistries: list('insecure-registry'),
        mirrors: list('registry-mirror'),
        certsDirs: ['/etc/wharf/certs.d', '/etc/docker/certs.d'],
        ...proxies(),
      },
      maxConcurrentDownloads: (settings['max-concurrent-downloads'] as number | undefined) ?? 3,
      maxConcurrentUploads: (settings['max-concurrent-uploads'] as number | undefined) ?? 5,
      labels: list('label'),
      logDefaults: logDefaults(text('log-driver', 'json-file'), parseOptions('log-opt', settings['log-opt'])),
      liveRestore: settings['live-restore'] === true,
      ...securityDefaults(text('seccomp-profile', ''), settings['no-new-privileges'] === true),
      ...(settings['userns-remap'] ? { usernsRemap: text('userns-remap', '') } : {}),
      debug,
      shimPath: program(
        'shim-path',
        text('shim-path', join(PACKAGE, '.build/wharf-shim')),
        'npm run setup builds it',
      ),
      initPath: text('init-path', INITS.find((path) => existsSync(path)) ?? INITS[0]!),
      init: settings.init === true,
      cdiSpecDirs: cdiSpecDirs(settings),
      hostGatewayIps: list('host-gateway-ip').map(address),
    },
    hosts: hosts.length > 0 ? hosts : [`unix://${join(execRoot, 'wharf.sock')}`],
    pidfile: text('pidfile', join(execRoot, 'wharfd.pid')),
    group: settings.group as string | undefined,
    logLevel,
    tls:
      settings.tls || settings.tlsverify
        ? {
            verify: settings.tlsverify === true,
            ca: text('tlscacert', ''),
            cert: text('tlscert', ''),
            key: text('tlskey', ''),
          }
        : undefined,
  };
}

/** `native.cgroupdriver` of the exec-opts, which know nothing else on Linux. */
function cgroupDriver(options: readonly string[]): Pick<EngineConfig, 'cgroupDriver'> {
  let driver: EngineConfig['cgroupDriver'];
  for (const option of options) {
    const [key, value] = [
      option.slice(0, option.indexOf('=')).trim().toLowerCase(),
      option.slice(option.indexOf('=') + 1).trim(),
    ];
    if (!option.includes('=')) throw invalidParameter(`unable to parse key/value option: ${option}`);
    if (key !== 'native.cgroupdriver') continue;
    if (value !== 'cgroupfs' && value !== 'systemd') {
      throw invalidParameter(`native.cgroupdriver option ${value} not supported`, {
        hint: 'It is cgroupfs or systemd',
      });
    }
    driver = value;
  }
  return driver ? { cgroupDriver: driver } : {};
}

/** `key=value` of flags, or an object of daemon.json. */
function parseOptions(flag: string, value: unknown): Record<string, string> {
  if (!Array.isArray(value)) {
    const entries = Object.entries((value ?? {}) as Record<string, unknown>);
    const bad = entries.find(([, item]) => typeof item !== 'string');
    if (bad) throw invalidParameter(`${flag}s: ${bad[0]} wants a string`);
    return Object.fromEntries(entries) as Record<string, string>;
  }
  return Object.fromEntries(
    (value as string[]).map((item) => {
      const at = item.indexOf('=');
      if (at < 1) throw invalidParameter(`invalid value "${item}" for --${flag}: expected key=value`);
      return [item.slice(0, at), item.slice(at + 1)];
    }),
  );
}

function absolute(flag: string, path: string): string {
  if (!isAbsolute(path)) throw invalidParameter(`--${flag} wants an absolute path: ${path}`);
  return join(path);
}

function program(flag: string, path: string, hint: string): string {
  if (!existsSync(path)) throw invalidParameter(`--${flag}: there is no ${path}`, { hint });
  return path;
}

const CDI_SPEC_DIRS = ['/etc/cdi', '/var/run/cdi'];

/** One empty directory, or the feature switched off, means none. */
function cdiSpecDirs(settings: Settings): string[] {
  const dirs = (settings['cdi-spec-dir'] as string[] | undefined) ?? CDI_SPEC_DIRS;
  if (parseFeatures(settings.feature).cdi === false) return [];
  return dirs.filter((dir) => dir !== '').map((dir) => absolute('cdi-spec-dir', dir));
}

/** `--feature name[=true|false]`, or an object of daemon.json. Names that nobody knows do nothing, as in dockerd. */
function parseFeatures(value: unknown): Record<string, boolean> {
  if (!Array.isArray(value)) {
    for (const [name, on] of Object.entries((value ?? {}) as Record<string, unknown>)) {
      if (typeof on !== 'boolean')
        throw invalidParameter(`invalid feature ${name}: it is on (true) or off (false)`);
    }
    return { ...(value as Record<string, boolean> | undefined) };
  }
  return Object.fromEntries(
    (value as string[]).map((text) => {
      const [, name = '', , on = 'true'] = /^([^=]+)(=(true|false))?$/.exec(text) ?? [];
      if (name === '') throw invalidParameter(`invalid feature: ${text}: expected name=true or name=false`);
      return [name, on === 'true'];
    }),
  );
}

function address(text: string): string {
  if (isIP(text) === 0)
    throw invalidParameter(`ip address is not correctly formatted: ${JSON.stringify(text)}`);
  return text;
}

/** The runtimes found on this machine, and those of `--add-runtime name=path` or `runtimes` of daemon.json. */
function parseRuntimes(value: unknown): EngineConfig['runtimes'] {
  const runtimes: Record<string, { path: string; args: string[] }> = {};
  for (const name of ['crun', 'runc', 'youki', 'runsc']) {
    const path = findProgram(name);
    if (path) runtimes[name] = { path, args: [] };
  }
  if (Array.isArray(value)) {
    for (const spec of value as string[]) {
      const at = spec.indexOf('=');
      if (at < 1) throw invalidParameter(`invalid runtime: ${spec}: expected name=path`);
      runtimes[spec.slice(0, at)] = { path: findProgram(spec.slice(at + 1)) ?? spec.slice(at + 1), args: [] };
    }
  } else {
    for (const [name, runtime] of Object.entries((value ?? {}) as Record<string, unknown>)) {
      const { path, runtimeArgs = [] } = (runtime ?? {}) as { path?: unknown; runtimeArgs?: unknown };
      if (typeof path !== 'string' || !Array.isArray(runtimeArgs)) {
        throw invalidParameter(`invalid runtime ${name}: it wants a path`);
      }
      runtimes[name] = { path: findProgram(path) ?? path, args: runtimeArgs.map(String) };
    }
  }
  return runtimes;
}

function findProgram(name: string): string | undefined {
  if (isAbsolute(name)) return existsSync(name) ? name : undefined;
  return ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']
    .map((dir) => join(dir, name))
    .find((path) => existsSync(path));
}

function parsePools(value: unknown): { base: string; size: number }[] {
  if (value === undefined) return [];
  const pools = (value as unknown[]).map((item) =>
    typeof item === 'string' ? Object.fromEntries(item.split(',').map((part) => part.split('=', 2))) : item,
  ) as { base?: unknown; size?: unknown }[];
  return pools.map(({ base, size }) => {
    if (typeof base !== 'string' || !Number.isInteger(Number(size))) {
      throw invalidParameter('invalid default address pool: expected base=CIDR,size=BITS');
    }
    return { base, size: Number(size) };
  });
}

function proxies(): { httpProxy?: string; httpsProxy?: string; noProxy?: string } {
  const env = (name: string): string | undefined => process.env[name.toUpperCase()] ?? process.env[name];
  const [http, https, no] = [env('http_proxy'), env('https_proxy'), env('no_proxy')];
  return {
    ...(http ? { httpProxy: http } : {}),
    ...(https ? { httpsProxy: https } : {}),
    ...(no ? { noProxy: no } : {}),
  };
}
