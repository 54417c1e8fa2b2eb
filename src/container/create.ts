/** From a create request and an image to a record: defaults, the image's config, Docker's rules for both. */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { ContainerConfig, ContainerCreateRequest, HostConfig } from '@docker/node-sdk';
import { invalidParameter } from '../errdefs/index.ts';
import { type LogConfig, mergeLogConfig, validateLogConfig } from '../logging/index.ts';
import type { Digest } from '../oci/index.ts';
import { mergeHealth } from './health-config.ts';
import { resolveMounts } from './mounts.ts';
import { timestamp } from './time.ts';
import { type ContainerRecord, type MountRecord, NEVER } from './types.ts';
import { validateCreate } from './validate.ts';

/** What this room needs to know of an image. */
export interface ImageFacts {
  id: Digest;
  diffIds: Digest[];
  /** The config's `config` part. */
  config: {
    User?: string;
    ExposedPorts?: Record<string, unknown> | null;
    Env?: string[] | null;
    Entrypoint?: string[] | null;
    Cmd?: string[] | null;
    Volumes?: Record<string, unknown> | null;
    WorkingDir?: string;
    Labels?: Record<string, string> | null;
    StopSignal?: string;
    Healthcheck?: ContainerConfig['Healthcheck'];
    Shell?: string[] | null;
    OnBuild?: string[] | null;
  };
}

export interface CreateDefaults {
  runtime: string;
  runtimes: readonly string[];
  /** `private` with cgroup v2, `host` with v1, as in Docker. */
  cgroupns: 'host' | 'private';
  maskedPaths: readonly string[];
  readonlyPaths: readonly string[];
  /** The daemon's log driver and options. */
  log: LogConfig;
}

const JOIN = 'container:';

/** @throws InvalidParameter and Conflict in Docker's words */
export function makeRecord(
  request: ContainerCreateRequest,
  image: ImageFacts,
  name: string,
  defaults: CreateDefaults,
  volumesFrom: (container: string) => MountRecord[],
): ContainerRecord {
  const { HostConfig: hostRequest = {}, NetworkingConfig: networking, ...configRequest } = request;
  const id = randomBytes(32).toString('hex');
  validateCreate(configRequest, hostRequest, defaults.runtimes);
  const hostConfig = hostDefaults(hostRequest, defaults);
  // Docker writes it down so where labels could not separate anything.
  const isOpen = hostConfig.Privileged || hostConfig.PidMode === 'host' || hostConfig.IpcMode === 'host';
  if (isOpen) hostConfig.SecurityOpt = [...(hostConfig.SecurityOpt ?? []), 'label=disable'];
  const config = mergeConfig(configRequest, image.config);
  const command = [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])];
  if (command.length === 0) {
    throw invalidParameter('no command specified', {
      hint: 'The image has neither an entrypoint nor a command: give one after the image name',
    });
  }
  config.Hostname ||=
    hostConfig.NetworkMode === 'host'
      ? hostname()
      : hostConfig.NetworkMode?.startsWith('container:')
        ? ''
        : id.slice(0, 12);
  return {
    id,
    name,
    created: timestamp(),
    path: command[0]!,
    args: command.slice(1),
    imageId: image.id,
    diffIds: image.diffIds,
    config,
    hostConfig,
    endpoints: { ...networking?.EndpointsConfig },
    mounts: resolveMounts(hostConfig, Object.keys(config.Volumes ?? {}), volumesFrom),
    state: {
      status: 'created',
      pid: 0,
      exitCode: 0,
      error: '',
      oomKilled: false,
      startedAt: NEVER,
      finishedAt: NEVER,
      manuallyStopped: false,
    },
    restartCount: 0,
  };
}

/**
 * Names the containers whose namespaces are joined by id: they may be renamed. One that does not exist is left as it is,
 * for the start to tell.
 * @param idOf the id of a container by name or prefix
 */
