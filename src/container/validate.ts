/** What a create request may not say, in Docker's words. */

import type { ContainerConfig, HostConfig } from '@docker/node-sdk';
import { invalidParameter, messageOf } from '../errdefs/index.ts';
import { signalNumber } from '../linux/index.ts';
import { checkPortBindings } from '../network/index.ts';
import { normalizeCapabilities } from '../runtime/index.ts';
import { validateHealth } from './health-config.ts';
import { ON_UNHEALTHY } from './restart-backoff.ts';

const RESTART_POLICIES = ['', 'no', 'always', 'unless-stopped', 'on-failure', ON_UNHEALTHY];

/** @throws InvalidParameter */
export function validateCreate(
  config: ContainerConfig,
  hostConfig: HostConfig,
  runtimes: readonly string[],
): void {
  if (config.WorkingDir && !config.WorkingDir.startsWith('/')) {
    throw invalidParameter(
      `the working directory '${config.WorkingDir}' is invalid, it needs to be an absolute path`,
    );
  }
  for (const variable of config.Env ?? []) {
    if (variable === '' || variable.startsWith('='))
      throw invalidParameter(`invalid environment variable: ${variable}`);
    if (variable.includes('\0'))
      throw invalidParameter('invalid environment variable: it contains a null byte');
  }
  validateHealth(config.Healthcheck);
  if (config.StopSignal) signalNumber(config.StopSignal);
  if (config.Hostname && (config.Hostname.length > 63 || config.Hostname.includes('\0'))) {
    throw invalidParameter(`invalid hostname: ${config.Hostname}`);
  }
  checkPortBindings(hostConfig.PortBindings ?? {});
  validateCapabilities('CapAdd', hostConfig.CapAdd);
  validateCapabilities('CapDrop', hostConfig.CapDrop);
  for (const [path, options] of Object.entries(hostConfig.Tmpfs ?? {})) validateTmpfs(path, options);
  if (!['', 'default'].includes(hostConfig.Isolation ?? '')) {
    throw invalidParameter(`invalid isolation '${hostConfig.Isolation}' on linux`);
  }
  validateScores(hostConfig);
  validateModes(config, hostConfig);
  validateRestart(hostConfig);
  if (hostConfig.Runtime && !runtimes.includes(hostConfig.Runtime)) {
    throw invalidParameter(`unknown or invalid runtime name: ${hostConfig.Runtime}`, {
      hint: `Runtimes there are: ${runtimes.join(', ')}`,
    });
  }
}

function validateCapabilities(field: string, names: HostConfig['CapAdd']): void {
  try {
    normalizeCapabilities(names ?? []);
  } catch (err) {
    throw invalidParameter(`invalid ${field}: ${messageOf(err)}`, { cause: err });
  }
}

/** Options of tmpfs(5), and of mount(8) for any file system, that Docker knows. */
const TMPFS_FLAGS =
  'ro rw suid nosuid dev nodev exec noexec sync async dirsync remount mand nomand atime noatime diratime nodiratime bind rbind unbindable runbindable private rprivate shared rshared slave rslave relatime norelatime strictatime nostrictatime'.split(
    ' ',
  );
const TMPFS_VALUES = ['size', 'mode', 'uid', 'gid', 'nr_inodes', 'nr_blocks', 'mpol'];

function validateTmpfs(path: string, options: string): void {
  if (!path.startsWith('/')) {
    throw invalidParameter(`invalid mount path: '${path}' mount path must be absolute`);
  }
  for (const option of options.split(',').filter(Boolean)) {
    const [name = '', ...values] = option.split('=');
    if (values.length === 0 ? TMPFS_FLAGS.includes(name) : TMPFS_VALUES.includes(name)) continue;
    const words = [name, ...values].map((word) => `"${word}"`).join(' ');
    throw invalidParameter(
      values.length === 0 ? `invalid tmpfs option "${name}"` : `invalid tmpfs option [${words}]`,
    );
  }
}

function validateScores(host: HostConfig): void {
  if ((host.ShmSize ?? 0) < 0) throw invalidParameter('SHM size can not be less than 0');
  const score = host.OomScoreAdj ?? 0;
  if (score < -1000 || score > 1000) {
    throw invalidParameter(`Invalid value ${score}, range for oom score adj is [-1000, 1000]`);
  }
}

function validateModes(config: ContainerConfig, host: HostConfig): void {
  const mode = host.NetworkMode ?? '';
  const joins = mode.startsWith('container:');
  if (joins && mode === 'container:') {
    throw invalidParameter('Invalid network mode: invalid container format container:<name|id>');
  }
  if (joins && config.Hostname) throw invalidParameter('conflicting options: hostname and the network mode');
  if (joins && (host.Links?.length ?? 0) > 0) {
    throw invalidParameter(
      "conflicting options: container type network can't be used with links. This would result in undefined behavior",
    );
  }
  if (joins && (host.Dns?.length ?? 0) > 0)
    throw invalidParameter('conflicting options: dns and the network mode');
  if (joins && (host.ExtraHosts?.length ?? 0) > 0) {
    throw invalidParameter('conflicting options: custom host-to-IP mapping and the network mode');
  }
  if (joins && (Object.keys(host.PortBindings ?? {}).length > 0 || host.PublishAllPorts)) {
    throw invalidParameter('conflicting options: port publishing and the container type network mode');
  }
  if (joins && Object.keys(config.ExposedPorts ?? {}).length > 0) {
    throw invalidParameter('conflicting options: port exposing and the container type network mode');
  }
  if (host.UTSMode === 'host' && config.Hostname)
    throw invalidParameter('conflicting options: hostname and the UTS mode');
  for (const [what, value, allowed] of [
    ['IPC', host.IpcMode ?? '', ['', 'none', 'private', 'shareable', 'host']],
    ['PID', host.PidMode ?? '', ['', 'host']],
    ['UTS', host.UTSMode ?? '', ['', 'host']],
    ['userns', host.UsernsMode ?? '', ['', 'host']],
    ['cgroup namespace', host.CgroupnsMode ?? '', ['', 'private', 'host']],
  ] as const) {
    if ((allowed as readonly string[]).includes(value)) continue;
    if ((what === 'IPC' || what === 'PID') && /^container:.+/.test(value)) continue;
    throw invalidParameter(`invalid ${what} mode: ${value}`);
  }
  for (const line of host.ExtraHosts ?? []) {
    const [name, address] = [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)];
    if (!line.includes(':') || !name || !address)
      throw invalidParameter(`bad format for add-host: "${line}"`);
  }
}

/** @throws InvalidParameter */
export function validateRestart(host: HostConfig): void {
  const policy = host.RestartPolicy ?? {};
  const name: string = policy.Name ?? '';
  if (!RESTART_POLICIES.includes(name)) {
    throw invalidParameter(
      `invalid restart policy: unknown policy '${name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`,
    );
  }
  const retries = policy.MaximumRetryCount ?? 0;
  if (retries < 0) throw invalidParameter('invalid restart policy: maximum retry count cannot be negative');
  if (retries > 0 && name !== 'on-failure' && name !== ON_UNHEALTHY) {
    throw invalidParameter("invalid restart policy: maximum retry count can only be used with 'on-failure'");
  }
  if (host.AutoRemove && name !== '' && name !== 'no') {
    throw invalidParameter("can't create 'AutoRemove' container with restart policy");
  }
}
