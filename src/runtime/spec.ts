/** A container's OCI runtime spec from its Docker configuration. */
import { system } from '../errdefs/index.ts';
import { containerCapabilities } from './capabilities.ts';
import { defaultMounts, type MountInput } from './default-mounts.ts';
import { injectDevices } from './device-requests.ts';
import {
  ALL_DEVICES_RULES,
  DEFAULT_DEVICE_RULES,
  hostDevices,
  mappedDevices,
  parseDeviceRule,
} from './devices.ts';
import { containerEnv } from './environment.ts';
import { type HostFacts, hostFacts } from './host-facts.ts';
import { MASKED_PATHS, READONLY_PATHS } from './protected-paths.ts';
import { specResources, supportedResources } from './resources.ts';
import { specRlimits } from './rlimits.ts';
import { type ContainerSeccomp, CRUN_BPF_ANNOTATION, customSeccomp, defaultSeccomp } from './seccomp.ts';
import { parseSecurityOpts, type SecurityOptions } from './security-opt.ts';
import type { SpecHostConfig, SpecInput } from './spec-input.ts';
import type {
  Spec,
  SpecDevice,
  SpecDeviceRule,
  SpecLinux,
  SpecMount,
  SpecNamespace,
  SpecProcess,
} from './spec-types.ts';
import { checkSysctls } from './sysctls.ts';

const OCI_VERSION = '1.0.2';
/** Where `--init` puts its program in the container. */
const INIT_PATH = '/sbin/docker-init';
const CAP_SYS_RESOURCE = 24n;

/** A spec, and what the machine could not give of what was asked for, as sentences for the client. */
export interface GeneratedSpec {
  spec: Spec;
  warnings: string[];
}

/**
 * Makes the spec of a container. Reads nothing but the devices it names, and the host's facts at the first call.
 * @throws invalidParameter for options that make no sense; system for a device that does not exist
 */
export function generateSpec(input: SpecInput): GeneratedSpec {
  const host = input.host ?? hostFacts();
  const { config, hostConfig } = input;
  const warnings: string[] = [];
  const security = parseSecurityOpts(hostConfig.SecurityOpt ?? []);
  const privileged = hostConfig.Privileged === true;
  const capabilities = containerCapabilities({
    add: hostConfig.CapAdd,
    drop: hostConfig.CapDrop,
    privileged,
    bounding: host.boundingSet,
  });
  if (capabilities.missing.length > 0) {
    warnings.push(
      `This machine cannot grant ${capabilities.missing.join(', ')}; the container runs without.`,
    );
  }
  const supported = supportedResources(hostConfig, host.cgroupFeatures);
  warnings.push(...supported.warnings);
  const seccomp = chooseSeccomp(input, security, capabilities.names, host);
  const init = usesInit(input);
  const remapped = input.namespaces?.user !== undefined;
  if (remapped && security.writableCgroups !== undefined) {
    throw system('option WritableCgroups conflicts with user namespaces and rootless mode');
  }
  const spec: Spec = {
    ociVersion: OCI_VERSION,
    process: makeProcess(input, security, capabilities.names, host, warnings),
    root: { path: input.rootfs, ...(hostConfig.ReadonlyRootfs === true ? { readonly: true } : {}) },
    ...(hostConfig.UTSMode === 'host' ? {} : { hostname: config.Hostname ?? '' }),
    ...(config.Domainname && remapped && hostConfig.UTSMode !== 'host'
      ? { domainname: config.Domainname }
      : {}),
    mounts: makeMounts(input, security, init),
    linux: makeLinux(input, supported.config, host),
  };
  if (seccomp !== undefined) spec.linux.seccomp = seccomp.spec;
  const annotations = makeAnnotations(input, seccomp);
  if (annotations !== undefined) spec.annotations = annotations;
  injectDevices(spec, hostConfig.DeviceRequests ?? [], input.cdi);
  return { spec, warnings };
}

/** `--init` makes no sense where another process is the init already. */
function usesInit({ hostConfig, init }: SpecInput): boolean {
  return (hostConfig.Init ?? init ?? false) && !hostConfig.PidMode;
}

