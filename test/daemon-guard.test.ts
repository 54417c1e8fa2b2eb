/** A daemon beside another, and a daemon on its way out: what is refused, and how. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { waitFor } from '../scripts/engine-client.ts';
import { run } from './harness/command.ts';
import { engineName, TestEngine, useEngine } from './harness/engine.ts';

const REPOSITORY = join(import.meta.dirname, '..');

describe('daemons', { skip: engineName === 'dockerd' && 'about wharfd' }, () => {
  const engine = useEngine({ images: ['busybox'] });
  const running = async (script: string) => {
    const body = { Image: 'busybox', Cmd: ['sh', '-c', script] };
    const { Id } = await engine().client.json<{ Id: string }>('POST', '/containers/create', { body });
    assert.equal((await engine().client.request('POST', `/containers/${Id}/start`)).status, 204);
    return Id;
  };

  test('a second daemon on the same data root, or exec root, is told whose it is', async () => {
    const { directory } = engine().sandbox;
    const roots = { 'data-root': join(directory, 'data'), 'exec-root': join(directory, 'exec') };
    for (const shared of ['data-root', 'exec-root'] as const) {
      const own = Object.entries(roots).map(([flag, path]) => [
        `--${flag}`,
        flag === shared ? path : `${path}2`,
      ]);
      const second = await run(
        engine().sandbox.inside([
          join(REPOSITORY, 'bin/wharfd'),
          ...own.flat(),
          ...[
            '-H',
            `unix://${directory}/second.sock`,
            '--bridge',
            'second0',
            '--pidfile',
            `${directory}/pid2`,
          ],
        ]),
      );
      assert.equal(second.code, 1);
      assert.equal(
        second.stderr,
        `wharfd: another wharfd (process ${engine().pid}) uses ${roots[shared]}\nStop that one, or give this one another --${shared}\n`,
      );
    }
    assert.ok(await engine().client.ping(), 'the first one is not disturbed');
  });

  test('an exec at the moment of the container’s end runs, or is a conflict', async () => {
    const outcomes = new Set<number>();
    for (let round = 0; round < 12; round++) {
      const id = await running('read x < /dev/zero & sleep 100');
      const execs = Array.from({ length: 4 }, async () => {
        const body = { Cmd: ['true'], AttachStdout: true };
        const created = await engine().client.request('POST', `/containers/${id}/exec`, { body });
        if (created.status !== 201) return created.status;
        const { Id } = JSON.parse(created.body) as { Id: string };
        const start = await engine().client.request('POST', `/exec/${Id}/start`, { body: { Detach: true } });
        return start.status;
      });
      const kill = engine().client.request('POST', `/containers/${id}/kill`);
      for (const status of await Promise.all(execs)) outcomes.add(status);
      await kill;
      await engine().client.request('DELETE', `/containers/${id}?force=1`);
    }
    assert.deepEqual(
      [...outcomes].filter((status) => ![200, 404, 409].includes(status)),
      [],
    );
  });

  test('while a daemon goes down it answers questions, and refuses what would change something', async () => {
    const leaving = await TestEngine.start({ images: ['busybox'] });
    const body = {
      Image: 'busybox',
      Cmd: ['sh', '-c', 'trap "" TERM; while :; do sleep 0.1; done'],
      StopTimeout: 60,
    };
    const { Id } = await leaving.client.json<{ Id: string }>('POST', '/containers/create', { body });
    await leaving.client.request('POST', `/containers/${Id}/start`);
    process.kill(leaving.pid, 'SIGTERM');
    const refused = await waitFor('a refusal', async () => {
      const answer = await leaving.client.request('POST', '/containers/create', { body });
      return answer.status === 503 ? answer : undefined;
    });
    assert.match(refused.body, /the daemon is shutting down/);
    const list = await leaving.client.request('GET', '/containers/json?all=1');
    assert.equal(list.status, 200);
    const [container] = (JSON.parse(list.body) as { Id: string; State: string }[]).filter((c) => c.Id === Id);
    assert.equal(container?.State, 'running', 'it waits for its container');
    // The container takes no SIGTERM: whoever cannot wait ends it.
    const inspect = await leaving.client.json<{ State: { Pid: number } }>('GET', `/containers/${Id}/json`);
    assert.ok(inspect.State.Pid > 1);
    process.kill(inspect.State.Pid, 'SIGKILL');
    await leaving.stop().catch((err: unknown) => assert.match(String(err), /ended with 0 during the tests/));
  });
});