export function joinById(hostConfig: HostConfig, idOf: (container: string) => string | undefined): void {
  for (const field of ['NetworkMode', 'PidMode', 'IpcMode'] as const) {
    const mode = hostConfig[field];
    if (!mode?.startsWith(JOIN)) continue;
    const id = idOf(mode.slice(JOIN.length));
    if (id !== undefined) hostConfig[field] = `${JOIN}${id}`;
  }
}

/** Docker looks for these at creation, for the one of `--network` at the start. @throws InvalidParameter */
export function checkJoins({ PidMode, IpcMode }: HostConfig, exists: (container: string) => boolean): void {
  for (const mode of [PidMode, IpcMode]) {
    if (!mode?.startsWith(JOIN)) continue;
    const name = mode.slice(JOIN.length);
    if (!exists(name)) throw invalidParameter(`No such container: ${name}`);
  }
}

/** Docker's rules for what of the image's config shows through (moby daemon/commit.go `merge`). */
function mergeConfig(request: ContainerConfig, image: ImageFacts['config']): ContainerConfig {
  const config: ContainerConfig = { ...request };
  if (!config.Entrypoint?.length) {
    if (!config.Cmd?.length) config.Cmd = image.Cmd ?? undefined;
    config.Entrypoint ??= image.Entrypoint ?? undefined;
  }
  // `--entrypoint ""` resets the image's entrypoint.
  if (config.Entrypoint?.length === 1 && config.Entrypoint[0] === '') config.Entrypoint = undefined;
  const names = new Set((config.Env ?? []).map(variableName));
  config.Env = [
    ...(config.Env ?? []),
    ...(image.Env ?? []).filter((variable) => !names.has(variableName(variable))),
  ];
  config.User ||= image.User ?? '';
  config.WorkingDir ||= image.WorkingDir ?? '';
  config.Labels = { ...image.Labels, ...config.Labels };
  config.ExposedPorts = orUndefined({ ...image.ExposedPorts, ...config.ExposedPorts });
  config.Volumes = orUndefined({ ...image.Volumes, ...config.Volumes });
  config.StopSignal ||= image.StopSignal;
  config.Healthcheck = mergeHealth(config.Healthcheck, image.Healthcheck);
  config.Shell ??= image.Shell;
  config.OnBuild ??= image.OnBuild;
  return config;
}

const variableName = (variable: string): string => variable.split('=', 1)[0]!;

function orUndefined(object: Record<string, unknown>): Record<string, object> | undefined {
  return Object.keys(object).length > 0 ? (object as Record<string, object>) : undefined;
}

function hostDefaults(request: HostConfig, defaults: CreateDefaults): HostConfig {
  const host: HostConfig = { ...request };
  if (!host.NetworkMode || host.NetworkMode === 'default') host.NetworkMode = 'bridge';
  host.IpcMode ||= 'private';
  host.CgroupnsMode ||= host.Privileged && defaults.cgroupns === 'host' ? 'host' : defaults.cgroupns;
  host.ShmSize ||= 64 * 1024 * 1024;
  // What the command line sends for "not set"; inspect shows null.
  if (host.MemorySwappiness === -1) host.MemorySwappiness = undefined;
  host.Runtime ||= defaults.runtime;
  const log = mergeLogConfig(host.LogConfig, defaults.log);
  validateLogConfig(log);
  host.LogConfig = log as HostConfig['LogConfig'];
  host.RestartPolicy = {
    Name: host.RestartPolicy?.Name || 'no',
    MaximumRetryCount: host.RestartPolicy?.MaximumRetryCount ?? 0,
  };
  // Docker: swap limit defaults to twice the memory limit.
  if ((host.Memory ?? 0) > 0 && !host.MemorySwap) host.MemorySwap = host.Memory! * 2;
  host.MaskedPaths ??= host.Privileged ? undefined : [...defaults.maskedPaths];
  host.ReadonlyPaths ??= host.Privileged ? undefined : [...defaults.readonlyPaths];
  return host;
}
