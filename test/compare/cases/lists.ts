/** Which containers a list finds, and in which order. */
import type { Subject } from '../subject.ts';

/** Queries; `c1` was made first, runs, and has what the others lack. */
const QUERIES: readonly string[] = [
  ...['', 'all=1', 'limit=1', 'limit=2&all=0', 'limit=2', 'all=true', 'all=0'],
  ...[
    'all=1&filters={"name":["c1"]}',
    'all=1&filters={"name":["^/c[12]$"]}',
    'all=1&filters={"name":["^c2$"]}',
  ],
  ...[
    'all=1&filters={"name":["c1","c3"]}',
    'all=1&filters={"name":["/c1"]}',
    'all=1&filters={"name":{"c2":true}}',
  ],
  ...[
    'filters={"status":["exited"]}',
    'filters={"status":["created","running"]}',
    'filters={"status":["paused"]}',
  ],
  ...[
    'filters={"exited":["0"]}',
    'filters={"exited":["3"]}',
    'all=1&filters={"exited":["3"]}',
    'all=1&filters={"exited":["0","3"]}',
  ],
  ...[
    'filters={"before":["c3"]}',
    'filters={"since":["c1"]}',
    'all=1&filters={"before":["c3"]}',
    'all=1&filters={"since":["c2"]}',
  ],
  ...['all=1&filters={"before":["c4"],"since":["c1"]}', 'limit=1&filters={"before":["c3"]}'],
  ...[
    'all=1&filters={"label":["a"]}',
    'all=1&filters={"label":["a=b"]}',
    'all=1&filters={"label":["a=c"]}',
    'all=1&filters={"label":["a","x"]}',
  ],
  ...[
    'all=1&filters={"ancestor":["busybox"]}',
    'all=1&filters={"ancestor":["busybox:latest"]}',
    'all=1&filters={"ancestor":["nobody"]}',
  ],
  ...[
    'filters={"volume":["data"]}',
    'filters={"volume":["/data"]}',
    'filters={"volume":["/usr/share"]}',
    'all=1&filters={"volume":["nobody"]}',
  ],
  ...[
    'filters={"network":["bridge"]}',
    'all=1&filters={"network":["bridge"]}',
    'all=1&filters={"network":["none"]}',
    'all=1&filters={"network":["nobody"]}',
  ],
  ...[
    'filters={"publish":["8080"]}',
    'filters={"publish":["8080/tcp"]}',
    'filters={"publish":["8000-9000"]}',
    'filters={"publish":["8080/udp"]}',
  ],
  ...[
    'filters={"expose":["80"]}',
    'filters={"expose":["80/tcp"]}',
    'filters={"expose":["90"]}',
    'filters={"expose":["80"],"publish":["1"]}',
  ],
  ...[
    'all=1&filters={"health":["none"]}',
    'all=1&filters={"is-task":["false"]}',
    'all=1&filters={"is-task":["true"]}',
    'all=1&filters={"isolation":["default"]}',
  ],
  ...[
    'all=1&filters={"name":["c1"],"status":["exited"]}',
    'all=1&filters={}',
    'all=1&filters=',
    'all=1&filters={"name":[]}',
    'all=1&filters={"id":[""]}',
  ],
];

export async function lists(s: Subject): Promise<void> {
  await s.post('/volumes/create', { Name: 'data' });
  const id = await s.run('c1', {
    Labels: { a: 'b' },
    ExposedPorts: { '80/tcp': {}, '90/tcp': {} },
    HostConfig: {
      Binds: ['data:/data', '/usr/share:/share'],
      PortBindings: { '80/tcp': [{ HostPort: '8080' }] },
    },
  });
  await s.run('c2', { Cmd: ['sh', '-c', 'exit 3'], Labels: { a: 'c', x: 'y' } });
  await s.run('c3', { Cmd: ['true'], HostConfig: { NetworkMode: 'none' } });
  await s.until('c2', 'exited');
  await s.until('c3', 'exited');
  await s.create('c4', { Cmd: ['true'] });
  await s.run('c5');
  await s.post('/containers/c5/pause');
  const queries = [
    ...QUERIES,
    `filters={"id":["${id}"]}`,
    `filters={"id":["${id.slice(0, 5)}"]}`,
    `filters={"id":["${id.slice(1, 30)}"]}`,
  ];
  for (const query of queries) {
    const { body } = await s.get(`/containers/json?${query}`);
    const names = Array.isArray(body) ? body.map((each: { Names: string[] }) => each.Names.join()) : body;
    s.record(
      `list: ${query
        .replaceAll(id, 'ID')
        .replace(/[0-9a-f]{29}/, 'PART')
        .replace(id.slice(0, 5), 'START')}`,
      names,
    );
  }
  await s.discard('c1', 'c2', 'c3', 'c4', 'c5');
}
