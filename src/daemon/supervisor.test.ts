import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Supervisor } from './supervisor.ts';

const log = { warn: assert.fail };
const handed = (more: object = {}): NodeJS.ProcessEnv => ({
  LISTEN_PID: String(process.pid),
  LISTEN_FDS: '2',
  LISTEN_FDNAMES: 'wharf.socket:tls',
  ...more,
});

test('fd:// means all sockets handed over, one by its number, or those of a name', () => {
  const env = handed({ NOTIFY_SOCKET: '/nowhere', HOME: '/root' });
  const supervisor = new Supervisor(log, env);
  assert.deepEqual(supervisor.sockets(''), [3, 4]);
  assert.deepEqual(supervisor.sockets('*'), [3, 4]);
  assert.deepEqual(supervisor.sockets('4'), [4]);
  assert.deepEqual(supervisor.sockets('tls'), [4]);
  assert.throws(() => supervisor.sockets('5'), /failed to find a socket "5"/);
  assert.deepEqual(env, { HOME: '/root' }, 'children are told nothing of it');
});

test('sockets for another process are none of ours', () => {
  for (const env of [{}, handed({ LISTEN_PID: '1' })])
    assert.throws(() => new Supervisor(log, env).sockets(''), /no sockets found via socket activation/);
});

test('without a supervisor nobody is told', async () => {
  const supervisor = new Supervisor(log, {});
  supervisor.ready();
  supervisor.stopping();
  assert.equal(await supervisor.machineStops(), false);
});
