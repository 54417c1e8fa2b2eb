/**
 * Requests in order, each with a name: a container with everything over its life, ends, refusals at creation, filters.
 * `$name` in a path stands for the id an earlier request (`as`) was answered.
 */
import { Readable } from 'node:stream';
import type { Subject } from '../subject.ts';

interface Ask {
  /** Says what is asked; accepted differences name it. */
  readonly name: string;
  readonly method: 'GET' | 'POST' | 'DELETE' | 'HEAD' | 'PUT';
  readonly path: string;
  readonly body?: object | string;
  /** Keeps the answer's `Id` under this name. */
  readonly as?: string;
  /** What of a good answer is compared; everything when absent. */
  readonly pick?: (answer: unknown) => unknown;
  /** Asked only to go on: not compared. */
  readonly quiet?: true;
}

const IMAGE = 'busybox';
const sleeper = { Image: IMAGE, Cmd: ['sleep', '1000'], StopSignal: 'SIGKILL' };
const create = (name: string, body: object, as?: string): Ask => ({
  name: `create: ${name}`,
  method: 'POST',
  path: as ? `/containers/create?name=cmp-${as}` : '/containers/create',
  body,
  ...(as ? { as } : {}),
});
const refusal = (name: string, body: object | string): Ask => ({
  name: `create refused: ${name}`,
  method: 'POST',
  path: '/containers/create',
  body,
});
const host = (HostConfig: object): object => ({ ...sleeper, HostConfig });
const get = (name: string, path: string, pick?: Ask['pick']): Ask => ({
  name,
  method: 'GET',
  path,
  ...(pick ? { pick } : {}),
});
const post = (name: string, path: string, body?: object): Ask => ({
  name,
  method: 'POST',
  path,
  ...(body ? { body } : {}),
});
const quiet = (ask: Ask): Ask => ({ ...ask, quiet: true });
const remove = (as: string): Ask =>
  quiet({ name: '', method: 'DELETE', path: `/containers/$${as}?force=1&v=1` });
const inspect = (name: string, as: string, part?: string): Ask =>
  get(
    `inspect: ${name}`,
    `/containers/$${as}/json`,
    part ? (answer) => (answer as Record<string, unknown>)[part] : undefined,
  );
/** Which fields there are. */
const keys = (answer: unknown): unknown =>
  Object.fromEntries(Object.keys(answer as object).map((name) => [name, true]));

const FULL = {
  ...sleeper,
  Hostname: 'named',
  Domainname: 'example.test',
  User: '1000:100',
  Env: ['A=b', 'PATH=/bin'],
  Labels: { one: '1', two: '' },
  WorkingDir: '/tmp',
  ExposedPorts: { '80/tcp': {}, '53/udp': {} },
  Volumes: { '/anonymous': {} },
  StopTimeout: 3,
  HostConfig: {
    Memory: 67108864,
    MemoryReservation: 33554432,
    CpuShares: 512,
    CpusetCpus: '0',
    NanoCpus: 500000000,
    PidsLimit: 50,
    CapAdd: ['NET_ADMIN'],
    CapDrop: ['MKNOD'],
    Dns: ['192.0.2.1'],
    DnsSearch: ['example.test'],
    ExtraHosts: ['other:192.0.2.2'],
    Binds: ['cmp-data:/data:ro', '/usr/share:/host'],
    Tmpfs: { '/scratch': 'size=1m' },
    RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 3 },
    Ulimits: [{ Name: 'nofile', Soft: 100, Hard: 200 }],
    Sysctls: { 'net.ipv4.ip_forward': '0' },
    LogConfig: { Type: 'json-file', Config: { 'max-size': '1m' } },
    ShmSize: 1048576,
    ReadonlyRootfs: true,
    Init: true,
  },
};

