/** The request bodies of the API as tables for {@link struct}; field names are Docker's. */
import {
  anything,
  arrayOf,
  bool,
  type Decoder,
  duration,
  embedded,
  int,
  mapOf,
  nameSet,
  plainInt,
  str,
  stringMap,
  stringOrStrings,
  strings,
  struct,
  uint,
  uint16,
} from './schema.ts';

const throttleDevices = arrayOf(struct('ThrottleDevice', { Path: str, Rate: int }), '[]*ThrottleDevice');

const restartPolicy = struct('container.RestartPolicy', { Name: str, MaximumRetryCount: plainInt });

const resources: Readonly<Record<string, Decoder>> = embedded('Resources', {
  CpuShares: int,
  Memory: int,
  CgroupParent: str,
  BlkioWeight: uint16,
  BlkioWeightDevice: arrayOf(struct('WeightDevice', { Path: str, Weight: uint16 }), '[]*WeightDevice'),
  BlkioDeviceReadBps: throttleDevices,
  BlkioDeviceWriteBps: throttleDevices,
  BlkioDeviceReadIOps: throttleDevices,
  BlkioDeviceWriteIOps: throttleDevices,
  CpuPeriod: int,
  CpuQuota: int,
  CpuRealtimePeriod: int,
  CpuRealtimeRuntime: int,
  CpusetCpus: str,
  CpusetMems: str,
  Devices: arrayOf(
    struct('DeviceMapping', { PathOnHost: str, PathInContainer: str, CgroupPermissions: str }),
    '[]container.DeviceMapping',
  ),
  DeviceCgroupRules: strings,
  DeviceRequests: arrayOf(
    struct('DeviceRequest', {
      Driver: str,
      Count: int,
      DeviceIDs: strings,
      Capabilities: arrayOf(strings, '[][]string'),
      Options: stringMap,
    }),
    '[]container.DeviceRequest',
  ),
  KernelMemory: int,
  KernelMemoryTCP: int,
  MemoryReservation: int,
  MemorySwap: int,
  MemorySwappiness: int,
  NanoCpus: int,
  OomKillDisable: bool,
  PidsLimit: int,
  Ulimits: arrayOf(struct('Ulimit', { Name: str, Soft: int, Hard: int }), '[]*units.Ulimit'),
  CpuCount: int,
  CpuPercent: int,
  IOMaximumIOps: int,
  IOMaximumBandwidth: int,
});

const driverConfig = struct('Driver', { Name: str, Options: stringMap });

const mount = struct('Mount', {
  Target: str,
  Source: str,
  Type: str,
  ReadOnly: bool,
  Consistency: str,
  BindOptions: struct('BindOptions', {
    Propagation: str,
    NonRecursive: bool,
    CreateMountpoint: bool,
    ReadOnlyNonRecursive: bool,
    ReadOnlyForceRecursive: bool,
  }),
  VolumeOptions: struct('VolumeOptions', {
    NoCopy: bool,
    Labels: stringMap,
    DriverConfig: driverConfig,
    Subpath: str,
  }),
  ImageOptions: struct('ImageOptions', { Subpath: str }),
  TmpfsOptions: struct('TmpfsOptions', {
    SizeBytes: int,
    Mode: int,
    Options: arrayOf(strings, '[][]string'),
  }),
  ClusterOptions: anything,
});

const hostConfig = struct('container.HostConfig', {
  ...resources,
  Init: bool,
  Binds: strings,
  ContainerIDFile: str,
  LogConfig: struct('LogConfig', { Type: str, Config: stringMap }),
  NetworkMode: str,
  PortBindings: mapOf(
    arrayOf(struct('PortBinding', { HostIp: str, HostPort: str }), '[]nat.PortBinding'),
    'nat.PortMap',
  ),
  RestartPolicy: restartPolicy,
  AutoRemove: bool,
  VolumeDriver: str,
  VolumesFrom: strings,
  Mounts: arrayOf(mount, '[]mount.Mount'),
  ConsoleSize: arrayOf(uint, '[2]uint'),
  Annotations: stringMap,
  CapAdd: stringOrStrings,
  CapDrop: stringOrStrings,
  Capabilities: strings,
  CgroupnsMode: str,
  Dns: strings,
  DnsOptions: strings,
  DnsSearch: strings,
  ExtraHosts: strings,
  GroupAdd: strings,
  IpcMode: str,
  Cgroup: str,
  Links: strings,
  OomScoreAdj: int,
  PidMode: str,
  Privileged: bool,
  PublishAllPorts: bool,
  ReadonlyRootfs: bool,
  SecurityOpt: strings,
  StorageOpt: stringMap,
  Tmpfs: stringMap,
  UTSMode: str,
  UsernsMode: str,
  ShmSize: int,
  Sysctls: stringMap,
  Runtime: str,
  Isolation: str,
  MaskedPaths: strings,
  ReadonlyPaths: strings,
});

