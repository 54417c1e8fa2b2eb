/** Containers in all states and of all kinds, as inspect and list show them. */
import type { Subject } from '../subject.ts';

const forever = ['sleep', '1000'];

export async function inspectStates(s: Subject): Promise<void> {
  await s.create('plain', { Cmd: ['true'] });
  s.record('inspect: created', await s.get('/containers/plain/json'));
  s.record('list: created', await s.get(`/containers/json?all=1&filters={"name":["plain"]}`));
  s.record('inspect: created, with size', await s.get('/containers/plain/json?size=1'));
  await s.post('/containers/plain/start');
  await s.until('plain', 'exited');
  s.record('inspect: exited 0', await s.get('/containers/plain/json'));
  s.record('list: exited', await s.get(`/containers/json?all=1&filters={"name":["plain"]}`));

  await s.run('three', { Cmd: ['sh', '-c', 'exit 3'] });
  await s.until('three', 'exited');
  s.record('inspect: exited 3', await s.get('/containers/three/json'));

  await s.run('still');
  s.record('inspect: running', await s.get('/containers/still/json'));
  s.record('list: running', await s.get(`/containers/json?filters={"name":["still"]}`));
  s.record('list: with size', await s.get(`/containers/json?size=1&filters={"name":["still"]}`));
  await s.post('/containers/still/pause');
  s.record('inspect: paused', await s.get('/containers/still/json'));
  s.record('list: paused', await s.get(`/containers/json?filters={"name":["still"]}`));
  await s.post('/containers/still/unpause');
  await s.post('/containers/still/kill');
  await s.until('still', 'exited');
  s.record('inspect: killed', await s.get('/containers/still/json'));

  await s.run('stopped', { StopSignal: 'SIGKILL' });
  await s.post('/containers/stopped/stop');
  s.record('inspect: stopped', await s.get('/containers/stopped/json'));
  await s.post('/containers/stopped/restart');
  s.record('inspect: restarted', await s.get('/containers/stopped/json'));

  await s.run('again', { Cmd: ['false'], HostConfig: { RestartPolicy: { Name: 'always' } } });
  await s.until('again', 'restarting');
  const { RestartCount: _, ...again } = (await s.get('/containers/again/json')).body as Record<
    string,
    unknown
  >;
  s.record('inspect: restarting', again);

  await s.create('missing', { Cmd: ['/no/such/program'] });
  s.record('start: no such program', await s.post('/containers/missing/start'));
  s.record('inspect: program missing', await s.get('/containers/missing/json'));
  await s.create('denied', { Cmd: ['/etc/passwd'] });
  s.record('start: no permission', await s.post('/containers/denied/start'));
  await s.create('user', { Cmd: ['true'], User: 'nobody-here' });
  s.record('start: no such user', await s.post('/containers/user/start'));
  await s.discard('plain', 'three', 'still', 'stopped', 'again', 'missing', 'denied', 'user');
}

