/** Turns the flags of `create` and `run` into the API's container config. */
import type { ContainerConfig, HealthConfig, HostConfig, NetworkingConfig } from '@docker/node-sdk';
import type { FlagValues } from '../../flags/flag.ts';
import { keyValues, parseEnv, parseLabels } from '../../parse/env.ts';
import { parseMount, parseTmpfs, parseVolumes } from '../../parse/mounts.ts';
import { parseNetworks } from '../../parse/network.ts';
import { parseCapabilities, parseOptions, parseRestart, parseSecurityOptions } from '../../parse/policies.ts';
import { parsePorts } from '../../parse/ports.ts';
import {
  parseCpus,
  parseDevices,
  parseGpus,
  parseThrottle,
  parseUlimit,
  parseWeightDevice,
} from '../../parse/resources.ts';

/** The body of `POST /containers/create`. */
export type CreateBody = ContainerConfig & { HostConfig: HostConfig; NetworkingConfig: NetworkingConfig };

type Draft<T> = { -readonly [K in keyof T]?: T[K] };

/** Leaves out what says nothing: undefined, '', 0, false, and empty lists and maps. The daemon's defaults are those. */
function compact<T extends object>(value: T): T {
  const entries = Object.entries(value).filter(([, v]) => {
    if (v === undefined || v === null || v === '' || v === 0 || v === false) return false;
    return typeof v !== 'object' || (Array.isArray(v) ? v.length > 0 : Object.keys(v).length > 0);
  });
  return Object.fromEntries(entries) as T;
}

/** Builds the config. @throws Error with docker's words */
export function containerConfig(flags: FlagValues, image: string, command: readonly string[]): CreateBody {
  checkModes(flags);
  const tty = flags.bool('tty');
  const interactive = flags.bool('interactive');
  const attach = flags.list('attach');
  const attachStdin = interactive || attach.includes('stdin');
  const attachOutputs = attach.length === 0;
  const ports = parsePorts(flags.list('publish'), flags.list('expose'));
  const volumes = parseVolumes(flags.list('volume'));
  const networks = parseNetworks([...flags.list('network'), ...flags.list('net')], {
    aliases: [...flags.list('network-alias'), ...flags.list('net-alias')],
    links: flags.list('link'),
    ip: flags.string('ip'),
    ip6: flags.string('ip6'),
    linkLocal: flags.list('link-local-ip'),
    mac: flags.string('mac-address'),
  });
  const [hostname, domainname] = [flags.string('hostname'), flags.string('domainname')];
  const config: Draft<ContainerConfig> = {
    Hostname: hostname,
    Domainname: domainname,
    User: flags.string('user'),
    AttachStdin: attachStdin,
    AttachStdout: attachOutputs || attach.includes('stdout'),
    AttachStderr: attachOutputs || attach.includes('stderr'),
    ExposedPorts: ports.exposed,
    Tty: tty,
    OpenStdin: interactive,
    StdinOnce: interactive && attachStdin,
    Env: parseEnv(flags.list('env-file'), flags.list('env')),
    Volumes: volumes.volumes,
    WorkingDir: flags.string('workdir'),
    Labels: parseLabels(flags.list('label-file'), flags.list('label')),
    StopSignal: flags.string('stop-signal'),
  };
  const body: Draft<CreateBody> = compact(config);
  body.Image = image;
  if (command.length) body.Cmd = [...command];
  // An empty --entrypoint clears the image's: the API wants a list with one empty string for that.
  if (flags.changed('entrypoint')) body.Entrypoint = [flags.string('entrypoint')];
  const health = healthConfig(flags);
  if (health) body.Healthcheck = health;
  if (flags.changed('stop-timeout')) body.StopTimeout = flags.int('stop-timeout');
  body.HostConfig = hostConfig(flags, ports.bindings, volumes.binds, networks.mode);
  body.NetworkingConfig = { EndpointsConfig: networks.endpoints };
  return body as CreateBody;
}

const byName = (a: { Name?: string }, b: { Name?: string }): number =>
  (a.Name ?? '') < (b.Name ?? '') ? -1 : 1;

/** Mistakes that docker's client finds itself. */
function checkModes(flags: FlagValues): void {
  const swappiness = flags.int('memory-swappiness');
  if (swappiness !== -1 && (swappiness < 0 || swappiness > 100)) {
    throw new Error(`invalid value: ${swappiness}. Valid memory swappiness range is 0-100`);
  }
  const container = /^container:.+/;
  const pid = flags.string('pid');
  if (pid !== '' && pid !== 'host' && !container.test(pid)) throw new Error('--pid: invalid PID mode');
  if (!['', 'host'].includes(flags.string('uts'))) throw new Error('--uts: invalid UTS mode');
  if (!['', 'host'].includes(flags.string('userns'))) throw new Error('--userns: invalid USER mode');
  if (!['', 'host', 'private'].includes(flags.string('cgroupns')))
    throw new Error('--cgroupns: invalid CGROUP mode');
  const policy = parseRestart(flags.string('restart')).Name ?? '';
  if (flags.bool('rm') && policy !== 'no' && (policy as string) !== '') {
    throw new Error('conflicting options: cannot specify both --restart and --rm');
  }
}

