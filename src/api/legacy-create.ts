/**
 * `POST /containers/create` of older clients brought to the newest form: fields they cannot know are
 * dropped, their defaults filled in, and what moved is moved, with Docker's warnings and refusals.
 */
import type { ContainerCreateRequest, EndpointSettings, HostConfig, Mount } from '@docker/node-sdk';
import { invalidParameter } from '../errdefs/index.ts';
import type { ApiVersion } from './api-version.ts';

type Config = ContainerCreateRequest & { HostConfig: HostConfig };

/** Changes `request` in place; the warnings go into the answer. */
export function modernizeCreate(request: ContainerCreateRequest, version: ApiVersion): string[] {
  request.HostConfig ??= {};
  request.NetworkingConfig ??= {};
  request.NetworkingConfig.EndpointsConfig ??= {};
  const config = request as Config;
  // docker-py sends `{"net": null}` for an endpoint without settings.
  for (const name of Object.keys(endpoints(config))) endpoints(config)[name] ??= {};
  const warnings: string[] = [];
  defaultNetwork(config);
  oldDefaults(config, version);
  checkMounts(config, version);
  checkEndpoints(config, version);
  warnings.push(
    ...volumeDriver(config, version),
    ...macAddress(config, version),
    ...sysctls(config, version),
  );
  for (const [port, bindings] of Object.entries(config.HostConfig.PortBindings ?? {})) {
    // An exposed port without a binding means "any host port" up to API 1.51.
    if (!bindings || bindings.length === 0) (config.HostConfig.PortBindings ?? {})[port] = [{}];
  }
  const { PidsLimit } = config.HostConfig;
  if (typeof PidsLimit === 'number' && PidsLimit <= 0) delete config.HostConfig.PidsLimit;
  return warnings;
}

const endpoints = (config: Config): Record<string, EndpointSettings> =>
  config.NetworkingConfig?.EndpointsConfig ?? {};

/** `default` and nothing both mean the default bridge. */
function defaultNetwork(config: Config): void {
  const mode = config.HostConfig.NetworkMode ?? '';
  if (mode !== '' && mode !== 'default') return;
  config.HostConfig.NetworkMode = 'bridge';
  const all = endpoints(config);
  if (all.default) {
    all.bridge = all.default;
    delete all.default;
  }
}

function oldDefaults(config: Config, version: ApiVersion): void {
  const host = config.HostConfig;
  if (version < 40) host.IpcMode ||= 'shareable';
  if (version < 42) {
    delete host.ConsoleSize;
    for (const mount of host.Mounts ?? []) dropForeignOptions(mount);
  }
  if (version < 43) delete host.Annotations;
  if (version < 44) {
    if (config.Healthcheck) delete config.Healthcheck.StartInterval;
    for (const mount of host.Mounts ?? []) {
      if (mount.Type === 'bind' && mount.ReadOnly) {
        // Read-only binds were not recursive before 1.44.
        mount.BindOptions = { ...mount.BindOptions, ReadOnlyNonRecursive: true };
      }
    }
  }
  if (version < 48) for (const endpoint of Object.values(endpoints(config))) delete endpoint.GwPriority;
}

function dropForeignOptions(mount: Mount): void {
  if (mount.Type !== 'volume') delete mount.VolumeOptions;
  if (mount.Type !== 'tmpfs') delete mount.TmpfsOptions;
  if (mount.BindOptions) delete mount.BindOptions.CreateMountpoint;
}

function checkMounts(config: Config, version: ApiVersion): void {
  for (const mount of config.HostConfig.Mounts ?? []) {
    const { Type: type } = mount;
    if (version >= 42) {
      for (const [option, owner] of [
        ['VolumeOptions', 'volume'],
        ['BindOptions', 'bind'],
        ['TmpfsOptions', 'tmpfs'],
      ] as const) {
        if (mount[option] && type !== owner) {
          throw invalidParameter(`${option} must not be specified on mount type "${type ?? ''}"`);
        }
      }
    }
    if (version < 44 && type === 'bind' && mount.BindOptions?.ReadOnlyForceRecursive) {
      throw invalidParameter('BindOptions.ReadOnlyForceRecursive needs API v1.44 or newer');
    }
    if (version < 45 && mount.VolumeOptions?.Subpath) {
      throw invalidParameter('VolumeOptions.Subpath needs API v1.45 or newer');
    }
    if (version < 48 && type === 'image') {
      throw invalidParameter('Mount type "Image" needs API v1.48 or newer');
    }
  }
}

