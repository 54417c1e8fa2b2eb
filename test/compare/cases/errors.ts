/** What is refused, with which status and in which words. */
import type { Subject } from '../subject.ts';

/** `over` is a container that has ended, `run` one that runs, `cold` one that is paused, `nobody` is none. */
const REQUESTS: readonly string[] = [
  ...['GET /containers/nobody/json', 'GET /containers/nobody/top', 'GET /containers/nobody/logs?stdout=1'],
  ...[
    'GET /containers/nobody/changes',
    'GET /containers/nobody/export',
    'GET /containers/nobody/stats?stream=0',
  ],
  ...['POST /containers/nobody/start', 'POST /containers/nobody/stop', 'POST /containers/nobody/kill'],
  ...['POST /containers/nobody/restart', 'POST /containers/nobody/pause', 'POST /containers/nobody/unpause'],
  ...['POST /containers/nobody/rename?name=y', 'POST /containers/nobody/wait', 'DELETE /containers/nobody'],
  ...['POST /containers/nobody/attach?stream=1', 'POST /containers/nobody/resize?h=1&w=1'],
  ...['GET /containers/nobody/archive?path=/', 'POST /containers/nobody/update'],
  ...['GET /exec/nobody/json', 'POST /exec/nobody/start', 'POST /exec/nobody/resize?h=1&w=1'],
  ...[
    'POST /containers/over/stop',
    'POST /containers/over/kill',
    'POST /containers/over/pause',
    'POST /containers/over/unpause',
  ],
  ...[
    'GET /containers/over/top',
    'POST /containers/over/resize?h=1&w=1',
    'POST /containers/over/resize?h=a&w=1',
  ],
  ...[
    'GET /containers/over/logs',
    'POST /containers/over/kill?signal=NONSENSE',
    'POST /containers/over/attach?stdin=1',
  ],
  ...['POST /containers/run/start', 'POST /containers/run/unpause', 'DELETE /containers/run'],
  ...['POST /containers/run/kill?signal=NONSENSE', 'POST /containers/run/kill?signal=99'],
  ...[
    'POST /containers/run/rename',
    'POST /containers/run/rename?name=run',
    'POST /containers/run/rename?name=over',
  ],
  ...['POST /containers/run/rename?name=_', 'POST /containers/run/wait?condition=nonsense'],
  ...[
    'GET /containers/run/archive?path=/no/such',
    'GET /containers/run/archive',
    'GET /containers/run/top?ps_args=nonsense',
  ],
  ...[
    'POST /containers/run/stop?t=x',
    'GET /containers/run/logs?stdout=1&since=x',
    'GET /containers/run/logs?stdout=1&tail=x',
  ],
  ...[
    'POST /containers/cold/pause',
    'POST /containers/cold/start',
    'DELETE /containers/cold',
    'POST /containers/cold/attach?stream=1&stdout=1',
  ],
  ...[
    'GET /containers/json?filters={"nonsense":["x"]}',
    'GET /containers/json?filters={"status":["nonsense"]}',
  ],
  ...['GET /containers/json?filters=nonsense', 'GET /containers/json?filters={"before":["nobody"]}'],
  ...[
    'GET /containers/json?filters={"exited":["x"]}',
    'GET /containers/json?filters={"health":["nonsense"]}',
  ],
  ...[
    'GET /containers/json?filters={"is-task":["nonsense"]}',
    'GET /containers/json?filters={"publish":["x"]}',
  ],
  ...['GET /containers/json?filters={"name":["["]}', 'GET /containers/json?limit=x'],
  ...[
    'POST /containers/prune?filters={"nonsense":["x"]}',
    'POST /containers/prune?filters={"until":["nonsense"]}',
  ],
  ...['GET /events?since=x', 'GET /events?since=2&until=1', 'GET /events?until=1&filters=nonsense'],
  ...['GET /events?until=1&filters={"nonsense":["x"]}'],
  ...['GET /images/nobody/json', 'DELETE /images/nobody', 'POST /images/nobody/tag?repo=x'],
  ...[
    'POST /images/busybox/tag?repo=UPPER',
    'GET /images/nobody/history',
    'GET /images/json?filters={"nonsense":["x"]}',
  ],
  ...[
    'GET /networks/nobody',
    'DELETE /networks/nobody',
    'DELETE /networks/bridge',
    'POST /networks/create {"Name":"bridge"}',
  ],
  ...['POST /networks/create {"Name":"n","Driver":"nonsense"}', 'POST /networks/create {}'],
  ...[
    'POST /networks/nobody/connect {"Container":"over"}',
    'POST /networks/bridge/connect {"Container":"nobody"}',
  ],
  ...[
    'GET /volumes/nobody',
    'DELETE /volumes/nobody',
    'DELETE /volumes/nobody?force=1',
    'POST /volumes/create {"Name":"_"}',
  ],
  ...['POST /volumes/create {"Name":"v","Driver":"nonsense"}', 'GET /volumes?filters={"nonsense":["x"]}'],
  ...[
    'POST /commit?container=nobody',
    'GET /nonsense',
    'GET /swarm',
    'GET /nodes',
    'GET /plugins',
    'POST /containers/over/exec {"Cmd":["ls"]}',
  ],
  ...[
    'POST /containers/run/exec {}',
    'POST /containers/cold/exec {"Cmd":["ls"]}',
    'POST /containers/nobody/exec {"Cmd":["ls"]}',
  ],
  ...[
    'POST /containers/run/exec {"Cmd":["ls"],"DetachKeys":"nonsense"}',
    'POST /containers/run/attach?stream=1&stdout=1&detachKeys=nonsense',
  ],
  ...[
    'POST /containers/run/update {"Memory":1}',
    'POST /containers/run/update {"RestartPolicy":{"Name":"nonsense"}}',
  ],
];

export async function errors(s: Subject): Promise<void> {
  await s.run('over', { Cmd: ['true'] });
  await s.until('over', 'exited');
  await s.run('run');
  await s.run('cold');
  await s.post('/containers/cold/pause');
  for (const request of REQUESTS) {
    const [method = '', path = '', ...body] = request.split(' ');
    s.record(request, await s.ask(method, path, body.length ? JSON.parse(body.join(' ')) : undefined));
  }
  await s.discard('over', 'run', 'cold');
}
