/** What happens to a container while something else happens to it. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, test } from 'node:test';
import { waitFor } from '../scripts/engine-client.ts';
import { engineName, useEngine } from './harness/engine.ts';

/** What Debian's dockerd, five years older, does differently or not at all. */
const newer = engineName === 'dockerd' && 'not in dockerd 20.10';

interface Inspect {
  State: { Status: string; Running: boolean; ExitCode: number };
  RestartCount: number;
}

describe('life of containers', () => {
  const engine = useEngine({ images: ['busybox'] });
  const api = () => engine().client;
  afterEach(() => engine().clear());

  const post = async (path: string, body?: object) =>
    (await api().request('POST', path, body ? { body } : {})).status;
  const remove = async (id: string) =>
    (await api().request('DELETE', `/containers/${id}?force=1&v=1`)).status;
  const inspect = (id: string) => api().json<Inspect>('GET', `/containers/${id}/json`);
  const status = async (id: string) => (await inspect(id)).State.Status;
  const isGone = async (id: string) => (await api().request('GET', `/containers/${id}/json`)).status === 404;
  const run = async (script: string, HostConfig: object = {}) => {
    const body = { Image: 'busybox', Cmd: ['sh', '-c', script], HostConfig };
    const { Id } = await api().json<{ Id: string }>('POST', '/containers/create', { body });
    return { id: Id, started: await post(`/containers/${Id}/start`) };
  };
  /** Runs to the end and returns what it printed. */
  const output = async (script: string, HostConfig: object = {}) => {
    const { id, started } = await run(script, HostConfig);
    assert.equal(started, 204);
    await post(`/containers/${id}/wait`);
    const { body } = await api().request('GET', `/containers/${id}/logs?stdout=1&stderr=1`);
    return String(body);
  };

  test('restart keeps a container of --rm, its end and a forced removal do not', async () => {
    const { id } = await run('sleep 1000', { AutoRemove: true });
    assert.equal(await post(`/containers/${id}/restart?t=0`), 204);
    assert.equal(await status(id), 'running');
    assert.equal(await remove(id), 204);
    assert.ok(await isGone(id));
  });

  test('a start that fails removes a container of --rm, and tells who waits for it', async () => {
    const body = { Image: 'busybox', Cmd: ['nonexist'], HostConfig: { AutoRemove: true } };
    const { Id } = await api().json<{ Id: string }>('POST', '/containers/create', { body });
    const removed = api().json<{ StatusCode: number }>('POST', `/containers/${Id}/wait?condition=removed`);
    assert.notEqual(await post(`/containers/${Id}/start`), 204);
    assert.equal((await removed).StatusCode, 127);
    assert.ok(await isGone(Id));
  });

  test('a container that waits for its restart is stopped, killed, and not removed without force', async () => {
    const { id } = await run('exit 3', { RestartPolicy: { Name: 'always' } });
    await waitFor('two restarts', async () => (await inspect(id)).RestartCount >= 2);
    await waitFor('a pause between restarts', async () => (await status(id)) === 'restarting');
    assert.equal((await api().request('DELETE', `/containers/${id}`)).status, 409);
    const waiting = api().json<{ StatusCode: number }>('POST', `/containers/${id}/wait`);
    assert.equal(await post(`/containers/${id}/stop`), 204);
    assert.equal((await waiting).StatusCode, 3);
    const { State, RestartCount } = await inspect(id);
    assert.deepEqual([State.Status, State.Running], ['exited', false]);
    assert.ok(RestartCount >= 2);
    assert.equal(await post(`/containers/${id}/start`), 204);
    await waitFor('a pause between restarts', async () => (await status(id)) === 'restarting');
    assert.equal(await post(`/containers/${id}/kill`), 204);
    assert.equal(await status(id), 'exited');
  });

  test('a paused container is stopped and removed', async () => {
    const { id } = await run('sleep 1000');
    assert.equal(await post(`/containers/${id}/pause`), 204);
    assert.equal(await post(`/containers/${id}/stop?t=0`), 204);
    assert.equal(await post(`/containers/${id}/start`), 204);
    assert.equal(await post(`/containers/${id}/pause`), 204);
    assert.equal(await remove(id), 204);
  });

  test('a start by hand gives on-failure all its tries again', async () => {
    const { id } = await run('exit 4', { RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 1 } });
    const atEnd = async () => {
      const { State, RestartCount } = await inspect(id);
      return State.Status === 'exited' && RestartCount === 1;
    };
    await waitFor('one restart', atEnd);
    assert.equal(await post(`/containers/${id}/start`), 204);
    await waitFor('one more restart', atEnd);
  });

  test('what is done to a few containers at once by many leaves them in order', async () => {
    const names = ['aa', 'bb', 'cc'];
    const operations = [
      (name: string) =>
        post(`/containers/create?name=${name}`, {
          Image: 'busybox',
          Cmd: ['sleep', '1000'],
          HostConfig: { AutoRemove: Math.random() < 0.3 },
        }),
      (name: string) => post(`/containers/${name}/start`),
      (name: string) => post(`/containers/${name}/stop?t=0`),
      (name: string) => post(`/containers/${name}/kill`),
      (name: string) => post(`/containers/${name}/restart?t=0`),
      (name: string) => post(`/containers/${name}/pause`),
      (name: string) => post(`/containers/${name}/rename?name=${names[0]}`),
      remove,
    ];
    const pick = <T>(list: readonly T[]): T => list[Math.floor(Math.random() * list.length)]!;
    const client = async () => {
      for (let i = 0; i < 25; i++) {
        const answer = await pick(operations)(pick(names));
        assert.ok(answer < 500, `status ${answer}`);
      }
    };
    await Promise.all(Array.from({ length: 4 }, client));
    for (const name of names) assert.ok([204, 404].includes(await remove(name)));
  });

  test('containers that share their IPC share /dev/shm', async () => {
    const { id } = await run('echo shared >/dev/shm/f; sleep 1000', { IpcMode: 'shareable' });
    await waitFor('the file', async () =>
      (await output('cat /dev/shm/f', { IpcMode: `container:${id}` })).includes('shared'),
    );
  });

  test('a container on the network of another has its name and its files', async () => {
    const { id } = await run('sleep 1000');
    const joined = { NetworkMode: `container:${id}` };
    assert.match(await output('hostname', joined), new RegExp(id.slice(0, 12)));
    assert.match(await output('cat /etc/hosts /etc/hostname', joined), new RegExp(id.slice(0, 12)));
  });

  test('a path in a volume does not lead out of it', { skip: newer }, async () => {
    const data = (Subpath?: string) => ({
      Mounts: [
        {
          Type: 'volume',
          Source: 'lifevol',
          Target: '/v',
          ...(Subpath ? { VolumeOptions: { Subpath } } : {}),
        },
      ],
    });
    await output('mkdir /v/in; echo inside >/v/in/f; ln -s /etc /v/out; ln -s ../../.. /v/up', data());
    assert.match(await output('cat /v/f', data('in')), /inside/);
    assert.match(await output('cat /v', data('in/f')), /inside/);
    assert.match(await output('cat /v/in/f', data('up')), /inside/);
    assert.notEqual((await run('true', data('out'))).started, 204);
  });

  test('a single file is bound read-only', async () => {
    const file = join(engine().sandbox.directory, 'one');
    writeFileSync(file, 'content\n');
    const text = await output('cat /etc/one; echo x >/etc/one', { Binds: [`${file}:/etc/one:ro`] });
    assert.match(text, /content/);
    assert.match(text, /Read-only file system/);
  });
});
