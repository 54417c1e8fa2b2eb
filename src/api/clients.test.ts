/** Stock clients against the API with backends in memory: what they send is understood, and back. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { PassThrough, Readable } from 'node:stream';
import { test } from 'node:test';
import { DockerClient } from '@docker/node-sdk';
import Docker from 'dockerode';
import { type Fake, fakeBackends, type Served, serve } from './testing/fake-backends.ts';

async function withApi(run: (api: Served, backends: Fake) => Promise<void>): Promise<void> {
  const backends = fakeBackends();
  await using api = await serve(backends);
  await run(api, backends);
}

const frame = (type: number, text: string): Buffer => {
  const head = Buffer.from([type, 0, 0, 0, 0, 0, 0, 0]);
  head.writeUInt32BE(text.length, 4);
  return Buffer.concat([head, Buffer.from(text)]);
};

test('dockerode: create, start, wait, list with filters, errors', async () => {
  await withApi(async (api, backends) => {
    const docker = new Docker({ socketPath: api.path });
    assert.equal((await docker.ping()).toString(), 'OK');
    const container = await docker.createContainer({ Image: 'busybox', Cmd: ['true'], name: 'n' });
    assert.equal(container.id, 'f'.repeat(64));
    const c1 = docker.getContainer('c1');
    await c1.start();
    const waited = c1.wait();
    setTimeout(() => backends.exit(7), 30);
    assert.deepEqual(await waited, { StatusCode: 7 });
    await docker.listContainers({ all: true, filters: { label: ['a=b'] } });
    const list = backends.calls.find(([name]) => name === 'list')?.[1] as Record<string, unknown>;
    assert.deepEqual([list.all, { ...(list.filters as object) }], [true, { label: ['a=b'] }]);
    await assert.rejects(docker.getContainer('nope').inspect(), {
      statusCode: 404,
      message: /No such container: nope/,
    });
    await assert.rejects(docker.getContainer('tty').start(), { statusCode: 304 });
  });
});

test('dockerode: attach with and without hijack, half-close, demultiplexing', async () => {
  await withApi(async (api, backends) => {
    const docker = new Docker({ socketPath: api.path });
    for (const hijack of [true, false]) {
      const stream = await docker
        .getContainer('c1')
        .attach({ stream: true, stdin: true, stdout: true, stderr: true, hijack });
      const far = await backends.far();
      const out = new PassThrough().setEncoding('utf8');
      const err = new PassThrough().setEncoding('utf8');
      docker.modem.demuxStream(stream, out, err);
      stream.write('typed');
      const [typed] = await once(far, 'data');
      assert.equal(String(typed), 'typed');
      if (hijack) {
        stream.end();
        far.resume();
        await once(far, 'end');
      }
      far.write(frame(1, 'to out'));
      far.write(frame(2, 'to err'));
      far.end();
      const [[o], [e]] = await Promise.all([once(out, 'data'), once(err, 'data')]);
      assert.deepEqual([o, e], ['to out', 'to err']);
    }
  });
});

test('dockerode: exec with stdin by hijack', async () => {
  await withApi(async (api, backends) => {
    const docker = new Docker({ socketPath: api.path });
    const exec = await docker
      .getContainer('c1')
      .exec({ Cmd: ['cat'], AttachStdin: true, AttachStdout: true });
    const stream = await exec.start({ hijack: true, stdin: true });
    const far = await backends.far();
    stream.end('hello');
    let typed = '';
    far.on('data', (chunk) => {
      typed += chunk;
    });
    await once(far, 'end');
    assert.equal(typed, 'hello');
    far.end();
    assert.equal((await exec.inspect()).ExitCode, 0);
  });
});

test('dockerode: pull with progress, events', async () => {
  await withApi(async (api, backends) => {
    const docker = new Docker({ socketPath: api.path });
    backends.images.pull = async ({ image, tag, onProgress }) => onProgress({ status: `${image}|${tag}` });
    const progress: { status: string }[] = await new Promise((resolve, reject) => {
      docker.pull('localhost:5000/team/app:v1', {}, (err, stream) => {
        if (err || !stream) return reject(err);
        docker.modem.followProgress(stream, (failed, lines) => (failed ? reject(failed) : resolve(lines)));
      });
    });
    assert.deepEqual(progress, [{ status: 'localhost:5000/team/app|v1' }]);
    const events = await docker.getEvents();
    backends.events.emit({ Type: 'container', Action: 'die', Actor: { ID: 'x' } });
    const [line] = await once(events, 'data');
    assert.equal(JSON.parse(line.toString()).Action, 'die');
    events.pipe(new PassThrough()).destroy();
    (events as Readable).destroy();
  });
});

test('@docker/node-sdk: version negotiation, lists, create, logs, attach', async () => {
  await withApi(async (api, backends) => {
    const docker = await DockerClient.fromDockerHost(`unix://${api.path}`);
    assert.equal((await docker.systemVersion()).ApiVersion, '1.51');
    assert.equal((await docker.containerList({ all: true })).length, 1);
    const created = await docker.containerCreate({ Image: 'busybox', Tty: true });
    assert.equal(created.Id, 'f'.repeat(64));
    await docker.containerStart('c1');
    const wait = docker.containerWait('c1');
    setTimeout(() => backends.exit(3), 30);
    assert.equal((await wait).StatusCode, 3);
    const out = new PassThrough();
    const err = new PassThrough();
    backends.containers.logs = () => ({ tty: false, stream: Readable.from([frame(1, 'logged')]) });
    await docker.containerLogs('c1', out, err, { stdout: true });
    assert.equal(String(out.read()), 'logged');
    await docker.close();
  });
});
