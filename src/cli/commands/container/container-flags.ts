/** The flags that `create` and `run` share: everything a container can be told. */
import { type Flag, flag } from '../../flags/flag.ts';
import { checkEnv, checkLabel } from '../../parse/env.ts';
import { parseMount } from '../../parse/mounts.ts';
import { checkDnsSearch, checkIp, checkLink, parseExtraHost, parseNetwork } from '../../parse/network.ts';
import { checkAttach, checkDeviceRule, checkSysctl } from '../../parse/policies.ts';
import {
  checkDevice,
  parseCpus,
  parseGpus,
  parseThrottle,
  parseUlimit,
  parseWeightDevice,
} from '../../parse/resources.ts';

/** A check that keeps the value as it was given. */
const checked =
  (parse: (value: string) => unknown) =>
  (value: string): string => {
    parse(value);
    return value;
  };

const bps = { parse: checked((v) => parseThrottle(v, 'bytes')), default: '[]' };
const iops = { parse: checked((v) => parseThrottle(v, 'operations')), default: '[]' };

const CAPABILITIES = [
  'ALL',
  'AUDIT_CONTROL',
  'AUDIT_READ',
  'AUDIT_WRITE',
  'BLOCK_SUSPEND',
  'BPF',
  'CHECKPOINT_RESTORE',
  'CHOWN',
  'DAC_OVERRIDE',
  'DAC_READ_SEARCH',
  'FOWNER',
  'FSETID',
  'IPC_LOCK',
  'IPC_OWNER',
  'KILL',
  'LEASE',
  'LINUX_IMMUTABLE',
  'MAC_ADMIN',
  'MAC_OVERRIDE',
  'MKNOD',
  'NET_ADMIN',
  'NET_BIND_SERVICE',
  'NET_BROADCAST',
  'NET_RAW',
  'PERFMON',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYSLOG',
  'SYS_ADMIN',
  'SYS_BOOT',
  'SYS_CHROOT',
  'SYS_MODULE',
  'SYS_NICE',
  'SYS_PACCT',
  'SYS_PTRACE',
  'SYS_RAWIO',
  'SYS_RESOURCE',
  'SYS_TIME',
  'SYS_TTY_CONFIG',
  'WAKE_ALARM',
];

/** Flags that limit what a container may take. `update` has some of them, too. */
const RESOURCE_FLAGS: readonly Flag[] = [
  flag('blkio-weight', 'uint16', 'Block IO weight (relative), between 10 and 1000, or 0 to disable', {
    default: '0',
  }),
  flag('blkio-weight-device', 'list', 'Block IO weight of a device (relative)', {
    parse: checked(parseWeightDevice),
    default: '[]',
  }),
  flag('cpu-period', 'int', 'Limit the CPU CFS (Completely Fair Scheduler) period'),
  flag('cpu-quota', 'int', 'Limit the CPU CFS (Completely Fair Scheduler) quota'),
  flag('cpu-rt-period', 'int', 'Limit the CPU real-time period in microseconds'),
  flag('cpu-rt-runtime', 'int', 'Limit the CPU real-time runtime in microseconds'),
  flag('cpu-shares,c', 'int', 'CPU shares (relative weight)'),
  flag('cpus', 'decimal', 'Number of CPUs', { parse: checked(parseCpus) }),
  flag('cpuset-cpus', 'string', 'CPUs in which to allow execution (0-3, 0,1)'),
  flag('cpuset-mems', 'string', 'Memory nodes in which to allow execution (0-3, 0,1)'),
  flag('device', 'list', 'Add a host device to the container', { parse: checkDevice, complete: 'files' }),
  flag('device-cgroup-rule', 'list', 'Add a rule to the list of devices the cgroup allows', {
    parse: checkDeviceRule,
  }),
  flag('device-read-bps', 'list', 'Limit the read rate (bytes per second) from a device', bps),
  flag('device-read-iops', 'list', 'Limit the read rate (IO per second) from a device', iops),
  flag('device-write-bps', 'list', 'Limit the write rate (bytes per second) to a device', bps),
  flag('device-write-iops', 'list', 'Limit the write rate (IO per second) to a device', iops),
  flag('gpus', 'gpu-request', "GPU devices to add to the container ('all' for every GPU)", {
    parse: checked(parseGpus),
  }),
  flag('kernel-memory', 'bytes', 'Kernel memory limit'),
  flag('memory,m', 'bytes', 'Memory limit'),
  flag('memory-reservation', 'bytes', 'Memory soft limit'),
  flag('memory-swap', 'bytes', "Limit of memory plus swap: '-1' for unlimited swap"),
  flag('memory-swappiness', 'int', 'Tune memory swappiness (0 to 100)', { default: '-1' }),
  flag('oom-kill-disable', 'bool', 'Disable the OOM killer'),
  flag('oom-score-adj', 'int', "Tune the host's OOM preferences (-1000 to 1000)"),
  flag('pids-limit', 'int', 'Tune the pids limit (-1 for unlimited)'),
  flag('shm-size', 'bytes', 'Size of /dev/shm'),
  flag('ulimit', 'ulimit', 'Ulimit options', { parse: checked(parseUlimit), default: '[]' }),
];

