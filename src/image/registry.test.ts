/** Pull and push against Debian's docker-registry, with images that skopeo put there. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { isKind } from '../errdefs/index.ts';
import { type Digest, digestOf, shortId } from '../oci/index.ts';
import {
  dockerArchive,
  layerTar,
  lines,
  ociLayout,
  openImages,
  skopeo,
  startRegistry,
  streamOf,
  type TestImages,
} from './testing/images.ts';

const dir = mkdtempSync(join(tmpdir(), 'wharf-image-reg-'));
const AMD64 = { os: 'linux', architecture: 'amd64' };
const ARM7 = { os: 'linux', architecture: 'arm', variant: 'v7' };
const open: TestImages[] = [];
let host: string;
let stop: () => Promise<void>;
let layers: Buffer[];
let multi: { index: Digest; manifests: Digest[] };

const fresh = (o: Parameters<typeof openImages>[0] = {}): TestImages => {
  const t = openImages({ platform: AMD64, ...o });
  open.push(t);
  return t;
};

before(async () => {
  ({ host, stop } = await startRegistry());
  layers = await Promise.all(
    [0, 1, 2, 3].map((i) => layerTar({ [`f${i}`]: randomBytes(600_000), [`g${i}`]: `layer ${i}` })),
  );
  multi = ociLayout(join(dir, 'multi'), 'v1', [
    { platform: AMD64, layers },
    { platform: ARM7, layers: layers.slice(0, 2), compression: 'zstd' },
    {
      platform: { os: 'linux', architecture: 'arm', variant: 'v6' },
      layers: layers.slice(0, 1),
    },
  ]);
  skopeo(
    'copy',
    '--all',
    '--dest-tls-verify=false',
    `oci:${join(dir, 'multi')}:v1`,
    `docker://${host}/a/multi:v1`,
  );
});
after(async () => {
  for (const t of open) await t.close();
  await stop();
  rmSync(dir, { recursive: true, force: true });
});

test('an index is pulled for this platform, with the messages of docker', async () => {
  const t = fresh();
  const out = lines();
  const image = await t.images.pull({ image: `${host}/a/multi`, tag: 'v1', onProgress: out.sink });
  assert.deepEqual(image.repoTags, [`${host}/a/multi:v1`]);
  assert.deepEqual(image.repoDigests, [`${host}/a/multi@${multi.index}`]);
  assert.equal(image.manifestDigest, multi.manifests[0]);
  assert.deepEqual(
    image.diffIds,
    layers.map((l) => digestOf(l)),
  );
  assert.ok(image.diffIds.every((d) => t.snapshots.hasLayer(d)));
  const text = out.text();
  assert.equal(text[0], 'v1: Pulling from a/multi');
  assert.deepEqual(text.slice(-2), [
    `Digest: ${multi.index}`,
    `Status: Downloaded newer image for ${host}/a/multi:v1`,
  ]);
  for (const status of [
    'Pulling fs layer',
    'Downloading',
    'Verifying Checksum',
    'Download complete',
    'Pull complete',
  ]) {
    assert.equal(new Set(text.filter((l) => l.endsWith(`: ${status}`))).size, 4, status);
  }
  assert.equal(text.filter((l) => l.endsWith(': Waiting')).length, 1); // three at once
  const again = lines();
  await t.images.pull({ image: `${host}/a/multi:v1`, onProgress: again.sink });
  assert.deepEqual(again.text(), [
    'v1: Pulling from a/multi',
    `Digest: ${multi.index}`,
    `Status: Image is up to date for ${host}/a/multi:v1`,
  ]);
  assert.equal(t.events[0]?.action, 'pull');
  assert.equal(t.events[0]?.id, `${host}/a/multi:v1`);
  assert.equal(t.events[0]?.attributes.name, `${host}/a/multi`);
});

test('another platform, by its variant; shared layers exist already; zstd layers unpack', async () => {
  const t = fresh();
  const v7 = await t.images.pull({
    image: `${host}/a/multi:v1`,
    platform: { os: 'linux', architecture: 'arm', variant: 'v7' },
  });
  assert.equal(v7.manifestDigest, multi.manifests[1]);
  const out = lines();
  const amd = await t.images.pull({ image: `${host}/a/multi:v1`, onProgress: out.sink });
  assert.equal(out.text().filter((l) => l.endsWith('Already exists')).length, 2);
  assert.deepEqual(amd.repoTags, [`${host}/a/multi:v1`]);
  assert.deepEqual(t.images.resolve(v7.id).repoTags, []);
  const v6 = await t.images.pull({
    image: `${host}/a/multi:v1`,
    platform: { architecture: 'arm', os: 'linux', variant: 'v6' },
  });
  assert.equal(v6.manifestDigest, multi.manifests[2]);
  await assert.rejects(
    t.images.pull({ image: `${host}/a/multi:v1`, platform: { os: 'linux', architecture: 's390x' } }),
    {
      message: 'no matching manifest for linux/s390x in the manifest list entries',
    },
  );
});

test('by digest, of an index or of a manifest; all tags', async () => {
  const t = fresh();
  const byIndex = await t.images.pull({ image: `${host}/a/multi`, tag: multi.index });
  const byManifest = await t.images.pull({ image: `${host}/a/multi@${multi.manifests[0]}` });
  assert.equal(byIndex.id, byManifest.id);
  assert.equal(t.images.resolve(`${host}/a/multi@${multi.manifests[0]}`).id, byIndex.id);
  assert.deepEqual(byManifest.repoTags, []);
  assert.equal(byManifest.repoDigests.length, 2);
  await t.images.pull({ image: `${host}/a/multi` });
  assert.deepEqual(t.images.resolve(byIndex.id).repoTags, [`${host}/a/multi:v1`]);
  await assert.rejects(t.images.pull({ image: `${host}/a/multi`, tag: 'nope' }), {
    message: `manifest for ${host}/a/multi:nope not found: manifest unknown: manifest unknown`,
  });
});

test('what was pulled is pushed under the digest it had; then nothing is sent again', async () => {
  const t = fresh();
  await t.images.pull({ image: `${host}/a/multi:v1` });
  t.images.tag(`${host}/a/multi:v1`, `${host}/b/copy`, 'x');
  const out = lines();
  await t.images.push({ image: `${host}/b/copy`, tag: 'x', onProgress: out.sink });
  assert.equal(out.text()[0], `The push refers to repository [${host}/b/copy]`);
  assert.equal(out.text().filter((l) => l.endsWith('Mounted from a/multi')).length, 4);
  assert.ok(out.text().some((l) => l.startsWith(`x: digest: ${multi.manifests[0]} size: `)));
  const again = lines();
  await t.images.push({ image: `${host}/b/copy:x`, onProgress: again.sink });
  assert.equal(again.text().filter((l) => l.endsWith('Layer already exists')).length, 4);
  const raw = skopeo('inspect', '--raw', '--tls-verify=false', `docker://${host}/b/copy:x`);
  assert.equal(digestOf(raw), multi.manifests[0]);
  assert.ok(
    t.images.resolve(`${host}/b/copy:x`).repoDigests.includes(`${host}/b/copy@${multi.manifests[0]}`),
  );
});

test('what was loaded is compressed for the push, always to the same digest', async () => {
  const digests: string[] = [];
  for (const repository of ['c/one', 'c/two']) {
    const t = fresh();
    const archive = await dockerArchive([{ layers: layers.slice(0, 2), tags: [`${host}/${repository}:t`] }]);
    await t.images.load({ input: streamOf(archive) });
    const out = lines();
    await t.images.push({ image: `${host}/${repository}`, onProgress: out.sink });
    assert.equal(out.text().filter((l) => /: (Pushed|Mounted)/.test(l)).length, 2);
    digests.push(/digest: (\S+)/.exec(out.text().join('\n'))?.[1] ?? '');
    const info: unknown = JSON.parse(
      skopeo('inspect', '--config', '--tls-verify=false', `docker://${host}/${repository}:t`),
    );
    assert.deepEqual(
      (info as { rootfs: { diff_ids: string[] } }).rootfs.diff_ids,
      layers.slice(0, 2).map((l) => digestOf(l)),
    );
    await t.images.remove(`${host}/${repository}:t`);
    const back = await t.images.pull({ image: `${host}/${repository}:t` });
    assert.deepEqual(back.diffIds.length, 2);
  }
  assert.equal(digests[0], digests[1]);
});

test('push errors', async () => {
  const t = fresh();
  await assert.rejects(t.images.push({ image: `${host}/no/such` }), {
    message: `An image does not exist locally with the tag: ${host}/no/such`,
  });
  await t.images.pull({ image: `${host}/a/multi:v1` });
  await assert.rejects(t.images.push({ image: `${host}/a/multi`, tag: 'v9' }), {
    message: `tag does not exist: ${host}/a/multi:v9`,
  });
});

test('two pulls of one image share each download; one that goes away does not end the other', async () => {
  const t = fresh();
  const abort = new AbortController();
  const first = t.images.pull({
    image: `${host}/a/multi:v1`,
    signal: abort.signal,
    onProgress: (m) => m.status === 'Downloading' && abort.abort(),
  });
  const [gone, image] = await Promise.allSettled([first, t.images.pull({ image: `${host}/a/multi:v1` })]);
  assert.ok(gone.status === 'rejected' && isKind(gone.reason, 'Cancelled'), 'the first was broken off');
  assert.ok(image.status === 'fulfilled');
  assert.ok(image.value.diffIds.every((d) => t.snapshots.hasLayer(d)));
});

test('a registry that lies about a layer is found out, and nothing is left of it', async (t) => {
  const { port } = new URL(`http://${host}`);
  const victim = digestOf(readFileSync(join(dir, 'multi', 'blobs', 'sha256', multi.manifests[0]!.slice(7))));
  assert.equal(victim, multi.manifests[0]);
  const manifest: { layers: { digest: Digest }[] } = JSON.parse(
    readFileSync(join(dir, 'multi', 'blobs', 'sha256', victim.slice(7)), 'utf8'),
  );
  const bad = manifest.layers[2]!.digest;
  const proxy = createServer((req, res) => {
    request(
      { host: '127.0.0.1', port, path: req.url, method: req.method, headers: req.headers },
      (answer) => {
        res.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.on('data', (chunk: Buffer) =>
          res.write(req.url?.includes(bad) ? Buffer.alloc(chunk.length, 7) : chunk),
        );
        answer.on('end', () => res.end());
      },
    ).end();
  }).listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  t.after(() => proxy.close());
  const liar = `localhost:${(proxy.address() as AddressInfo).port}`;
  const s = fresh();
  await assert.rejects(s.images.pull({ image: `${liar}/a/multi:v1` }), (err) =>
    isKind(err, 'DataLoss', 'InvalidParameter'),
  );
  assert.deepEqual(s.images.list(), []);
  assert.equal(s.content.has(bad), false);
  assert.deepEqual(
    readdirSync(join(s.root, 'content', 'ingest')).filter((f) => f === digestOf(`blob:${bad}`).slice(7)),
    [],
  );
  await s.images.collectGarbage();
  await s.snapshots.settled();
  assert.deepEqual(s.content.list(), []);
  assert.deepEqual(s.snapshots.listLayers(), []);
});

test('distribution inspect and search by catalog', async () => {
  const t = fresh();
  const info = await t.images.distributionInspect(`${host}/a/multi:v1`);
  assert.equal(info.Descriptor.digest, multi.index);
  assert.equal(info.Platforms.length, 3);
  assert.deepEqual(t.content.list(), []);
  const found = await t.images.search({ term: `${host}/mult` });
  assert.deepEqual(
    found.map((f) => f.name),
    [`${host}/a/multi`],
  );
});

test('a pull that is killed is gone on with', async () => {
  const t = fresh({ maxConcurrentDownloads: 1 });
  const abort = new AbortController();
  const done: string[] = [];
  const pulling = t.images.pull({
    image: `${host}/a/multi:v1`,
    signal: abort.signal,
    onProgress: (m) => {
      if (m.status === 'Pull complete' && done.push(m.id ?? '') === 2) abort.abort();
    },
  });
  await assert.rejects(pulling, (err) => isKind(err, 'Cancelled'));
  const out = lines();
  await t.images.pull({ image: `${host}/a/multi:v1`, onProgress: out.sink });
  for (const id of done)
    assert.ok(
      out.text().includes(`${id}: Already exists`),
      createHash('md5').update(shortId(id)).digest('hex'),
    );
});

test('a pull tried again the moment it was broken off', async () => {
  const t = fresh();
  for (let i = 0; i < 6; i++) {
    const abort = new AbortController();
    let lines = 0;
    const pulling = t.images.pull({
      image: `${host}/a/multi:v1`,
      signal: abort.signal,
      onProgress: () => {
        if (++lines === 2 + i * 2) abort.abort();
      },
    });
    await assert.rejects(pulling, (err) => isKind(err, 'Cancelled'));
  }
  const image = await t.images.pull({ image: `${host}/a/multi:v1` });
  assert.ok(image.diffIds.every((d) => t.snapshots.hasLayer(d)));
});
