/** dockerode, the client that most Node programs use: the main job, as such a program does it. */
import assert from 'node:assert/strict';
import { afterEach, before, describe, test } from 'node:test';
import Docker from 'dockerode';
import { buildImage } from '../library/build.ts';
import { waitFor } from '../scripts/engine-client.ts';
import { absent, clientPath } from './harness/clients.ts';
import { useEngine } from './harness/engine.ts';
import { MemorySink } from './harness/memory-sink.ts';
import { Registry } from './harness/registry.ts';

describe('dockerode', { skip: absent('skopeo', 'docker-registry') }, () => {
  const engine = useEngine();
  let docker: Docker;
  let image: string;

  before(async () => {
    docker = new Docker({ socketPath: engine().socket });
    const registry = await Registry.start(engine());
    image = `${registry.address}/busybox:1`;
    const { path } = await buildImage('busybox');
    const skopeo = [clientPath('skopeo'), '--insecure-policy', 'copy', '-q', '--dest-tls-verify=false'];
    await engine().sandbox.ok([...skopeo, `docker-archive:${path}:busybox:latest`, `docker://${image}`]);
    await pull(image);
  });
  afterEach(() => engine().clear());

  /** Every message of the pull's progress. */
  async function pull(name: string): Promise<{ status?: string; id?: string; progressDetail?: object }[]> {
    const stream = await docker.pull(name);
    return new Promise((resolve, reject) => {
      docker.modem.followProgress(stream, (err, messages) => (err ? reject(err) : resolve(messages)));
    });
  }

  test('pull tells its progress layer by layer', async () => {
    await docker.getImage(image).remove();
    const messages = await pull(image);
    const statuses = messages.map((message) => message.status);
    for (const status of ['Pulling fs layer', 'Download complete', 'Pull complete'])
      assert.ok(statuses.includes(status), `${status} in ${statuses}`);
    assert.match(statuses.at(-1) ?? '', /^Status: Downloaded newer image for /);
    assert.deepEqual((await docker.getImage(image).inspect()).RepoTags, [image]);
    await assert.rejects(pull('127.0.0.1:1/nothing'), /connection refused|ECONNREFUSED/i);
  });

  test('run: output, error stream and status', async () => {
    const [stdout, stderr] = [new MemorySink(), new MemorySink()];
    const [{ StatusCode }, container] = await docker.run(
      image,
      ['sh', '-c', 'echo out; echo err >&2; exit 3'],
      [stdout, stderr],
      { Tty: false },
    );
    assert.deepEqual([StatusCode, stdout.text, stderr.text], [3, 'out\n', 'err\n']);
    await container.remove();
  });

  test('attach with input: half-closed, the rest of the output still comes', async () => {
    const container = await docker.createContainer({
      Image: image,
      Cmd: ['sort'],
      OpenStdin: true,
      StdinOnce: true,
    });
    const stream = await container.attach({
      stream: true,
      hijack: true,
      stdin: true,
      stdout: true,
      stderr: true,
    });
    const [stdout, stderr] = [new MemorySink(), new MemorySink()];
    docker.modem.demuxStream(stream, stdout, stderr);
    const ended = new Promise((resolve) => stream.once('end', resolve));
    await container.start();
    stream.end('c\na\nb\n');
    await ended;
    assert.equal(stdout.text, 'a\nb\nc\n');
    assert.equal((await container.wait()).StatusCode, 0);
  });

  test('a terminal: raw stream, resize', async () => {
    const container = await docker.createContainer({ Image: image, Cmd: ['sh'], Tty: true, OpenStdin: true });
    const stream = await container.attach({
      stream: true,
      hijack: true,
      stdin: true,
      stdout: true,
      stderr: true,
    });
    const screen = new MemorySink();
    stream.pipe(screen);
    await container.start();
    await container.resize({ h: 33, w: 99 });
    await waitFor('the prompt', () => screen.text.includes('# '));
    stream.write('stty size\n');
    await waitFor('the size', () => /33 99/.test(screen.text));
    stream.write('exit 5\n');
    assert.equal((await container.wait()).StatusCode, 5);
  });

  test('exec: input, output, status; and it needs a running container', async () => {
    const container = await docker.createContainer({ Image: image, Cmd: ['sleep', '300'] });
    await assert.rejects(
      container.exec({ Cmd: ['true'] }),
      (err: { statusCode?: number }) => err.statusCode === 409,
    );
    await container.start();
    const exec = await container.exec({
      Cmd: ['sh', '-c', 'cat; echo e >&2; exit 9'],
      AttachStdin: true,
      AttachStdout: true,
      AttachStderr: true,
    });
    const stream = await exec.start({ hijack: true, stdin: true });
    const [stdout, stderr] = [new MemorySink(), new MemorySink()];
    docker.modem.demuxStream(stream, stdout, stderr);
    const ended = new Promise((resolve) => stream.once('end', resolve));
    stream.end('fed');
    await ended;
    const { ExitCode, Running } = await exec.inspect();
    assert.deepEqual([stdout.text, stderr.text, ExitCode, Running], ['fed', 'e\n', 9, false]);
  });

  test('wait for the next exit and for removal', async () => {
    const container = await docker.createContainer({
      Image: image,
      Cmd: ['sh', '-c', 'exit 4'],
      HostConfig: { AutoRemove: true },
    });
    const next = container.wait({ condition: 'next-exit' });
    const removed = container.wait({ condition: 'removed' });
    await container.start();
    assert.deepEqual([(await next).StatusCode, (await removed).StatusCode], [4, 4]);
    await assert.rejects(container.inspect(), (err: { statusCode?: number }) => err.statusCode === 404);
  });

  test('volumes, published ports, labels, list and inspect', async () => {
    await docker.createVolume({ Name: 'pages', Labels: { l: 'v' } });
    const container = await docker.createContainer({
      name: 'full',
      Image: image,
      Cmd: ['sh', '-c', 'echo page > /d/index.html; exec httpd -f -p 80 -h /d'],
      Labels: { app: 'x' },
      ExposedPorts: { '80/tcp': {} },
      HostConfig: {
        Binds: ['pages:/d'],
        PortBindings: { '80/tcp': [{ HostPort: '8080' }] },
        Memory: 64 << 20,
      },
    });
    await container.start();
    assert.equal(
      await waitFor('the page', () =>
        engine()
          .fetch('http://127.0.0.1:8080/')
          .catch(() => undefined),
      ),
      'page',
    );
    const { HostConfig, State, NetworkSettings, Mounts } = await container.inspect();
    assert.deepEqual([HostConfig.Memory, State.Running, Mounts[0]?.Name], [64 << 20, true, 'pages']);
    assert.equal(NetworkSettings.Ports['80/tcp']?.[0]?.HostPort, '8080');
    const [listed] = await docker.listContainers({ filters: { label: ['app=x'] } });
    assert.equal(listed?.Names[0], '/full');
    assert.ok(
      listed?.Ports.some(
        (port) => port.PublicPort === 8080 && port.PrivatePort === 80 && port.Type === 'tcp',
      ),
    );
    await assert.rejects(
      docker.getVolume('pages').remove(),
      (err: { statusCode?: number }) => err.statusCode === 409,
    );
  });

  test('events while things happen', async () => {
    const stream = await docker.getEvents({ filters: { type: ['container'], label: ['seen=yes'] } });
    const sink = new MemorySink();
    stream.pipe(sink);
    const container = await docker.createContainer({ Image: image, Cmd: ['true'], Labels: { seen: 'yes' } });
    await container.start();
    await container.wait();
    await container.remove();
    await waitFor('the last event', () => sink.text.includes('"destroy"'));
    const actions = sink.text
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { Action: string }).Action);
    assert.deepEqual(actions, ['create', 'start', 'die', 'destroy']);
  });

  test('memory: an OOM kill is told', async () => {
    const HostConfig = { Memory: 16 << 20, MemorySwap: 16 << 20 };
    const container = await docker.createContainer({ Image: image, Cmd: ['tail', '/dev/zero'], HostConfig });
    await container.start();
    assert.equal((await container.wait()).StatusCode, 137);
    assert.equal((await container.inspect()).State.OOMKilled, true);
  });

  test('save, remove, load: streams of tar', async () => {
    const id = (await docker.getImage(image).inspect()).Id;
    const archive = await docker.getImage(image).get();
    const chunks: Buffer[] = [];
    for await (const chunk of archive) chunks.push(Buffer.from(chunk));
    await docker.getImage(image).remove();
    const file = engine().file('dockerode.tar', Buffer.concat(chunks));
    const out = await docker.loadImage(file);
    const sink = new MemorySink();
    out.pipe(sink);
    await waitFor('the image', () => sink.text.includes('Loaded image'));
    assert.equal((await docker.getImage(image).inspect()).Id, id);
  });

  test('info, version, df, ping', async () => {
    assert.equal(String(await docker.ping()), 'OK');
    assert.ok((await docker.version()).ApiVersion);
    assert.ok((await docker.info()).ID);
    const df = await docker.df();
    assert.equal(df.Images?.length, 1);
  });
});