const endpointSettings = struct('network.EndpointSettings', {
  IPAMConfig: struct('EndpointIPAMConfig', { IPv4Address: str, IPv6Address: str, LinkLocalIPs: strings }),
  Links: strings,
  MacAddress: str,
  Aliases: strings,
  DriverOpts: stringMap,
  GwPriority: int,
  NetworkID: str,
  EndpointID: str,
  Gateway: str,
  IPAddress: str,
  IPPrefixLen: int,
  IPv6Gateway: str,
  GlobalIPv6Address: str,
  GlobalIPv6PrefixLen: int,
  DNSNames: strings,
});

const containerConfig: Record<string, Decoder> = {
  Hostname: str,
  Domainname: str,
  User: str,
  AttachStdin: bool,
  AttachStdout: bool,
  AttachStderr: bool,
  ExposedPorts: mapOf(anything, 'nat.PortSet'),
  Tty: bool,
  OpenStdin: bool,
  StdinOnce: bool,
  Env: strings,
  Cmd: stringOrStrings,
  Healthcheck: struct('HealthcheckConfig', {
    Test: strings,
    Interval: duration,
    Timeout: duration,
    Retries: plainInt,
    StartPeriod: duration,
    StartInterval: duration,
  }),
  ArgsEscaped: bool,
  Image: str,
  Volumes: nameSet,
  WorkingDir: str,
  Entrypoint: stringOrStrings,
  NetworkDisabled: bool,
  MacAddress: str,
  OnBuild: strings,
  Labels: stringMap,
  StopSignal: str,
  StopTimeout: plainInt,
  Shell: stringOrStrings,
};

export const createRequest = struct('container.CreateRequest', {
  ...embedded('Config', containerConfig),
  HostConfig: hostConfig,
  NetworkingConfig: struct('NetworkingConfig', {
    EndpointsConfig: mapOf(endpointSettings, 'map[string]*network.EndpointSettings'),
  }),
});

/** The names of {@link createRequest}'s `Config` part: a body with none of them has no config. */
export const configFields: readonly string[] = Object.keys(containerConfig);

export const commitConfig = struct('Config', containerConfig);

export const updateRequest = struct('UpdateConfig', {
  ...resources,
  Init: bool,
  RestartPolicy: restartPolicy,
});

export const execConfig = struct('ExecCreateRequest', {
  AttachStdin: bool,
  AttachStdout: bool,
  AttachStderr: bool,
  ConsoleSize: arrayOf(uint, '[2]uint'),
  DetachKeys: str,
  Tty: bool,
  Env: strings,
  Cmd: strings,
  Privileged: bool,
  User: str,
  WorkingDir: str,
});

export const execStartRequest = struct('ExecStartRequest', {
  Detach: bool,
  Tty: bool,
  ConsoleSize: arrayOf(uint, '[2]uint'),
});

export const networkCreateRequest = struct('CreateRequest', {
  Name: str,
  Driver: str,
  Scope: str,
  CheckDuplicate: bool,
  Internal: bool,
  Attachable: bool,
  Ingress: bool,
  ConfigOnly: bool,
  ConfigFrom: struct('ConfigReference', { Network: str }),
  IPAM: struct('IPAM', {
    Driver: str,
    Config: arrayOf(
      struct('IPAMConfig', { Subnet: str, IPRange: str, Gateway: str, AuxiliaryAddresses: stringMap }),
      '[]network.IPAMConfig',
    ),
    Options: stringMap,
  }),
  EnableIPv4: bool,
  EnableIPv6: bool,
  Options: stringMap,
  Labels: stringMap,
});

export const networkConnectRequest = struct('ConnectOptions', {
  Container: str,
  EndpointConfig: endpointSettings,
});

export const networkDisconnectRequest = struct('DisconnectOptions', { Container: str, Force: bool });

export const volumeCreateRequest = struct('CreateOptions', {
  Name: str,
  Driver: str,
  DriverOpts: stringMap,
  Labels: stringMap,
  ClusterVolumeSpec: anything,
});

export const authConfig = struct('AuthConfig', {
  username: str,
  password: str,
  auth: str,
  email: str,
  serveraddress: str,
  identitytoken: str,
  registrytoken: str,
});
