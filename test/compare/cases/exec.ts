/** Execs: what is told of them before, while and after they run. */
import { waitFor } from '../../../scripts/engine-client.ts';
import type { Subject } from '../subject.ts';

export async function execs(s: Subject): Promise<void> {
  await s.run('box');
  const create = async (config: object): Promise<string> => {
    const { body } = await s.post('/containers/box/exec', config);
    return (body as { Id: string }).Id;
  };
  const ended = (id: string) =>
    waitFor('the exec to end', async () => {
      const { body } = await s.get(`/exec/${id}/json`);
      return (body as { Running: boolean; Pid: number }).Running ? undefined : true;
    });

  s.record('exec: create', await s.post('/containers/box/exec', { Cmd: ['true'] }));
  const full = await create({
    Cmd: ['sh', '-c', 'sleep 1000'],
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    Tty: true,
    Privileged: false,
    User: '1:1',
    Env: ['A=b'],
    WorkingDir: '/tmp',
    DetachKeys: 'ctrl-x',
  });
  s.record('exec: inspect, created', await s.get(`/exec/${full}/json`));
  s.record('exec: resize before the start', await s.post(`/exec/${full}/resize?h=10&w=10`));
  s.record('exec: start detached', await s.post(`/exec/${full}/start`, { Detach: true, Tty: true }));
  s.record('exec: inspect, running', await s.get(`/exec/${full}/json`));
  s.record('exec: container with a running exec', await s.get('/containers/box/json'));
  s.record('exec: start twice', await s.post(`/exec/${full}/start`, { Detach: true }));
  s.record('exec: resize', await s.post(`/exec/${full}/resize?h=10&w=10`));

  const three = await create({ Cmd: ['sh', '-c', 'echo out; exit 3'], AttachStdout: true });
  await s.post(`/exec/${three}/start`, { Detach: true });
  await ended(three);
  s.record('exec: inspect, ended', await s.get(`/exec/${three}/json`));
  s.record('exec: start when ended', await s.post(`/exec/${three}/start`, { Detach: true }));
  s.record('exec: resize when ended', await s.post(`/exec/${three}/resize?h=10&w=10`));

  for (const [name, config] of Object.entries({
    'no such program': { Cmd: ['/no/such'] },
    'no permission': { Cmd: ['/etc/passwd'] },
    'no such directory': { Cmd: ['true'], WorkingDir: '/no/such' },
    'relative directory': { Cmd: ['true'], WorkingDir: 'tmp' },
    'no such user': { Cmd: ['true'], User: 'nobody-here' },
  })) {
    const made = await s.post('/containers/box/exec', config);
    const { Id } = made.body as { Id?: string };
    if (Id === undefined) {
      s.record(`exec: ${name}`, made);
      continue;
    }
    s.record(`exec: ${name}`, await s.post(`/exec/${Id}/start`, { Detach: true }));
    await ended(Id);
    s.record(`exec: ${name}, inspect`, await s.get(`/exec/${Id}/json`));
  }
  const late = await create({ Cmd: ['true'] });
  await s.post('/containers/box/pause');
  s.record('exec: start in a paused container', await s.post(`/exec/${late}/start`, { Detach: true }));
  await s.post('/containers/box/unpause');
  await s.post('/containers/box/kill');
  await s.until('box', 'exited');
  s.record('exec: start in a stopped container', await s.post(`/exec/${late}/start`, { Detach: true }));
  s.record('exec: inspect when the container ended', await s.get(`/exec/${full}/json`));
  await s.discard('box');
}