function healthConfig(flags: FlagValues): HealthConfig | undefined {
  const durations = ['health-interval', 'health-timeout', 'health-start-period', 'health-start-interval'];
  const any = [...durations, 'health-cmd', 'health-retries'].some((name) => flags.changed(name));
  if (flags.bool('no-healthcheck')) {
    if (any) throw new Error('--no-healthcheck conflicts with --health-* options');
    return { Test: ['NONE'] };
  }
  if (!any) return undefined;
  for (const name of [...durations, 'health-retries']) {
    if (flags.changed(name) && flags.int(name) < 0) throw new Error(`--${name} cannot be negative`);
  }
  const value = (name: string): number | undefined => (flags.changed(name) ? flags.int(name) : undefined);
  const command = flags.string('health-cmd');
  return compact({
    Test: command ? ['CMD-SHELL', command] : [],
    Interval: value('health-interval'),
    Timeout: value('health-timeout'),
    StartPeriod: value('health-start-period'),
    StartInterval: value('health-start-interval'),
    Retries: value('health-retries'),
  }) as HealthConfig;
}

function logConfig(flags: FlagValues): NonNullable<HostConfig['LogConfig']> {
  const driver = flags.string('log-driver');
  const options = keyValues(flags.list('log-opt'));
  if (driver === 'none' && Object.keys(options).length)
    throw new Error('invalid logging opts for driver none');
  return compact({
    Type: driver as NonNullable<NonNullable<HostConfig['LogConfig']>['Type']>,
    Config: options,
  });
}

function hostConfig(
  flags: FlagValues,
  bindings: HostConfig['PortBindings'],
  binds: string[],
  networkMode: string,
): HostConfig {
  const security = parseSecurityOptions(flags.list('security-opt'));
  const capabilities = parseCapabilities(flags.list('cap-add'), flags.list('cap-drop'));
  const devices = parseDevices(flags.list('device'));
  const gpus = flags.list('gpus').map(parseGpus);
  const throttles = (name: string, unit: 'bytes' | 'operations') =>
    flags.list(name).map((v) => parseThrottle(v, unit));
  const swappiness = flags.int('memory-swappiness');
  const host: Draft<HostConfig> = {
    Binds: binds,
    ContainerIDFile: flags.string('cidfile'),
    LogConfig: logConfig(flags),
    NetworkMode: networkMode,
    PortBindings: bindings ?? {},
    AutoRemove: flags.bool('rm'),
    VolumeDriver: flags.string('volume-driver'),
    VolumesFrom: flags.list('volumes-from'),
    Mounts: flags.list('mount').map(parseMount),
    Annotations: keyValues(flags.list('annotation')),
    CapAdd: capabilities.add,
    CapDrop: capabilities.drop,
    CgroupnsMode: flags.string('cgroupns') as NonNullable<HostConfig['CgroupnsMode']>,
    Dns: flags.list('dns'),
    DnsOptions: [...flags.list('dns-option'), ...flags.list('dns-opt')],
    DnsSearch: flags.list('dns-search'),
    ExtraHosts: flags.list('add-host'),
    GroupAdd: flags.list('group-add'),
    IpcMode: flags.string('ipc'),
    Links: flags.list('link'),
    OomScoreAdj: flags.int('oom-score-adj'),
    PidMode: flags.string('pid'),
    Privileged: flags.bool('privileged'),
    PublishAllPorts: flags.bool('publish-all'),
    ReadonlyRootfs: flags.bool('read-only'),
    SecurityOpt: security.options,
    StorageOpt: parseOptions(flags.list('storage-opt'), 'storage option'),
    Tmpfs: parseTmpfs(flags.list('tmpfs')),
    UTSMode: flags.string('uts'),
    UsernsMode: flags.string('userns'),
    ShmSize: flags.int('shm-size'),
    Sysctls: keyValues(flags.list('sysctl')),
    Runtime: flags.string('runtime'),
    Isolation: flags.string('isolation') as NonNullable<HostConfig['Isolation']>,
    CpuShares: flags.int('cpu-shares'),
    Memory: flags.int('memory'),
    NanoCpus: flags.changed('cpus') ? parseCpus(flags.string('cpus')) : 0,
    CgroupParent: flags.string('cgroup-parent'),
    BlkioWeight: flags.int('blkio-weight'),
    BlkioWeightDevice: flags.list('blkio-weight-device').map(parseWeightDevice),
    BlkioDeviceReadBps: throttles('device-read-bps', 'bytes'),
    BlkioDeviceWriteBps: throttles('device-write-bps', 'bytes'),
    BlkioDeviceReadIOps: throttles('device-read-iops', 'operations'),
    BlkioDeviceWriteIOps: throttles('device-write-iops', 'operations'),
    CpuPeriod: flags.int('cpu-period'),
    CpuQuota: flags.int('cpu-quota'),
    CpuRealtimePeriod: flags.int('cpu-rt-period'),
    CpuRealtimeRuntime: flags.int('cpu-rt-runtime'),
    CpusetCpus: flags.string('cpuset-cpus'),
    CpusetMems: flags.string('cpuset-mems'),
    Devices: devices.devices,
    DeviceCgroupRules: flags.list('device-cgroup-rule'),
    DeviceRequests: [...devices.requests, ...gpus],
    MemoryReservation: flags.int('memory-reservation'),
    MemorySwap: flags.int('memory-swap'),
    OomKillDisable: flags.bool('oom-kill-disable'),
    PidsLimit: flags.int('pids-limit'),
    Ulimits: flags.list('ulimit').map(parseUlimit).toSorted(byName),
  };
  const result = compact(host);
  result.RestartPolicy = parseRestart(flags.string('restart'));
  if (swappiness >= 0) result.MemorySwappiness = swappiness;
  if (flags.changed('init')) result.Init = flags.bool('init');
  if (security.unconfinedPaths) {
    result.MaskedPaths = [];
    result.ReadonlyPaths = [];
  }
  return result;
}