const ASKS: readonly Ask[] = [
  // ---- the engine
  get('version', '/version', keys),
  get('info', '/info', keys),
  get('ping', '/_ping'),
  get('unknown path', '/nothing'),
  // ---- a container with everything, over its life
  create('everything', FULL, 'full'),
  inspect('created, with everything', 'full'),
  post('start', '/containers/$full/start'),
  post('start again', '/containers/$full/start'),
  inspect('running, with everything', 'full'),
  get('list', '/containers/json?filters={"label":["one=1"]}'),
  get('list with size', '/containers/json?size=1&filters={"label":["one=1"]}', (answer) =>
    (answer as object[]).map(keys),
  ),
  get(
    'top',
    '/containers/$full/top?ps_args=-eo%20pid,comm',
    (answer) => (answer as { Titles: unknown }).Titles,
  ),
  get('stats', '/containers/$full/stats?stream=0&one-shot=1', (answer) =>
    Object.fromEntries(Object.entries(answer as object).map(([name, value]) => [name, kind(value)])),
  ),
  get('changes', '/containers/$full/changes', (answer) =>
    (answer as { Path: string }[]).toSorted((a, b) => (a.Path < b.Path ? -1 : 1)),
  ),
  post('update', '/containers/$full/update', {
    Memory: 134217728,
    MemorySwap: 268435456,
    RestartPolicy: { Name: 'always' },
  }),
  inspect('updated', 'full', 'HostConfig'),
  post('update refused: swap below memory', '/containers/$full/update', {
    Memory: 134217728,
    MemorySwap: 67108864,
  }),
  post('update refused: memory too small', '/containers/$full/update', { Memory: 1 }),
  post('rename', '/containers/$full/rename?name=cmp-renamed'),
  post('rename to nothing', '/containers/$full/rename?name='),
  post('rename to the same', '/containers/$full/rename?name=cmp-renamed'),
  post('pause', '/containers/$full/pause'),
  inspect('paused', 'full', 'State'),
  post('pause again', '/containers/$full/pause'),
  post('exec in a paused container', '/containers/$full/exec', { Cmd: ['true'] }),
  post('start a paused container', '/containers/$full/start'),
  post('unpause', '/containers/$full/unpause'),
  post('unpause again', '/containers/$full/unpause'),
  post('kill with no signal there is', '/containers/$full/kill?signal=NOTHING'),
  { name: 'remove a running container', method: 'DELETE', path: '/containers/$full' },
  post('stop', '/containers/$full/stop'),
  post('stop again', '/containers/$full/stop'),
  inspect('stopped', 'full', 'State'),
  post('kill a stopped container', '/containers/$full/kill'),
  post('pause a stopped container', '/containers/$full/pause'),
  post('resize a stopped container', '/containers/$full/resize?h=10&w=10'),
  post('exec in a stopped container', '/containers/$full/exec', { Cmd: ['true'] }),
  get('top of a stopped container', '/containers/$full/top'),
  get('stats of a stopped container', '/containers/$full/stats?stream=0&one-shot=1', keys),
  post('wait for a stopped container', '/containers/$full/wait'),
  { name: 'remove', method: 'DELETE', path: '/containers/$full?v=1' },
  { name: 'remove again', method: 'DELETE', path: '/containers/$full' },
  inspect('of nothing', 'full'),
  // ---- execs
  quiet(create('for execs', sleeper, 'execs')),
  quiet(post('', '/containers/$execs/start')),
  {
    ...post('exec create', '/containers/$execs/exec', {
      Cmd: ['sh', '-c', 'exit 3'],
      AttachStdout: true,
      Env: ['A=b'],
      User: '1000',
    }),
    as: 'exec',
  },
  get('exec inspect: created', '/exec/$exec/json'),
  quiet(post('', '/exec/$exec/start', { Detach: false })),
  get('exec inspect: ended', '/exec/$exec/json'),
  post('exec start again', '/exec/$exec/start', { Detach: false }),
  post('exec without a command', '/containers/$execs/exec', { Cmd: [] }),
  get('exec inspect: of nothing', '/exec/0123456789ab/json'),
  post('exec resize: of nothing', '/exec/0123456789ab/resize?h=1&w=1'),
  // ---- files
  get('archive of nothing', '/containers/$execs/archive?path=/nothing'),
  get('archive without a path', '/containers/$execs/archive'),
  {
    name: 'archive put where nothing is',
    method: 'PUT',
    path: '/containers/$execs/archive?path=/nothing',
    body: '',
  },
  post('commit refused: no such instruction', '/commit?container=$execs&changes=RUN%20true', {}),
  post('commit of nothing', '/commit?container=cmp-nothing', {}),
  remove('execs'),
  // ---- networks and namespaces a container is in
  quiet(create('', host({ NetworkMode: 'none' }), 'none')),
  quiet(post('', '/containers/$none/start')),
  inspect('without a network', 'none', 'NetworkSettings'),
  remove('none'),
  quiet(create('', host({ NetworkMode: 'host', PidMode: 'host', IpcMode: 'host', UTSMode: 'host' }), 'host')),
  quiet(post('', '/containers/$host/start')),
  inspect('in the host’s namespaces', 'host'),
  remove('host'),
  quiet(post('', '/networks/create', { Name: 'cmp-net', IPAM: { Config: [{ Subnet: '10.213.0.0/24' }] } })),
  quiet(
    create(
      '',
      {
        ...sleeper,
        HostConfig: {
          NetworkMode: 'cmp-net',
          PortBindings: { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '18213' }] },
        },
        ExposedPorts: { '80/tcp': {} },
        NetworkingConfig: {
          EndpointsConfig: { 'cmp-net': { Aliases: ['alias'], IPAMConfig: { IPv4Address: '10.213.0.9' } } },
        },
      },
      'netted',
    ),
  ),
  quiet(post('', '/containers/$netted/start')),
  inspect('in a network of its own, with a port', 'netted', 'NetworkSettings'),
  inspect('… its HostConfig', 'netted', 'HostConfig'),
  get('list: ports', '/containers/json?filters={"name":["cmp-netted"]}'),
  remove('netted'),
  quiet({ name: '', method: 'DELETE', path: '/networks/cmp-net' }),
  // ---- health, ends
  quiet(
    create(
      '',
      {
        ...sleeper,
        Healthcheck: {
          Test: ['CMD-SHELL', 'echo fine'],
          Interval: 200000000,
          Timeout: 3000000000,
          Retries: 2,
        },
      },
      'healthy',
    ),
  ),
  inspect('with a health check, created', 'healthy', 'Config'),
  remove('healthy'),
  quiet(create('', { Image: IMAGE, Cmd: ['sh', '-c', 'exit 7'] }, 'seven')),
  quiet(post('', '/containers/$seven/start')),
  post('wait: its exit code', '/containers/$seven/wait'),
  inspect('ended with 7', 'seven', 'State'),
  get('list: exited', '/containers/json?all=1&filters={"exited":["7"]}'),
  get('events of it', '/events?since=$began&until=$now&filters={"container":["cmp-seven"]}'),
  remove('seven'),
  quiet(create('', { Image: IMAGE, Cmd: ['nothing-there'] }, 'missing')),
  post('start: no such program', '/containers/$missing/start'),
  inspect('did not start', 'missing', 'State'),
  remove('missing'),
  quiet(create('', { Image: IMAGE, Cmd: ['/etc'] }, 'directory')),
  post('start: a directory', '/containers/$directory/start'),
  remove('directory'),
  quiet(create('', { ...sleeper, User: 'nobody-known' }, 'stranger')),
  post('start: no such user', '/containers/$stranger/start'),
  remove('stranger'),
  // ---- refusals at creation
  refusal('no such image', { Image: 'cmp-nothing' }),
  refusal('no image', { Cmd: ['true'] }),
  refusal('nothing', {}),
  refusal('no command', { Image: 'scratch-like', Cmd: [] }),
  { ...refusal('bad name', sleeper), path: '/containers/create?name=bad%20name' },
  refusal('little memory', host({ Memory: 1000 })),
  refusal('swap without memory', host({ MemorySwap: 10000000 })),
  refusal('swap below memory', host({ Memory: 20000000, MemorySwap: 10000000 })),
  refusal('reservation above memory', host({ Memory: 20000000, MemoryReservation: 30000000 })),
  refusal('swappiness', host({ MemorySwappiness: 101 })),
  refusal('cpus', host({ NanoCpus: 1e14 })),
  refusal('cpus and period', host({ NanoCpus: 1e9, CpuPeriod: 1000 })),
  refusal('period', host({ CpuPeriod: 1 })),
  refusal('quota', host({ CpuQuota: 1 })),
  refusal('cpuset', host({ CpusetCpus: '100' })),
  refusal('cpuset text', host({ CpusetCpus: 'x' })),
  refusal('block weight', host({ BlkioWeight: 5 })),
  refusal('shm size', host({ ShmSize: -1 })),
  refusal('oom score', host({ OomScoreAdj: 2000 })),
  refusal('restart policy', host({ RestartPolicy: { Name: 'sometimes' } })),
  refusal('restart count', host({ RestartPolicy: { Name: 'always', MaximumRetryCount: 1 } })),
  refusal('restart and remove', host({ RestartPolicy: { Name: 'always' }, AutoRemove: true })),
  refusal('capability', host({ CapAdd: ['NOTHING'] })),
  refusal('log driver', host({ LogConfig: { Type: 'nothing' } })),
  refusal('log option', host({ LogConfig: { Type: 'json-file', Config: { nothing: '1' } } })),
  refusal('log size', host({ LogConfig: { Type: 'json-file', Config: { 'max-size': 'x' } } })),
  refusal('runtime', host({ Runtime: 'nothing' })),
  refusal('ipc mode', host({ IpcMode: 'nothing' })),
  refusal('pid mode', host({ PidMode: 'nothing' })),
  refusal('uts mode', host({ UTSMode: 'nothing' })),
  refusal('user namespace mode', host({ UsernsMode: 'nothing' })),
  refusal('joined network and host name', {
    ...sleeper,
    Hostname: 'x',
    HostConfig: { NetworkMode: 'container:x' },
  }),
  refusal(
    'bind without a source',
    host({ Mounts: [{ Type: 'bind', Source: '/cmp/nothing', Target: '/x' }] }),
  ),
  refusal('mount without a target', host({ Mounts: [{ Type: 'volume', Source: 'x' }] })),
  refusal('mount of no type', host({ Mounts: [{ Type: 'nothing', Target: '/x' }] })),
  refusal('mount point twice', host({ Binds: ['cmp-a:/x', 'cmp-b:/x'] })),
  refusal('relative target', host({ Binds: ['/tmp:x'] })),
  refusal('bind mode', host({ Binds: ['/tmp:/x:nothing'] })),
  refusal('tmpfs option', host({ Tmpfs: { '/x': 'nothing' } })),
  refusal('security option', host({ SecurityOpt: ['nothing'] })),
  refusal('extra host', host({ ExtraHosts: ['nothing'] })),
  refusal('ulimit', host({ Ulimits: [{ Name: 'nothing', Soft: 1, Hard: 1 }] })),
  refusal('port', host({ PortBindings: { 'x/tcp': [{}] } })),
  refusal('host port', host({ PortBindings: { '80/tcp': [{ HostPort: 'x' }] } })),
  refusal('health interval', { ...sleeper, Healthcheck: { Test: ['CMD', 'true'], Interval: 1 } }),
  refusal('health retries', { ...sleeper, Healthcheck: { Test: ['CMD', 'true'], Retries: -1 } }),
  refusal('stop signal', { ...sleeper, StopSignal: 'NOTHING' }),
  refusal('environment', { ...sleeper, Env: ['=x'] }),
  refusal('working directory', { ...sleeper, WorkingDir: 'relative' }),
  refusal('ill-typed', { Image: 5 }),
  refusal('no JSON', '{'),
  // ---- filters
  get('list refused: filter', '/containers/json?filters={"nothing":["x"]}'),
  get('list refused: status', '/containers/json?filters={"status":["nothing"]}'),
  get('list refused: no JSON', '/containers/json?filters=x'),
  post('prune refused: filter', '/containers/prune?filters={"nothing":["x"]}'),
  post('prune', '/containers/prune?filters={"label":["cmp-nothing"]}'),
  get('logs without streams', '/containers/cmp-nothing/logs'),
  get('events refused: times', '/events?since=2&until=1'),
];

