/** What creation answers, and what it refuses in which words. */
import type { ContainerRequest, Subject } from '../subject.ts';

/** name → a request that is refused or warned of. */
const REQUESTS: Readonly<Record<string, ContainerRequest>> = {
  plain: {},
  'no command': { Cmd: [], Image: 'busybox', Entrypoint: [''] },
  'image unknown': { Image: 'no-such-image' },
  'image reference bad': { Image: 'UPPER:::case' },
  'no image': { Image: '' },
  'memory too low': { HostConfig: { Memory: 1 } },
  'swap below memory': { HostConfig: { Memory: 64 << 20, MemorySwap: 32 << 20 } },
  'swap without memory': { HostConfig: { MemorySwap: 64 << 20 } },
  'reservation above memory': { HostConfig: { Memory: 64 << 20, MemoryReservation: 128 << 20 } },
  'swappiness out of range': { HostConfig: { MemorySwappiness: 101 } },
  'NanoCpus and quota': { HostConfig: { NanoCpus: 1e9, CpuQuota: 1000 } },
  'NanoCpus too many': { HostConfig: { NanoCpus: 1e12 } },
  'cpu period': { HostConfig: { CpuPeriod: 10 } },
  'cpu quota': { HostConfig: { CpuQuota: 10 } },
  cpuset: { HostConfig: { CpusetCpus: 'x' } },
  'oom kill disabled': { HostConfig: { OomKillDisable: true } },
  'bind without slash': { HostConfig: { Binds: ['relative/path:/x'] } },
  'bind to nowhere': { HostConfig: { Binds: ['/usr/share'] } },
  'bind with bad mode': { HostConfig: { Binds: ['/usr/share:/x:nonsense'] } },
  'bind to the root': { HostConfig: { Binds: ['/usr/share:/'] } },
  'mount of a missing source': {
    HostConfig: { Mounts: [{ Type: 'bind', Source: '/no/such', Target: '/x' }] },
  },
  'mount of a bad type': { HostConfig: { Mounts: [{ Type: 'nonsense', Target: '/x' }] } },
  'mount without target': { HostConfig: { Mounts: [{ Type: 'volume', Source: 'x' }] } },
  'mounted twice': {
    HostConfig: { Binds: ['/usr/share:/x'], Mounts: [{ Type: 'bind', Source: '/usr/share', Target: '/x' }] },
  },
  'volume of a bad name': { HostConfig: { Mounts: [{ Type: 'volume', Source: '?', Target: '/x' }] } },
  'working directory relative': { WorkingDir: 'tmp' },
  'restart policy unknown': { HostConfig: { RestartPolicy: { Name: 'sometimes' } } },
  'restart policy with count': { HostConfig: { RestartPolicy: { Name: 'always', MaximumRetryCount: 2 } } },
  'restart and remove': { HostConfig: { RestartPolicy: { Name: 'always' }, AutoRemove: true } },
  'log driver unknown': { HostConfig: { LogConfig: { Type: 'nonsense', Config: {} } } },
  'log option unknown': { HostConfig: { LogConfig: { Type: 'json-file', Config: { nonsense: '1' } } } },
  'runtime unknown': { HostConfig: { Runtime: 'nonsense' } },
  'signal unknown': { StopSignal: 'SIGNONSENSE' },
  'capability unknown': { HostConfig: { CapAdd: ['NONSENSE'] } },
  'security option unknown': { HostConfig: { SecurityOpt: ['nonsense'] } },
  'ipc mode': { HostConfig: { IpcMode: 'nonsense' } },
  'pid mode': { HostConfig: { PidMode: 'nonsense' } },
  'network of a missing container': { HostConfig: { NetworkMode: 'container:nobody' } },
  'ports and network of a container': {
    ExposedPorts: { '80/tcp': {} },
    HostConfig: { NetworkMode: 'container:nobody', PortBindings: { '80/tcp': [{ HostPort: '80' }] } },
  },
  'host name and network of a container': { Hostname: 'x', HostConfig: { NetworkMode: 'container:nobody' } },
  'port bad': { HostConfig: { PortBindings: { 'x/tcp': [{ HostPort: '80' }] } } },
  'host port bad': { HostConfig: { PortBindings: { '80/tcp': [{ HostPort: '99999' }] } } },
  'device missing': { HostConfig: { Devices: [{ PathOnHost: '/dev/none', PathInContainer: '/dev/none' }] } },
  'extra host bad': { HostConfig: { ExtraHosts: ['nonsense'] } },
  'dns bad': { HostConfig: { Dns: ['nonsense'] } },
  'ulimit bad': { HostConfig: { Ulimits: [{ Name: 'nonsense', Soft: 1, Hard: 1 }] } },
  'health check bad': { Healthcheck: { Test: ['NONSENSE'] } },
  'health check interval': { Healthcheck: { Test: ['CMD', 'true'], Interval: 1 } },
  'environment bad': { Env: ['=x'] },
  'volumes from nobody': { HostConfig: { VolumesFrom: ['nobody'] } },
  'link to nobody': { HostConfig: { Links: ['nobody:x'] } },
  'storage option': { HostConfig: { StorageOpt: { size: '1G' } } },
  'shm size negative': { HostConfig: { ShmSize: -1 } },
  'block weight': { HostConfig: { BlkioWeight: 5 } },
  'sysctl of the host': { HostConfig: { Sysctls: { 'kernel.hostname': 'x' } } },
};

export async function createAnswers(s: Subject): Promise<void> {
  for (const [name, request] of Object.entries(REQUESTS)) {
    const answer = await s.post('/containers/create', { Image: 'busybox', Cmd: ['true'], ...request });
    const { Id } = answer.body as { Id?: string };
    if (Id === undefined) {
      s.record(`create: ${name}`, answer);
      continue;
    }
    const started = await s.post(`/containers/${Id}/start`);
    s.record(`create: ${name}`, { ...answer, start: started });
    await s.discard(Id);
  }
  await s.create('taken', { Cmd: ['true'] });
  s.record('create: name taken', await s.post('/containers/create?name=taken', { Image: 'busybox' }));
  s.record('create: name bad', await s.post('/containers/create?name=_', { Image: 'busybox' }));
  s.record('create: nothing', await s.post('/containers/create', {}));
  s.record('create: no body', await s.post('/containers/create'));
  s.record('create: wrong type', await s.post('/containers/create', { Image: 5 }));
  s.record('create: platform', await s.post('/containers/create?platform=linux/s390x', { Image: 'busybox' }));
  await s.discard('taken');
}
