import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { notFound, unauthorized } from '../errdefs/index.ts';
import { fakeBackends, serve } from './testing/fake-backends.ts';
import { exchange, rawClient, request } from './testing/raw-client.ts';

const tick = (ms = 20): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** What a version sees of an answer. */
async function get(version: string, path: string) {
  await using api = await serve(fakeBackends());
  const answer = await exchange(api.path, request('GET', `/v${version}${path}`));
  assert.equal(answer.status, 200);
  return JSON.parse(answer.body);
}

test('image lists by version', async () => {
  const [v51] = await get('1.51', '/images/json');
  assert.deepEqual(
    [v51.Containers, v51.Descriptor, v51.RepoTags, 'VirtualSize' in v51],
    [2, { digest: 'sha256:0' }, [], false],
  );
  const [v50] = await get('1.50', '/images/json');
  assert.equal(v50.Containers, -1);
  const [v47] = await get('1.47', '/images/json');
  assert.equal('Descriptor' in v47, false);
  const [v43] = await get('1.43', '/images/json');
  assert.deepEqual([v43.VirtualSize, v43.RepoTags], [42, []]);
  const [v42] = await get('1.42', '/images/json');
  assert.deepEqual([v42.RepoTags, v42.RepoDigests], [['<none>:<none>'], ['<none>@<none>']]);
});

test('image inspect by version', async () => {
  const v51 = await get('1.51', '/images/x/json');
  assert.deepEqual(
    [v51.Config.Env, v51.Config.Cmd, v51.Author, 'Hostname' in v51.Config],
    [['A=1'], null, '', false],
  );
  assert.equal('ContainerConfig' in (await get('1.45', '/images/x/json')), false);
  const v43 = await get('1.43', '/images/x/json');
  assert.deepEqual([v43.VirtualSize, v43.Container, v43.Created], [42, '', '0001-01-01T00:00:00Z']);
  assert.equal(v43.Config.Hostname, '');
});

test('containers by version', async () => {
  const v51 = await get('1.51', '/containers/c1/json');
  assert.equal(v51.NetworkSettings.IPAddress, '10.0.0.2');
  assert.equal(v51.NetworkSettings.SecondaryIPAddresses, null);
  assert.deepEqual(v51.NetworkSettings.Networks.app.Aliases, ['web']);
  assert.deepEqual(v51.ImageManifestDescriptor, { digest: 'sha256:0' });
  const v44 = await get('1.44', '/containers/c1/json');
  assert.deepEqual(v44.NetworkSettings.Networks.app.Aliases, ['web', 'c1', 'box']);
  assert.equal('ImageManifestDescriptor' in v44, false);
  assert.deepEqual((await get('1.46', '/containers/json'))[0].HostConfig, { Annotations: { a: 'b' } });
  assert.deepEqual((await get('1.45', '/containers/json'))[0].HostConfig, {});
});

test('info and version', async () => {
  assert.deepEqual((await get('1.51', '/info')).RuncCommit, { ID: 'abc' });
  assert.deepEqual((await get('1.48', '/info')).RuncCommit, { ID: 'abc', Expected: 'abc' });
  assert.deepEqual(await get('1.30', '/version'), {
    Version: '0.1.0',
    ApiVersion: '1.51',
    MinAPIVersion: '1.24',
  });
});

test('lists of networks do not tell who is attached; volume warnings are null', async () => {
  assert.deepEqual(await get('1.51', '/networks'), [{ Name: 'bridge', Containers: {} }]);
  assert.deepEqual(await get('1.51', '/volumes'), { Volumes: [], Warnings: null });
});

test('volume prune meant all volumes before 1.42', async () => {
  for (const [version, expected] of [
    ['1.41', { all: ['true'] }],
    ['1.42', {}],
  ] as const) {
    const backends = fakeBackends();
    await using api = await serve(backends);
    await exchange(api.path, request('POST', `/v${version}/volumes/prune`));
    assert.deepEqual(backends.calls[0]?.[1], expected);
  }
});