function checkEndpoints(config: Config, version: ApiVersion): void {
  const names = Object.keys(endpoints(config));
  if (version < 44 && names.length > 1) {
    throw invalidParameter(
      `Container cannot be created with multiple network endpoints: ${names.join(', ')}`,
    );
  }
}

function volumeDriver(config: Config, version: ApiVersion): string[] {
  if (version < 48 || !config.HostConfig.VolumeDriver) return [];
  const ambiguous = (config.HostConfig.Mounts ?? []).some(
    (mount) => mount.Type === 'volume' && !mount.VolumeOptions?.DriverConfig?.Name,
  );
  return ambiguous
    ? [
        "WARNING: the container-wide volume-driver configuration is ignored for volumes specified via 'mount'. Use '--mount type=volume,volume-driver=...' instead",
      ]
    : [];
}

/** The container-wide MAC address became the endpoint's in API 1.44. */
function macAddress(config: Config, version: ApiVersion): string[] {
  const mac = config.MacAddress;
  delete config.MacAddress;
  const mode = config.HostConfig.NetworkMode ?? '';
  if (version < 44) {
    if (!mac) {
      for (const endpoint of Object.values(endpoints(config))) delete endpoint.MacAddress;
      return [];
    }
    if (!ownEndpoint(mode)) throw invalidParameter('conflicting options: mac-address and the network mode');
    endpointOfMode(config, version).MacAddress = mac;
    return [];
  }
  if (!mac) return [];
  if (ownEndpoint(mode)) {
    const endpoint = endpointOfMode(config, version);
    if (endpoint.MacAddress && endpoint.MacAddress !== mac) {
      throw invalidParameter(
        'the container-wide MAC address must match the endpoint-specific MAC address for the main network, or be left empty',
      );
    }
    endpoint.MacAddress = mac;
  }
  return [
    'The container-wide MacAddress field is now deprecated. It should be specified in EndpointsConfig instead.',
  ];
}

/** True for the default bridge and user-defined networks. */
const ownEndpoint = (mode: string): boolean => !/^(host|none)$|^container:/.test(mode);

/** The endpoint of the network that `NetworkMode` names, made when there is none at all. */
function endpointOfMode(config: Config, version: ApiVersion): EndpointSettings {
  const mode = config.HostConfig.NetworkMode ?? 'bridge';
  const all = endpoints(config);
  const existing = all[mode] ?? (version < 44 ? Object.values(all)[0] : undefined);
  if (existing) return existing;
  if (Object.keys(all).length > 0) {
    throw invalidParameter(
      'HostConfig.NetworkMode must match the identity of a network in NetworkSettings.Networks',
    );
  }
  const made: EndpointSettings = {};
  all[mode] = made;
  return made;
}

const ENDPOINT_SYSCTLS = 'com.docker.network.endpoint.sysctls';

/** `net.ipv4.conf.eth0.x` belongs to an endpoint: moved there up to API 1.47, refused later. */
function sysctls(config: Config, version: ApiVersion): string[] {
  const mode = config.HostConfig.NetworkMode ?? '';
  if (/^host$|^container:/.test(mode)) return [];
  const all = config.HostConfig.Sysctls ?? {};
  const moved: string[] = [];
  const settings: string[] = [];
  for (const [name, value] of Object.entries(all)) {
    const match = /^net\.([^.]+)\.([^.]+)\.(eth[^.]*)\.(.+)$/s.exec(name);
    if (!match) continue;
    if (version > 47) {
      throw invalidParameter(
        `interface specific sysctl setting "${name}" must be supplied using driver option '${ENDPOINT_SYSCTLS}'`,
      );
    }
    if (match[3] !== 'eth0') {
      throw invalidParameter(
        `unable to determine network endpoint for sysctl ${name}, use driver option '${ENDPOINT_SYSCTLS}' to set per-interface sysctls`,
      );
    }
    moved.push(name);
    settings.push(`net.${match[1]}.${match[2]}.IFNAME.${match[4]}=${value}`);
  }
  if (moved.length === 0) return [];
  const endpoint = endpointOfMode(config, version);
  const own = endpoint.DriverOpts?.[ENDPOINT_SYSCTLS];
  endpoint.DriverOpts = {
    ...endpoint.DriverOpts,
    [ENDPOINT_SYSCTLS]: [...settings, own].filter(Boolean).join(','),
  };
  for (const name of moved) delete all[name];
  return [
    `Migrated sysctl "${moved.join(',')}" to DriverOpts{"${ENDPOINT_SYSCTLS}":"${settings.join(',')}"}.`,
  ];
}