const kind = (value: unknown): unknown =>
  value !== null && typeof value === 'object' && !Array.isArray(value)
    ? Object.keys(value).sort()
    : typeof value;

/** Asks all of it. */
export async function asks(subject: Subject): Promise<void> {
  const began = String(Date.now() / 1000);
  const ids = new Map<string, string>();
  const fill = (text: string): string =>
    text
      .replaceAll('$began', began)
      .replaceAll('$now', String(Math.ceil(Date.now() / 1000)))
      .replaceAll(/\$([a-z]+)/g, (_all, name: string) => ids.get(name) ?? 'not-made')
      .replaceAll(/[{}"[\]]/g, encodeURIComponent);
  for (const { name, method, path, body, as, pick, quiet } of ASKS) {
    const payload = typeof body === 'string' ? Readable.from([body]) : body;
    const answer = await subject.ask(method, fill(path), payload);
    const made = answer.status === 201 ? (answer.body as { Id?: string }).Id : undefined;
    if (as && made) ids.set(as, made);
    // What was to be refused and was not.
    else if (made && path.startsWith('/containers/create')) await subject.discard(made);
    if (quiet) continue;
    const picked = answer.status < 300 && pick ? pick(answer.body) : answer.body;
    subject.record(`asked: ${name}`, { status: answer.status, body: picked });
  }
}