const NETWORK_FLAGS: readonly Flag[] = [
  flag('add-host', 'list', 'Add a custom mapping of a host name to an address (host:ip)', {
    parse: parseExtraHost,
  }),
  flag('dns', 'list', 'Set custom DNS servers', { parse: checkIp }),
  flag('dns-option', 'list', 'Set DNS options'),
  flag('dns-opt', 'list', 'Set DNS options', { hidden: true }),
  flag('dns-search', 'list', 'Set custom DNS search domains', { parse: checkDnsSearch }),
  flag('domainname', 'string', 'NIS domain name of the container'),
  flag('expose', 'list', 'Expose a port or a range of ports'),
  flag('hostname,h', 'string', 'Host name of the container'),
  flag('ip', 'string', 'IPv4 address (for example 172.30.100.104)'),
  flag('ip6', 'string', 'IPv6 address (for example 2001:db8::33)'),
  flag('link', 'list', 'Add a link to another container', { parse: checkLink, complete: 'containers' }),
  flag('link-local-ip', 'list', 'Link-local addresses of the container', { parse: checkIp }),
  flag('mac-address', 'string', 'MAC address (for example 92:d0:c6:0a:29:33)'),
  flag('network', 'network', 'Connect the container to a network', {
    parse: checked(parseNetwork),
    complete: 'networks',
  }),
  flag('net', 'network', 'Connect the container to a network', {
    parse: checked(parseNetwork),
    hidden: true,
  }),
  flag('network-alias', 'list', 'Add a network-scoped alias for the container'),
  flag('net-alias', 'list', 'Add a network-scoped alias for the container', { hidden: true }),
  flag('publish,p', 'list', "Publish a container's ports to the host"),
  flag('publish-all,P', 'bool', 'Publish all exposed ports to random ports'),
];

const PROCESS_FLAGS: readonly Flag[] = [
  flag('attach,a', 'list', 'Attach to STDIN, STDOUT or STDERR', {
    parse: checkAttach,
    complete: ['stdin', 'stdout', 'stderr'],
  }),
  flag('entrypoint', 'string', 'Overwrite the ENTRYPOINT of the image'),
  flag('env,e', 'list', 'Set environment variables', { parse: checkEnv }),
  flag('env-file', 'list', 'Read in a file of environment variables', { complete: 'files' }),
  flag('init', 'bool', 'Run an init inside the container that forwards signals and reaps processes'),
  flag('interactive,i', 'bool', 'Keep STDIN open even if not attached'),
  flag('stop-signal', 'string', 'Signal to stop the container'),
  flag('stop-timeout', 'int', 'Timeout (in seconds) to stop a container'),
  flag('tty,t', 'bool', 'Allocate a pseudo-TTY'),
  flag('user,u', 'string', 'Username or UID (format: <name|uid>[:<group|gid>])'),
  flag('workdir,w', 'string', 'Working directory inside the container'),
];