test('wait sends its headers before the container exits', async () => {
  const backends = fakeBackends();
  await using api = await serve(backends);
  const client = await rawClient(api.path, request('POST', '/containers/c1/wait?condition=next-exit'));
  assert.match(await client.until('\r\n\r\n'), /^HTTP\/1\.1 200 OK/);
  assert.doesNotMatch(client.text(), /StatusCode/);
  assert.deepEqual(backends.calls[0]?.slice(0, 3), ['wait', 'c1', 'next-exit']);
  backends.exit(137);
  await client.until('{"StatusCode":137}');
  client.socket.destroy();

  const old = await rawClient(api.path, request('POST', '/v1.29/containers/c1/wait?condition=bad'));
  await tick();
  assert.equal(old.text(), '');
  backends.exit(3);
  assert.match(await old.until('StatusCode'), /Content-Length[\s\S]*\{"StatusCode":3\}/);
  old.socket.destroy();
});

test('a wait whose client leaves is aborted', async () => {
  const backends = fakeBackends();
  await using api = await serve(backends);
  const client = await rawClient(api.path, request('POST', '/containers/c1/wait'));
  await client.until('200 OK');
  const signal = backends.calls[0]?.[3] as AbortSignal;
  client.socket.destroy();
  await once(signal, 'abort');
});

test('logs: type by version and TTY, one stream at least, errors in band', async () => {
  const backends = fakeBackends();
  await using api = await serve(backends);
  const logs = (path: string) => exchange(api.path, request('GET', path));
  const framed = await logs('/containers/c1/logs?stdout=1&tail=7&since=1.5&follow=0');
  assert.match(framed.head, /multiplexed-stream/);
  assert.match(framed.body, /one[\s\S]*two/);
  const [, , { signal, ...options }] = backends.calls[0] as [string, string, Record<string, unknown>];
  assert.ok(signal instanceof AbortSignal);
  assert.deepEqual(options, {
    stdout: true,
    stderr: false,
    follow: false,
    timestamps: false,
    details: false,
    since: 1_500_000_000n,
    tail: 7,
  });
  assert.match((await logs('/containers/tty/logs?stdout=1')).head, /raw-stream/);
  assert.match((await logs('/v1.41/containers/c1/logs?stdout=1')).head, /raw-stream/);
  assert.equal((await logs('/containers/c1/logs')).status, 400);
  assert.equal((await logs('/containers/nope/logs?stderr=1')).status, 404);

  backends.containers.logs = () => ({
    tty: false,
    stream: Readable.from(
      (async function* () {
        yield Buffer.from('first');
        throw new Error('disk gone');
      })(),
    ),
  });
  const broken = await logs('/containers/c1/logs?stdout=1');
  assert.match(broken.body, /first/);
  const message = 'Error grabbing logs: disk gone\n';
  assert.ok(broken.body.includes(`\x03\0\0\0\0\0\0${String.fromCharCode(message.length)}${message}`));
});

test('following logs stops when the client leaves', async () => {
  const backends = fakeBackends();
  const endless = new Readable({ read() {} });
  backends.containers.logs = () => ({ stream: endless, tty: true });
  await using api = await serve(backends);
  const client = await rawClient(api.path, request('GET', '/containers/c1/logs?stdout=1&follow=1'));
  await client.until('200 OK');
  client.socket.destroy();
  await once(endless, 'close');
});

test('stats: a stream of lines, or one sample', async () => {
  const backends = fakeBackends();
  backends.containers.stats = (_id, { stream }) =>
    (async function* () {
      yield { read: 'a', preread: 'b' };
      if (stream) yield { read: 'c', preread: 'a' };
    })();
  await using api = await serve(backends);
  const one = await exchange(api.path, request('GET', '/containers/c1/stats?stream=false'));
  assert.equal(one.body, '{"read":"a","preread":"b"}\n');
  const many = await exchange(api.path, request('GET', '/containers/c1/stats'));
  assert.match(many.body, /"read":"a"[\s\S]*"read":"c"/);
});