export async function inspectConfigs(s: Subject): Promise<void> {
  await s.post('/volumes/create', { Name: 'data', Labels: { a: 'b' } });
  await s.run('mounts', {
    Volumes: { '/anonymous': {} },
    HostConfig: {
      Binds: ['/usr/share:/host:ro', 'data:/data', 'data:/nocopy:nocopy'],
      Tmpfs: { '/scratch': 'size=1m' },
      Mounts: [
        { Type: 'tmpfs', Target: '/tmpfs', TmpfsOptions: { SizeBytes: 1 << 20, Mode: 0o700 } },
        { Type: 'bind', Source: '/usr/share', Target: '/bind', BindOptions: { Propagation: 'rprivate' } },
        { Type: 'volume', Source: 'data', Target: '/volume', ReadOnly: true },
        {
          Type: 'volume',
          Source: 'made',
          Target: '/made',
          VolumeOptions: { NoCopy: true, Labels: { l: 'v' } },
        },
      ],
    },
  });
  s.record('inspect: mounts', await s.get('/containers/mounts/json'));
  s.record('list: mounts', await s.get(`/containers/json?filters={"name":["mounts"]}`));
  s.record('volume: inspect', await s.get('/volumes/data'));
  s.record('volume: in use', await s.remove('/volumes/data'));
  await s.run('giver', { HostConfig: { Binds: ['data:/data', '/usr/share:/share'] } });
  await s.create('heir', { Cmd: forever, HostConfig: { VolumesFrom: ['giver:ro'] } });
  s.record('inspect: volumes from', await s.get('/containers/heir/json'));

  await s.run('ports', {
    ExposedPorts: { '80/tcp': {}, '81/udp': {}, '90/tcp': {} },
    HostConfig: {
      PortBindings: {
        '80/tcp': [{ HostIp: '', HostPort: '' }],
        '81/udp': [{ HostIp: '127.0.0.1', HostPort: '8181' }],
      },
    },
  });
  s.record('inspect: ports', await s.get('/containers/ports/json'));
  s.record('list: ports', await s.get(`/containers/json?filters={"name":["ports"]}`));

  await s.create('limits', {
    Cmd: forever,
    HostConfig: {
      Memory: 64 << 20,
      MemoryReservation: 32 << 20,
      MemorySwap: 128 << 20,
      CpuShares: 512,
      CpuPeriod: 100000,
      CpuQuota: 50000,
      CpusetCpus: '0',
      PidsLimit: 100,
      BlkioWeight: 0,
      ShmSize: 1 << 20,
      Ulimits: [{ Name: 'nofile', Soft: 100, Hard: 200 }],
      OomScoreAdj: 100,
      Sysctls: { 'net.ipv4.ip_forward': '1' },
      Devices: [{ PathOnHost: '/dev/null', PathInContainer: '/dev/zilch', CgroupPermissions: 'r' }],
      DeviceCgroupRules: ['c 1:3 rwm'],
    },
  });
  s.record('inspect: limits', await s.get('/containers/limits/json'));
  await s.create('nano', { Cmd: forever, HostConfig: { NanoCpus: 5e8, Memory: 32 << 20 } });
  s.record('inspect: NanoCpus', await s.get('/containers/nano/json'));

  await s.create('security', {
    Cmd: forever,
    User: '1000:1000',
    HostConfig: {
      CapAdd: ['NET_ADMIN'],
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges'],
      ReadonlyRootfs: true,
      Init: true,
      GroupAdd: ['33'],
      IpcMode: 'shareable',
      PidMode: 'host',
      UTSMode: 'host',
      AutoRemove: true,
      LogConfig: { Type: 'json-file', Config: { 'max-size': '1m' } },
      RestartPolicy: { Name: '' },
    },
  });
  s.record('inspect: security', await s.get('/containers/security/json'));
  await s.create('strong', { Cmd: forever, HostConfig: { Privileged: true } });
  s.record('inspect: privileged', await s.get('/containers/strong/json'));

  await s.create('names', {
    Cmd: forever,
    Hostname: 'h',
    Domainname: 'example.test',
    MacAddress: '02:42:ac:11:00:99',
    Env: ['A=b', 'EMPTY=', 'ALONE'],
    Labels: { one: '1' },
    WorkingDir: '/tmp',
    StopSignal: 'SIGINT',
    StopTimeout: 3,
    Tty: true,
    OpenStdin: true,
    StdinOnce: true,
    AttachStdin: true,
    AttachStdout: true,
    Entrypoint: ['sh', '-c'],
    HostConfig: {
      Dns: ['1.1.1.1'],
      DnsSearch: ['d.test'],
      DnsOptions: ['ndots:2'],
      ExtraHosts: ['x:1.2.3.4'],
    },
  });
  s.record('inspect: names', await s.get('/containers/names/json'));
  s.record('list: long command', await s.get(`/containers/json?all=1&filters={"name":["names"]}`));

  await s.discard('heir', 'giver', 'mounts', 'ports', 'limits', 'nano', 'security', 'strong', 'names');
  await s.remove('/volumes/data');
  await s.remove('/volumes/made');
}

export async function inspectNetworks(s: Subject): Promise<void> {
  for (const mode of ['host', 'none']) {
    await s.run(mode, { HostConfig: { NetworkMode: mode } });
    s.record(`inspect: network ${mode}`, await s.get(`/containers/${mode}/json`));
  }
  await s.post('/networks/create', { Name: 'n1', IPAM: { Config: [{ Subnet: '10.123.0.0/24' }] } });
  await s.run('one', {
    HostConfig: { NetworkMode: 'n1' },
    NetworkingConfig: {
      EndpointsConfig: { n1: { Aliases: ['uno'], IPAMConfig: { IPv4Address: '10.123.0.9' } } },
    },
  });
  s.record('inspect: network of ours', await s.get('/containers/one/json'));
  s.record('list: network of ours', await s.get(`/containers/json?filters={"network":["n1"]}`));
  s.record('network: inspect', await s.get('/networks/n1'));
  await s.run('joined', { HostConfig: { NetworkMode: 'container:one' } });
  s.record('inspect: network of a container', await s.get('/containers/joined/json'));
  await s.create('later', { Cmd: forever, HostConfig: { NetworkMode: 'n1' } });
  s.record('inspect: created on a network', await s.get('/containers/later/json'));
  s.record('network: in use', await s.remove('/networks/n1'));
  s.record('network: connect', await s.post('/networks/bridge/connect', { Container: 'one' }));
  s.record('network: connect twice', await s.post('/networks/bridge/connect', { Container: 'one' }));
  s.record('inspect: two networks', await s.get('/containers/one/json'));
  s.record('network: disconnect', await s.post('/networks/bridge/disconnect', { Container: 'one' }));
  s.record('network: disconnect twice', await s.post('/networks/bridge/disconnect', { Container: 'one' }));
  await s.discard('joined', 'later', 'one', 'host', 'none');
  s.record('network: list', await s.get(`/networks?filters={"name":["n1"]}`));
  s.record('network: remove', await s.remove('/networks/n1'));
}

export async function inspectHealth(s: Subject): Promise<void> {
  await s.run('healthy', {
    Healthcheck: { Test: ['CMD-SHELL', 'echo fine'], Interval: 2e8, Timeout: 5e9, Retries: 2 },
  });
  await s.until('healthy', 'healthy');
  const health = (await s.get('/containers/healthy/json')).body as { State: { Health: { Log: object[] } } };
  health.State.Health.Log = health.State.Health.Log.slice(0, 1);
  s.record('inspect: healthy', health);
  s.record('list: healthy', await s.get(`/containers/json?filters={"health":["healthy"]}`));
  await s.discard('healthy');
}
