/**
 * Every field of Config and HostConfig, and what shows that it takes effect: the compiler holds the table complete, a test
 * holds the tests it names there. `docs/container-fields.md` is this table.
 */
import type { ContainerConfig, HostConfig } from '@docker/node-sdk';

/** `file: words of the test's name`, or why there is nothing to see. */
type Row = { readonly shown: string } | { readonly without: string };

const shown = (file: string, name: string): Row => ({ shown: `${file}: ${name}` });
const WINDOWS: Row = { without: 'of Windows' };
const limit = (field: string): Row => shown('resources', `${field}: `);

export const HOST_CONFIG: Readonly<Record<keyof HostConfig, Row>> = {
  CpuShares: limit('CpuShares'),
  Memory: limit('Memory'),
  CgroupParent: limit('CgroupParent'),
  BlkioWeight: limit('BlkioWeight'),
  BlkioWeightDevice: { without: 'written as given; no kernel at hand has a scheduler with weights' },
  BlkioDeviceReadBps: limit('BlkioDeviceReadBps'),
  BlkioDeviceWriteBps: limit('BlkioDeviceWriteBps'),
  BlkioDeviceReadIOps: limit('BlkioDeviceReadIOps'),
  BlkioDeviceWriteIOps: limit('BlkioDeviceWriteIOps'),
  CpuPeriod: limit('CpuPeriod'),
  CpuQuota: limit('CpuQuota'),
  CpuRealtimePeriod: {
    without: 'discarded with a warning where the kernel has no real-time groups, as nearly everywhere',
  },
  CpuRealtimeRuntime: {
    without: 'discarded with a warning where the kernel has no real-time groups, as nearly everywhere',
  },
  CpusetCpus: limit('CpusetCpus'),
  CpusetMems: limit('CpusetMems'),
  Devices: shown('fields-devices', '--device: under another name'),
  DeviceCgroupRules: shown('fields-devices', '--device-cgroup-rule'),
  DeviceRequests: shown('fields-devices', '--device vendor.com/class=name'),
  KernelMemoryTCP: { without: 'gone from Docker and the kernel; ignored' },
  MemoryReservation: limit('MemoryReservation'),
  MemorySwap: limit('MemorySwap'),
  MemorySwappiness: limit('MemorySwappiness'),
  NanoCpus: limit('NanoCpus'),
  OomKillDisable: shown('resources', 'OomScoreAdj, Ulimits, OomKillDisable'),
  Init: shown('fields', 'Init reaps orphans'),
  PidsLimit: limit('PidsLimit'),
  Ulimits: shown('resources', 'OomScoreAdj, Ulimits, OomKillDisable'),
  CpuCount: WINDOWS,
  CpuPercent: WINDOWS,
  IOMaximumIOps: WINDOWS,
  IOMaximumBandwidth: WINDOWS,
  Binds: shown('fields', 'AutoRemove, VolumesFrom, Volumes, Binds and Mounts'),
  ContainerIDFile: { without: 'a file that the command line writes' },
  LogConfig: shown('log-files', 'every option of docker logs'),
  NetworkMode: shown('fields-network', 'a container that was disconnected from its network'),
  PortBindings: shown('fields-network', 'ports that are exposed and published'),
  RestartPolicy: shown('restart-policy', 'on-failure gives up after its tries'),
  AutoRemove: shown('fields', 'AutoRemove, VolumesFrom, Volumes, Binds and Mounts'),
  VolumeDriver: { without: '`local` only; plugins come with the volumes issue' },
  VolumesFrom: shown('fields', 'AutoRemove, VolumesFrom, Volumes, Binds and Mounts'),
  Mounts: shown('fields', 'AutoRemove, VolumesFrom, Volumes, Binds and Mounts'),
  ConsoleSize: shown('fields', 'Tty, OpenStdin, StdinOnce, ConsoleSize'),
  Annotations: shown('fields', 'Labels, Annotations, Runtime'),
  CapAdd: shown('security', 'by name in any case'),
  CapDrop: shown('security', 'ALL dropped and some added'),
  CgroupnsMode: shown('security', 'of control groups: private and host'),
  Dns: shown('fields-network', '--hostname --domainname --add-host --dns'),
  DnsOptions: shown('fields-network', '--hostname --domainname --add-host --dns'),
  DnsSearch: shown('fields-network', '--hostname --domainname --add-host --dns'),
  ExtraHosts: shown('fields-network', '--hostname --domainname --add-host --dns'),
  GroupAdd: shown('fields', 'User: by name, id'),
  IpcMode: shown('security', 'IPC: none has no /dev/shm'),
  Cgroup: { without: 'unused in Docker' },
  Links: shown('fields-network', '--link: variables'),
  OomScoreAdj: shown('resources', 'OomScoreAdj, Ulimits, OomKillDisable'),
  PidMode: shown('security', 'processes of another container are seen'),
  Privileged: shown('security', 'privileged: what the machine has'),
  PublishAllPorts: shown('fields-network', 'ports that are exposed and published'),
  ReadonlyRootfs: shown('security', 'a read-only root leaves'),
  SecurityOpt: shown('security', 'no-new-privileges'),
  StorageOpt: { without: 'refused: a limit of size is not implemented on any file system' },
  Tmpfs: shown('fields', 'ShmSize, Tmpfs, ReadonlyRootfs'),
  UTSMode: shown('security', 'the machine’s, where asked for'),
  UsernsMode: shown('userns', '--userns=host is without one'),
  ShmSize: shown('fields', 'ShmSize, Tmpfs, ReadonlyRootfs'),
  Sysctls: shown('security', 'those of the container’s namespaces are set'),
  Runtime: shown('fields', 'Labels, Annotations, Runtime'),
  Isolation: WINDOWS,
  MaskedPaths: shown('security', 'masked and read-only ones'),
  ReadonlyPaths: shown('security', 'masked and read-only ones'),
};