test('a pull that fails early has a status, later a last line', async () => {
  const backends = fakeBackends();
  await using api = await serve(backends);
  const pull = () => exchange(api.path, request('POST', '/images/create?fromImage=x&tag=1'));
  backends.images.pull = async () => {
    throw notFound('manifest unknown');
  };
  assert.deepEqual([(await pull()).status, (await pull()).body], [404, '{"message":"manifest unknown"}\n']);
  backends.images.pull = async () => {
    throw unauthorized('Head "http://r/v2/": no basic auth credentials');
  };
  assert.equal((await pull()).status, 500);
  backends.images.pull = async ({ onProgress }) => {
    onProgress({ status: 'Pulling from library/x', id: '1' });
    await tick();
    throw notFound('blob unknown');
  };
  const late = await pull();
  assert.equal(late.status, 200);
  assert.match(late.head, /Content-Type: application\/json/);
  assert.ok(late.body.includes('{"status":"Pulling from library/x","id":"1"}\r\n'));
  assert.ok(late.body.includes('{"errorDetail":{"message":"blob unknown"},"error":"blob unknown"}\r\n'));
});

test('a pull stops when its client leaves', async () => {
  const backends = fakeBackends();
  const { promise, resolve } = Promise.withResolvers<AbortSignal>();
  backends.images.pull = async ({ signal, onProgress }) => {
    onProgress({ status: 'go' });
    resolve(signal);
    await once(signal, 'abort');
  };
  await using api = await serve(backends);
  const client = await rawClient(api.path, request('POST', '/images/create?fromImage=x'));
  const signal = await promise;
  client.socket.destroy();
  if (!signal.aborted) await once(signal, 'abort');
});

test('progress for a client that does not read is kept small and ends complete', async () => {
  const backends = fakeBackends();
  const { promise: done, resolve } = Promise.withResolvers<void>();
  backends.images.pull = async ({ onProgress }) => {
    for (let i = 1; i <= 300_000; i++) {
      onProgress({
        id: `layer${i % 3}`,
        status: 'Downloading',
        progressDetail: { current: i, total: 300_000 },
      });
      if (i % 1000 === 0) onProgress({ id: 'x', status: `mark ${i}` });
    }
    resolve();
  };
  await using api = await serve(backends);
  const client = await rawClient(api.path, request('POST', '/images/create?fromImage=x'));
  client.socket.pause();
  await done;
  client.socket.resume();
  const text = await client.until('"current":300000');
  assert.ok(text.length < 2_000_000, `${text.length} bytes`);
  for (let i = 1000; i <= 300_000; i += 1000) assert.ok(text.includes(`"mark ${i}"`));
  client.socket.destroy();
});

test('load hands the body over as it comes', async () => {
  const backends = fakeBackends();
  backends.images.load = async ({ input, quiet, onProgress }) => {
    let size = 0;
    for await (const chunk of input) size += chunk.length;
    onProgress({ stream: `${size} ${quiet}` });
  };
  await using api = await serve(backends);
  const body = 'b'.repeat(100_000);
  const answer = await exchange(api.path, request('POST', '/images/load?quiet=0', { body }));
  assert.match(answer.body, /"100000 false"/);
});

test('an upload cut short fails, it does not look complete', async () => {
  const backends = fakeBackends();
  const { promise, resolve } = Promise.withResolvers<unknown>();
  backends.images.load = async ({ input }) => {
    try {
      for await (const _ of input);
      resolve('complete');
    } catch (err) {
      resolve(err);
    }
  };
  await using api = await serve(backends);
  const whole = request('POST', '/images/load', { body: 'b'.repeat(1000) });
  const client = await rawClient(api.path, whole.slice(0, -10));
  await tick();
  client.socket.end();
  assert.ok((await promise) instanceof Error);
  client.socket.destroy();
});

