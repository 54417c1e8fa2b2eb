/** Events: which there are, in which order, with which attributes. */
import type { Subject } from '../subject.ts';

interface Event {
  Type: string;
  Action: string;
  Actor: { ID: string; Attributes: Record<string, string> };
}

/** Does `work` and records the events of it; ones of a moment (network after start) in their order by type. */
async function told(s: Subject, name: string, work: () => Promise<unknown>, filters = '{}'): Promise<void> {
  const since = await now(s);
  await work();
  // What follows an exit (network, unmount) is told behind the answer.
  await new Promise((resolve) => setTimeout(resolve, 700));
  const until = await now(s);
  const { body } = await s.get(
    `/events?since=${since}&until=${until}&filters=${encodeURIComponent(filters)}`,
  );
  const events = (Array.isArray(body) ? body : body === '' ? [] : [body]) as Event[];
  // Between types Docker promises no order: what an exit takes down is told before or after it.
  for (const [type, group] of Map.groupBy(events, (event) => event.Type)) {
    const actions = group.map((event) => event.Action);
    s.record(`events: ${name}, order of ${type}`, actions);
    for (const action of new Set(actions)) {
      const event = group.find((each) => each.Action === action);
      s.record(`events: ${name}, ${type} ${action}`, event);
    }
  }
}

async function now(s: Subject): Promise<string> {
  const { SystemTime } = (await s.get('/info')).body as { SystemTime: string };
  const nanoseconds = /\.(\d+)/.exec(SystemTime)?.[1]?.padEnd(9, '0') ?? '000000000';
  return `${Math.floor(Date.parse(SystemTime) / 1000)}.${nanoseconds}`;
}

export async function events(s: Subject): Promise<void> {
  const labels = { Labels: { team: 'a' } };
  await told(s, 'run to the end', async () => {
    await s.run('ee', { Cmd: ['true'], ...labels });
    await s.until('ee', 'exited');
  });
  await told(s, 'start, restart, stop', async () => {
    await s.run('ef', { StopSignal: 'SIGKILL' });
    await s.post('/containers/ef/restart');
    await s.post('/containers/ef/stop');
  });
  await told(s, 'pause, rename, resize, kill', async () => {
    await s.run('eg', { Tty: true });
    await s.post('/containers/eg/pause');
    await s.post('/containers/eg/unpause');
    await s.post('/containers/eg/rename?name=eh');
    await s.post('/containers/eh/resize?h=10&w=10');
    await s.get('/containers/eh/top');
    await s.post('/containers/eh/kill?signal=SIGUSR1');
    await s.post('/containers/eh/update', { CpuShares: 512 });
    await s.post('/containers/eh/kill');
    await s.until('eh', 'exited');
  });
  await s.post('/containers/eh/start');
  await told(s, 'exec', async () => {
    const { body } = await s.post('/containers/eh/exec', { Cmd: ['sh', '-c', 'exit 4'] });
    await s.post(`/exec/${(body as { Id: string }).Id}/start`, { Detach: true });
  });
  await told(s, 'files', async () => {
    await s.ask('GET', '/containers/eh/archive?path=/etc/passwd');
    await s.ask('GET', '/containers/ee/export');
    await s.post('/commit?container=ee&repo=made&pause=0');
  });
  await told(s, 'force removal', () => s.discard('eh'));
  await told(s, 'removal', () => s.discard('ee', 'ef'));
  await told(s, 'failed start', async () => {
    await s.create('bad', { Cmd: ['/no/such'] });
    await s.post('/containers/bad/start');
  });
  await s.discard('bad');
  await told(s, 'volume', async () => {
    await s.post('/volumes/create', { Name: 'vv' });
    await s.run('ew', { Cmd: ['true'], HostConfig: { Binds: ['vv:/v:ro'] } });
    await s.until('ew', 'exited');
    await s.discard('ew');
    await s.remove('/volumes/vv');
  });
  await told(s, 'anonymous volume', async () => {
    await s.create('ew', { Cmd: ['true'], Volumes: { '/v': {} } });
    await s.discard('ew');
  });
  await told(s, 'network', async () => {
    await s.post('/networks/create', { Name: 'net', Labels: { a: 'b' } });
    await s.run('ec');
    await s.post('/networks/net/connect', { Container: 'ec' });
    await s.post('/networks/net/disconnect', { Container: 'ec' });
    await s.discard('ec');
    await s.remove('/networks/net');
  });
  await told(s, 'image', async () => {
    await s.post('/images/busybox/tag?repo=other&tag=one');
    await s.remove('/images/other:one');
    await s.remove('/images/made');
  });
  await told(s, 'automatic removal', async () => {
    await s.run('el', { Cmd: ['true'], HostConfig: { AutoRemove: true } });
    await new Promise((resolve) => setTimeout(resolve, 500));
  });
  await told(s, 'prune', async () => {
    await s.create('pp', { Cmd: ['true'] });
    await s.post('/containers/prune');
    await s.post('/volumes/prune');
    await s.post('/networks/prune');
    await s.post('/images/prune');
  });
}

export async function healthEvents(s: Subject): Promise<void> {
  await told(
    s,
    'healthy',
    async () => {
      await s.run('ek', { Healthcheck: { Test: ['CMD', 'true'], Interval: 2e8, Timeout: 5e9, Retries: 1 } });
      await s.until('ek', 'healthy');
    },
    '{"event":["health_status"]}',
  );
  await s.discard('ek');
}