const NETWORK = shown('fields-network', '--hostname --domainname --add-host --dns');
const TERMINAL = shown('fields', 'Tty, OpenStdin, StdinOnce, ConsoleSize');
const PLAIN = shown('fields', 'ShmSize, Tmpfs, ReadonlyRootfs, WorkingDir, Env, Entrypoint, Cmd');

export const CONFIG: Readonly<Record<keyof ContainerConfig, Row>> = {
  Hostname: NETWORK,
  Domainname: NETWORK,
  User: shown('fields', 'User: by name, id'),
  AttachStdin: TERMINAL,
  AttachStdout: TERMINAL,
  AttachStderr: TERMINAL,
  ExposedPorts: shown('fields-network', 'ports that are exposed and published'),
  Tty: TERMINAL,
  OpenStdin: TERMINAL,
  StdinOnce: TERMINAL,
  Env: PLAIN,
  Cmd: PLAIN,
  Healthcheck: shown('health', 'from starting to healthy'),
  ArgsEscaped: WINDOWS,
  Image: PLAIN,
  Volumes: shown('fields', 'AutoRemove, VolumesFrom, Volumes, Binds and Mounts'),
  WorkingDir: PLAIN,
  Entrypoint: PLAIN,
  NetworkDisabled: shown('fields-network', 'NetworkDisabled leaves the loopback alone'),
  MacAddress: shown('fields-network', '--mac-address'),
  OnBuild: { without: 'of images, for builds' },
  Labels: shown('fields', 'Labels, Annotations, Runtime'),
  StopSignal: shown('fields', 'Init reaps orphans and passes signals on; StopSignal'),
  StopTimeout: shown('fields', 'Init reaps orphans and passes signals on; StopSignal'),
  Shell: { without: 'of images, for builds' },
};

/** The tables as `docs/container-fields.md` has them. */
export function renderFields(): string {
  const table = (rows: Readonly<Record<string, Row>>): string[] => [
    '| field | what shows it, or why nothing does |',
    '|---|---|',
    ...Object.entries(rows).map(([field, row]) => {
      if ('without' in row) return `| ${field} | ${row.without} |`;
      const [file = '', name = ''] = row.shown.split(/: (.*)/s);
      return `| ${field} | \`test/${file}\`: ${name.trim()} |`;
    }),
  ];
  return [
    '# Fields of a container',
    '',
    'What `POST /containers/create` takes and the end-to-end test that looks at its effect. Rendered from `test/container-fields.ts`',
    '(`WHARF_UPDATE_DOCS=1 node --test test/container-fields.test.ts`).',
    '',
    '## HostConfig',
    '',
    ...table(HOST_CONFIG),
    '',
    '## Config',
    '',
    ...table(CONFIG),
    '',
  ].join('\n');
}