const ISOLATION_FLAGS: readonly Flag[] = [
  flag('cap-add', 'list', 'Add Linux capabilities', { complete: CAPABILITIES }),
  flag('cap-drop', 'list', 'Drop Linux capabilities', { complete: CAPABILITIES }),
  flag('cgroup-parent', 'string', 'Parent cgroup of the container'),
  flag('cgroupns', 'string', 'Cgroup namespace to use (host|private)', { complete: ['host', 'private'] }),
  flag('group-add', 'list', 'Add additional groups to join'),
  flag('ipc', 'string', 'IPC mode to use', { complete: ['host', 'none', 'private', 'shareable'] }),
  flag('isolation', 'string', 'Container isolation technology'),
  flag('pid', 'string', 'PID namespace to use', { complete: ['host'] }),
  flag('privileged', 'bool', 'Give extended privileges to this container'),
  flag('read-only', 'bool', "Mount the container's root filesystem as read only"),
  flag('runtime', 'string', 'Runtime to use for this container'),
  flag('security-opt', 'list', 'Security options', {
    complete: ['apparmor=', 'label=', 'no-new-privileges', 'seccomp=unconfined', 'systempaths=unconfined'],
  }),
  flag('sysctl', 'map', 'Sysctl options', { parse: checkSysctl }),
  flag('userns', 'string', 'User namespace to use', { complete: ['host'] }),
  flag('uts', 'string', 'UTS namespace to use', { complete: ['host'] }),
];

const STORAGE_FLAGS: readonly Flag[] = [
  flag('mount', 'mount', 'Attach a filesystem mount to the container', { parse: checked(parseMount) }),
  flag('storage-opt', 'list', 'Storage driver options for the container'),
  flag('tmpfs', 'list', 'Mount a tmpfs directory'),
  flag('volume,v', 'list', 'Bind mount a volume', { complete: 'volumes' }),
  flag('volume-driver', 'string', 'Volume driver for the container'),
  flag('volumes-from', 'list', 'Mount volumes from other containers', { complete: 'containers' }),
];

const HEALTH_FLAGS: readonly Flag[] = [
  flag('health-cmd', 'string', 'Command to run to check health'),
  flag('health-interval', 'duration', 'Time between running the check (ms|s|m|h)', { default: '0s' }),
  flag('health-retries', 'int', 'Consecutive failures needed to report unhealthy'),
  flag(
    'health-start-interval',
    'duration',
    'Time between running the check during the start period (ms|s|m|h)',
    { default: '0s' },
  ),
  flag(
    'health-start-period',
    'duration',
    'Start period for the container to initialize before counting retries (ms|s|m|h)',
    {
      default: '0s',
    },
  ),
  flag('health-timeout', 'duration', 'Maximum time to allow one check to run (ms|s|m|h)', { default: '0s' }),
  flag('no-healthcheck', 'bool', "Disable the image's HEALTHCHECK"),
];

const OTHER_FLAGS: readonly Flag[] = [
  flag('annotation', 'map', 'Add an annotation to the container (passed through to the OCI runtime)'),
  flag('cidfile', 'string', 'Write the container ID to the file', { complete: 'files' }),
  flag('disable-content-trust', 'bool', 'Skip image verification', { default: 'true' }),
  flag('help', 'bool', 'Print usage'),
  flag('label,l', 'list', 'Set meta data on a container', { parse: checkLabel }),
  flag('label-file', 'list', 'Read in a line delimited file of labels', { complete: 'files' }),
  flag('log-driver', 'string', 'Logging driver for the container', {
    complete: ['json-file', 'local', 'none'],
  }),
  flag('log-opt', 'list', 'Log driver options', { complete: ['max-size=', 'max-file='] }),
  flag('name', 'string', 'Assign a name to the container'),
  flag('platform', 'string', 'Set platform if server is multi-platform capable', {
    complete: ['linux/amd64', 'linux/arm64', 'linux/arm/v7'],
  }),
  flag('pull', 'string', 'Pull image before running ("always", "missing", "never")', {
    default: 'missing',
    complete: ['always', 'missing', 'never'],
  }),
  flag('quiet,q', 'bool', 'Suppress the pull output'),
  flag('restart', 'string', 'Restart policy to apply when a container exits', {
    default: 'no',
    complete: ['always', 'no', 'on-failure', 'on-unhealthy', 'unless-stopped'],
  }),
  flag('rm', 'bool', 'Remove the container and its anonymous volumes when it exits'),
];

/** Every flag of `create`; `run` adds a few of its own. */
export const CONTAINER_FLAGS: readonly Flag[] = [
  ...RESOURCE_FLAGS,
  ...NETWORK_FLAGS,
  ...PROCESS_FLAGS,
  ...ISOLATION_FLAGS,
  ...STORAGE_FLAGS,
  ...HEALTH_FLAGS,
  ...OTHER_FLAGS,
];
