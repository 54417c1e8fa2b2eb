/** @docker/node-sdk, Docker's own client for Node: the main job, as a program of its users does it. */
import assert from 'node:assert/strict';
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { after, afterEach, before, describe, test } from 'node:test';
import { DockerClient, Filter, NotFoundError } from '@docker/node-sdk';
import { buildImage } from '../library/build.ts';
import { waitFor } from '../scripts/engine-client.ts';
import { absent, clientPath } from './harness/clients.ts';
import { engineName, useEngine } from './harness/engine.ts';
import { MemorySink } from './harness/memory-sink.ts';
import { Registry } from './harness/registry.ts';

/** The client asks for what came after Debian's Docker: the multiplexed stream's own type (API 1.42), exec start with no body. */
const skip = engineName === 'dockerd' && 'dockerd 20.10 is too old for this client';

describe('@docker/node-sdk', { skip: absent('skopeo', 'docker-registry') }, () => {
  const engine = useEngine();
  let docker: DockerClient;
  let image: string;

  before(async () => {
    docker = await DockerClient.fromDockerHost(`unix:${engine().socket}`);
    const registry = await Registry.start(engine());
    image = `${registry.address}/busybox:1`;
    const { path } = await buildImage('busybox');
    const skopeo = [clientPath('skopeo'), '--insecure-policy', 'copy', '-q', '--dest-tls-verify=false'];
    await engine().sandbox.ok([...skopeo, `docker-archive:${path}:busybox:latest`, `docker://${image}`]);
    await docker.imageCreate({ fromImage: image }).wait();
  });
  after(() => docker?.close());
  afterEach(() => engine().clear());

  /** Runs a program to its end. */
  async function run(
    Cmd: string[],
    HostConfig: object = {},
  ): Promise<{ id: string; code: number; out: string; err: string }> {
    const { Id } = await docker.containerCreate({ Image: image, Cmd, HostConfig });
    await docker.containerStart(Id);
    const { StatusCode } = await docker.containerWait(Id);
    const [out, err] = [new MemorySink(), new MemorySink()];
    await docker.containerLogs(Id, out, err, { stdout: true, stderr: true });
    return { id: Id, code: StatusCode, out: out.text, err: err.text };
  }

  test('the image that was pulled', async () => {
    const inspected = await docker.imageInspect(image);
    assert.deepEqual(inspected.RepoTags, [image]);
    assert.match(inspected.RepoDigests?.[0] ?? '', /@sha256:[0-9a-f]{64}$/);
    assert.equal((await docker.imageList())[0]?.Id, inspected.Id);
  });

  test('run: both streams and the status', async () => {
    const { code, out, err } = await run(['sh', '-c', 'echo out; echo err >&2; exit 3']);
    assert.deepEqual([code, out, err], [3, 'out\n', 'err\n']);
  });

  test('attach: what was and what comes', { skip }, async () => {
    const { Id } = await docker.containerCreate({ Image: image, Cmd: ['sh', '-c', 'echo first; echo last'] });
    const [out, err] = [new MemorySink(), new MemorySink()];
    const attached = docker.containerAttach(Id, out, err, {
      logs: true,
      stream: true,
      stdout: true,
      stderr: true,
    });
    await docker.containerStart(Id);
    await attached;
    assert.equal(out.text, 'first\nlast\n');
  });

  test('exec', { skip }, async () => {
    const { Id } = await docker.containerCreate({ Image: image, Cmd: ['sleep', '300'] });
    await docker.containerStart(Id);
    const exec = await docker.containerExec(Id, {
      Cmd: ['sh', '-c', 'echo in; exit 6'],
      AttachStdout: true,
      AttachStderr: true,
    });
    const [out, err] = [new MemorySink(), new MemorySink()];
    await docker.execStart(exec.Id, out, err);
    assert.equal(out.text, 'in\n');
    assert.equal((await docker.execInspect(exec.Id)).ExitCode, 6);
  });

  test('a volume shared by two, a published port, an OOM kill', async () => {
    await docker.volumeCreate({ Name: 'shared' });
    await run(['sh', '-c', 'echo page > /v/index.html'], { Binds: ['shared:/v'] });
    const { Id } = await docker.containerCreate({
      Image: image,
      Cmd: ['httpd', '-f', '-p', '80', '-h', '/v'],
      ExposedPorts: { '80/tcp': {} },
      HostConfig: { Binds: ['shared:/v:ro'], PortBindings: { '80/tcp': [{ HostPort: '8080' }] } },
    });
    await docker.containerStart(Id);
    assert.equal(
      await waitFor('the page', () =>
        engine()
          .fetch('http://127.0.0.1:8080/')
          .catch(() => undefined),
      ),
      'page',
    );
    const { id, code } = await run(['tail', '/dev/zero'], { Memory: 16 << 20, MemorySwap: 16 << 20 });
    assert.deepEqual([code, (await docker.containerInspect(id)).State?.OOMKilled], [137, true]);
  });

  test('lists, filters, errors', async () => {
    const { Id } = await docker.containerCreate({ Image: image, Labels: { a: 'b' } }, { name: 'named' });
    const filters = new Filter().add('label', 'a=b');
    assert.deepEqual(
      (await docker.containerList({ all: true, filters })).map((each) => each.Id),
      [Id],
    );
    // The client rejects with the class itself.
    await assert.rejects(docker.containerInspect('nothing'), (err) => err === NotFoundError);
    await docker.containerDelete(Id);
    assert.ok((await docker.networkList()).some((network) => network.Name === 'bridge'));
    assert.equal((await docker.systemInfo()).OSType, 'linux');
    assert.ok((await docker.systemVersion()).ApiVersion);
  });

  test('load from a stream', async () => {
    const { path, id } = await buildImage('hello-world');
    const body = Readable.toWeb(createReadStream(path)) as ReadableStream;
    await docker.imageLoad(body);
    assert.equal((await docker.imageInspect('hello-world')).Id, id);
  });
});