function makeProcess(
  input: SpecInput,
  security: SecurityOptions,
  capabilities: string[],
  host: HostFacts,
  warnings: string[],
): SpecProcess {
  const { config, hostConfig, user } = input;
  const tty = config.Tty === true;
  const [height, width] = hostConfig.ConsoleSize ?? [];
  const mayRaise = ((host.boundingSet >> CAP_SYS_RESOURCE) & 1n) === 1n;
  const limits = specRlimits(hostConfig.Ulimits ?? [], { hardLimits: host.hardLimits, mayRaise });
  warnings.push(...limits.warnings);
  const oomScoreAdj = chooseOomScore(hostConfig.OomScoreAdj ?? 0, host.oomScoreAdj, mayRaise, warnings);
  const args = usesInit(input) ? [INIT_PATH, '--', ...input.args] : [...input.args];
  const apparmor = host.apparmor ? security.apparmor : undefined;
  return {
    ...(tty ? { terminal: true } : {}),
    ...(tty && height && width ? { consoleSize: { height, width } } : {}),
    user: { uid: user.uid, gid: user.gid, additionalGids: user.additionalGids },
    args,
    env: containerEnv({
      hostname: config.Hostname ?? '',
      tty,
      env: [...(input.linkEnv ?? []), ...(config.Env ?? [])],
      home: user.home,
    }),
    cwd: config.WorkingDir || '/',
    capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
    ...(limits.rlimits.length > 0 ? { rlimits: limits.rlimits } : {}),
    ...((security.noNewPrivileges ?? input.noNewPrivileges ?? false) ? { noNewPrivileges: true } : {}),
    ...(apparmor === undefined ? {} : { apparmorProfile: apparmor }),
    ...(oomScoreAdj === undefined ? {} : { oomScoreAdj }),
  };
}

/** Undefined when the container just inherits what it shall have. */
function chooseOomScore(
  wanted: number,
  own: number,
  mayLower: boolean,
  warnings: string[],
): number | undefined {
  if (wanted === own) return undefined;
  if (wanted > own || mayLower) return wanted;
  if (wanted < 0) {
    warnings.push(
      `oom-score-adj cannot be lowered to ${wanted} without CAP_SYS_RESOURCE. It is ${own} instead.`,
    );
  }
  return undefined;
}

function makeMounts(input: SpecInput, security: SecurityOptions, init: boolean): SpecMount[] {
  const { hostConfig, mounts } = input;
  const privileged = hostConfig.Privileged === true;
  const asked: MountInput = {
    readOnlyRoot: hostConfig.ReadonlyRootfs === true,
    writableSys: privileged,
    writableCgroups: security.writableCgroups ?? privileged,
    shm: hostConfig.IpcMode === 'none' ? undefined : (hostConfig.ShmSize ?? undefined),
    noShm: hostConfig.IpcMode === 'none',
    hostIpc: hostConfig.IpcMode === 'host',
    userNamespace: input.namespaces?.user !== undefined,
  };
  const out = defaultMounts(asked, mounts);
  if (init) {
    if (input.initPath === undefined) throw system('--init: this daemon knows no init program');
    out.push({ destination: INIT_PATH, type: 'bind', source: input.initPath, options: ['bind', 'ro'] });
  }
  return out;
}

function makeLinux(input: SpecInput, resources: SpecHostConfig, host: HostFacts): SpecLinux {
  const { hostConfig } = input;
  const privileged = hostConfig.Privileged === true;
  const devices = makeDevices(hostConfig);
  const sysctl = makeSysctls(input, host);
  const propagation = rootfsPropagation(input.mounts);
  return {
    namespaces: makeNamespaces(input, host),
    ...(devices.devices.length > 0 ? { devices: devices.devices } : {}),
    cgroupsPath: input.cgroupsPath,
    resources: { devices: devices.rules, ...specResources(resources) },
    ...(Object.keys(sysctl).length > 0 ? { sysctl } : {}),
    ...(propagation === undefined ? {} : { rootfsPropagation: propagation }),
    maskedPaths: hostConfig.MaskedPaths ?? (privileged ? [] : MASKED_PATHS),
    readonlyPaths: hostConfig.ReadonlyPaths ?? (privileged ? [] : READONLY_PATHS),
  };
}

function makeDevices(hostConfig: SpecHostConfig): { devices: SpecDevice[]; rules: SpecDeviceRule[] } {
  const mappings = hostConfig.Devices ?? [];
  const cgroupRules = (hostConfig.DeviceCgroupRules ?? []).map(parseDeviceRule);
  if (hostConfig.Privileged === true) {
    const renamed = mappings.filter(({ PathOnHost, PathInContainer }) => PathOnHost !== PathInContainer);
    return {
      devices: [...hostDevices(), ...renamed.flatMap((mapping) => mappedDevices(mapping).devices)],
      rules: [...ALL_DEVICES_RULES],
    };
  }
  const mapped = mappings.map(mappedDevices);
  return {
    devices: mapped.flatMap(({ devices }) => devices),
    rules: [...DEFAULT_DEVICE_RULES, ...mapped.flatMap(({ rules }) => rules), ...cgroupRules],
  };
}