test('save fails with a status or streams', async () => {
  const backends = fakeBackends();
  backends.images.save = (names) => {
    if (names.includes('no')) throw notFound('No such image: no');
    return Readable.from([Buffer.from(names.join('+'))]);
  };
  await using api = await serve(backends);
  assert.equal((await exchange(api.path, request('GET', '/images/get?names=no'))).status, 404);
  const many = await exchange(api.path, request('GET', '/images/get?names=a&names=b/c:1'));
  assert.match(many.head, /application\/x-tar/);
  assert.match(many.body, /a\+b\/c:1/);
  assert.match((await exchange(api.path, request('GET', '/images/team/app/get'))).body, /team\/app/);
});

test('events: headers at once, past first, legacy fields, stream types, until', async () => {
  const backends = fakeBackends();
  await using api = await serve(backends);
  const live = await rawClient(api.path, request('GET', '/v1.45/events?since=1'));
  await live.until('"volume"');
  backends.events.emit({ Type: 'image', Action: 'create', Actor: { ID: 'i' } });
  backends.events.emit({
    Type: 'container',
    Action: 'start',
    Actor: { ID: 'c', Attributes: { image: 'busybox' } },
  });
  const text = await live.until('"start"');
  assert.match(text, /Content-Type: application\/json\r\n/);
  assert.match(text, /\{"status":"start","id":"c","from":"busybox","Type":"container"/);
  assert.doesNotMatch(text, /"create","id":"i"/);
  live.socket.destroy();

  const sequence = await rawClient(
    api.path,
    request('GET', '/events', { headers: ['Accept: application/x-ndjson;q=0.5, application/json-seq'] }),
  );
  await sequence.until('application/json-seq');
  backends.events.emit({ Type: 'network', Action: 'create' });
  await sequence.until('\x1e{"Type":"network","Action":"create"}\n');
  sequence.socket.destroy();

  const past = await exchange(api.path, request('GET', '/events?since=1&until=2'));
  assert.match(past.body, /volume/);
  const soon = (Date.now() + 60) / 1000;
  const timed = await exchange(api.path, request('GET', `/events?until=${soon.toFixed(9)}`));
  assert.equal(timed.status, 200);
  await tick();
  assert.equal(backends.events.listeners, 0);
  assert.equal((await exchange(api.path, request('GET', '/events?since=9&until=2'))).status, 400);
});

test('files: the stat header, tar out and in', async () => {
  const stat = { name: 'etc', size: 4096, mode: 2147484141, mtime: '2026-01-01T00:00:00Z', linkTarget: '' };
  const backends = fakeBackends();
  let put: unknown;
  Object.assign(backends.containers, {
    statPath: () => stat,
    getArchive: () => ({ stat, stream: Readable.from([Buffer.from('tar')]) }),
    putArchive: async (_id: string, path: Buffer, input: Readable, options: object) => {
      let size = 0;
      for await (const chunk of input) size += (chunk as Buffer).length;
      put = { path: path.toString(), size, ...options, signal: undefined };
    },
  });
  await using api = await serve(backends);
  const head = await exchange(api.path, request('HEAD', '/containers/c1/archive?path=/etc'));
  const encoded = /x-docker-container-path-stat: (\S+)/i.exec(head.head)?.[1] ?? '';
  assert.deepEqual(JSON.parse(Buffer.from(encoded, 'base64').toString()), stat);
  const out = await exchange(api.path, request('GET', '/containers/c1/archive?path=/etc'));
  assert.match(out.head, /application\/x-tar/);
  const into = await exchange(
    api.path,
    request('PUT', '/containers/c1/archive?path=/x&noOverwriteDirNonDir=true', { body: 'tarball' }),
  );
  assert.equal(into.status, 200);
  assert.deepEqual(put, {
    path: '/x',
    size: 7,
    allowOverwriteDirWithFile: false,
    copyUidGid: false,
    signal: undefined,
  });
  assert.equal((await exchange(api.path, request('GET', '/containers/c1/archive'))).status, 400);
});
