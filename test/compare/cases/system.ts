/** The engine about itself and its images; the keys rather than the values where these are the machine's. */
import type { Answer, Subject } from '../subject.ts';

/** The keys of an object, with the type of what stands behind each. */
function keys({ body }: Answer): Record<string, string> {
  return Object.fromEntries(
    Object.entries(body as object).map(([key, value]) => [
      key,
      value === null ? 'null' : Array.isArray(value) ? 'list' : typeof value,
    ]),
  );
}

export async function system(s: Subject): Promise<void> {
  s.record('info: keys', keys(await s.get('/info')));
  s.record('version: keys', keys(await s.get('/version')));
  s.record('df: keys', keys(await s.get('/system/df')));
  s.record('ping', await s.get('/_ping'));
  s.record('image: inspect', await s.get('/images/busybox/json'));
  s.record('image: list', await s.get('/images/json'));
  s.record('image: history', await s.get('/images/busybox/history'));
  s.record('volume: list', await s.get('/volumes'));
  for (const name of ['bridge', 'host', 'none']) {
    s.record(`network: inspect ${name}`, await s.get(`/networks/${name}`));
  }
  s.record('network: list of the given one', await s.get(`/networks?filters={"name":["host"]}`));
}

export async function processes(s: Subject): Promise<void> {
  await s.run('proc', {
    Cmd: ['sh', '-c', 'echo x > /new; rm /etc/passwd; echo y >> /etc/group; exec sleep 1000'],
  });
  await new Promise((resolve) => setTimeout(resolve, 300));
  const top = (await s.get('/containers/proc/top?ps_args=-o%20pid,comm,args')).body as {
    Titles: string[];
    Processes: string[][];
  };
  s.record('top', { ...top, Processes: top.Processes?.map((row) => row.slice(1)) });
  s.record('top: titles', ((await s.get('/containers/proc/top')).body as { Titles: string[] }).Titles);
  const changes = (await s.get('/containers/proc/changes')).body as { Path: string }[];
  s.record(
    'changes',
    changes.toSorted((a, b) => a.Path.localeCompare(b.Path)),
  );
  await s.create('none', { Cmd: ['true'] });
  s.record('changes: none', await s.get('/containers/none/changes'));
  const waiting = s.post('/containers/proc/wait');
  await s.post('/containers/proc/kill');
  s.record('wait', await waiting);
  s.record('wait: over', await s.post('/containers/proc/wait'));
  const removed = s.post('/containers/proc/wait?condition=removed');
  s.record('remove', await s.remove('/containers/proc'));
  s.record('wait: removed', await removed);
  s.record('prune', keys(await s.post('/containers/prune')));
  const stats = (await run1(s)) as Record<string, unknown>;
  s.record('stats: keys', keys({ status: 200, body: stats }));
}

async function run1(s: Subject): Promise<unknown> {
  await s.run('stat');
  const { body } = await s.get('/containers/stat/stats?stream=0');
  await s.discard('stat');
  return body;
}