function makeNamespaces({ hostConfig, namespaces = {} }: SpecInput, host: HostFacts): SpecNamespace[] {
  const out: SpecNamespace[] = [{ type: 'mount' }];
  const add = (type: SpecNamespace['type'], mode: string, path: string | undefined): void => {
    if (mode === 'host') return;
    if (mode.startsWith('container:') && path === undefined) {
      throw system(`no ${type} namespace to join for "${mode}"`);
    }
    out.push(path === undefined ? { type } : { type, path });
  };
  if (namespaces.user !== undefined) out.push({ type: 'user', path: namespaces.user });
  add('network', hostConfig.NetworkMode ?? '', namespaces.network);
  add('uts', hostConfig.UTSMode ?? '', undefined);
  add('pid', hostConfig.PidMode ?? '', namespaces.pid);
  add('ipc', hostConfig.IpcMode ?? '', namespaces.ipc);
  const cgroupns = hostConfig.CgroupnsMode || (host.cgroupMode === 'v2' ? 'private' : 'host');
  add('cgroup', cgroupns, undefined);
  return out;
}

/**
 * Safe with Docker's default capabilities: unprivileged ping, and ports below 1024 for every user.
 * @param lastGid the kernel takes no group that the user namespace has not
 */
const networkSysctls = (lastGid: number): readonly (readonly [string, string])[] => [
  ['net.ipv4.ping_group_range', `0 ${lastGid}`],
  ['net.ipv4.ip_unprivileged_port_start', '0'],
];
const LAST_GID = 2 ** 31 - 1;

function makeSysctls(
  { config, hostConfig, namespaces, lastGid = LAST_GID }: SpecInput,
  host: HostFacts,
): Record<string, string> {
  const mode = hostConfig.NetworkMode ?? '';
  const ownNetwork = mode !== 'host' && !mode.startsWith('container:');
  const out: Record<string, string> = {};
  if (ownNetwork) {
    for (const [name, value] of networkSysctls(lastGid)) if (host.sysctlExists(name)) out[name] = value;
  }
  // The spec got a field for it in 1.1 only; the sysctl is the host's root's to write.
  if (config.Domainname && hostConfig.UTSMode !== 'host' && namespaces?.user === undefined)
    out['kernel.domainname'] = config.Domainname;
  checkSysctls(hostConfig.Sysctls ?? {}, hostConfig);
  Object.assign(out, hostConfig.Sysctls);
  return out;
}

/** A mount that shall hear from the host, or tell it, needs a root that does. */
function rootfsPropagation(mounts: readonly SpecMount[]): string | undefined {
  const all = new Set(mounts.flatMap(({ options }) => options ?? []));
  if (all.has('shared') || all.has('rshared')) return 'shared';
  return all.has('slave') || all.has('rslave') ? 'rslave' : undefined;
}

function chooseSeccomp(
  input: SpecInput,
  security: SecurityOptions,
  capabilities: readonly string[],
  host: HostFacts,
): ContainerSeccomp | undefined {
  const privileged = input.hostConfig.Privileged === true;
  const profile = security.seccomp ?? (privileged ? 'unconfined' : (input.seccompProfile ?? 'builtin'));
  if (profile === 'unconfined') return undefined;
  if (!host.seccomp) {
    if (security.seccomp === undefined || profile === 'builtin') return undefined;
    throw system('seccomp is not enabled in your kernel, cannot run a custom seccomp profile');
  }
  if (profile === '' || profile === 'builtin') return defaultSeccomp(capabilities);
  return customSeccomp(profile, capabilities);
}

function makeAnnotations(
  input: SpecInput,
  seccomp: ContainerSeccomp | undefined,
): Record<string, string> | undefined {
  const annotations: Record<string, string> = { ...input.annotations, ...input.hostConfig.Annotations };
  // Not the user's: it would replace the container's seccomp filter behind --security-opt's back.
  delete annotations[CRUN_BPF_ANNOTATION];
  if (seccomp?.bpf !== undefined) annotations[CRUN_BPF_ANNOTATION] = seccomp.bpf;
  return Object.keys(annotations).length === 0 ? undefined : annotations;
}
