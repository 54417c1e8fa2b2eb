/** Load, save and import: archives in, archives out. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { isKind } from '../errdefs/index.ts';
import { digestOf, hexOf } from '../oci/index.ts';
import {
  configOf,
  dockerArchive,
  layerTar,
  lines,
  ociLayout,
  openImages,
  skopeo,
  streamOf,
  type TestImages,
  tarOf,
} from './testing/images.ts';

const AMD64 = { os: 'linux', architecture: 'amd64' };
const dir = mkdtempSync(join(tmpdir(), 'wharf-archives-'));
const open: TestImages[] = [];
let a: Buffer;
let b: Buffer;

const fresh = (): TestImages => {
  const t = openImages({ platform: AMD64 });
  open.push(t);
  return t;
};

async function nothingLeft(t: TestImages): Promise<void> {
  await t.snapshots.settled();
  assert.deepEqual(t.images.list({ all: true }), []);
  assert.deepEqual(t.content.list(), []);
  assert.deepEqual(t.snapshots.listLayers(), []);
}

before(async () => {
  a = await layerTar({ 'etc/a': 'a', big: Buffer.alloc(300_000, 'x') });
  b = await layerTar({ 'etc/b': 'b' });
});
after(async () => {
  for (const t of open) await t.close();
  rmSync(dir, { recursive: true, force: true });
});

test('an archive of the old docker save, plain and compressed', async () => {
  const archive = await dockerArchive([
    { layers: [a, b], tags: ['app:1', 'localhost:5000/app:2'] },
    { layers: [a], tags: null, config: { cmd: ['other'] } },
  ]);
  for (const bytes of [archive, gzipSync(archive), zstdCompressSync(archive)]) {
    const t = fresh();
    const out = lines();
    const [app, bare] = await t.images.load({ input: streamOf(bytes, 10_000), onProgress: out.sink });
    assert.deepEqual(app?.repoTags, ['app:1', 'localhost:5000/app:2']);
    assert.deepEqual(app?.diffIds, [digestOf(a), digestOf(b)]);
    assert.equal(app?.size, 300_002);
    assert.deepEqual(
      out.text().filter((l) => l.startsWith('Loaded')),
      ['Loaded image: app:1', 'Loaded image: localhost:5000/app:2', `Loaded image ID: ${bare?.id}`],
    );
    assert.ok(out.text().some((l) => l.endsWith(': Loading layer')));
    assert.deepEqual(
      t.events.map((e) => e.action),
      ['load', 'load'],
    );
  }
});

test('a name moves to the image loaded later, which is told', async () => {
  const t = fresh();
  const [first] = await t.images.load({
    input: streamOf(await dockerArchive([{ layers: [a], tags: ['x:1'] }])),
  });
  const out = lines();
  await t.images.load({
    input: streamOf(await dockerArchive([{ layers: [b], tags: ['x:1'] }])),
    onProgress: out.sink,
    quiet: true,
  });
  assert.deepEqual(out.text(), [
    `The image x:1 already exists, renaming the old one with ID ${first?.id} to empty string`,
    'Loaded image: x:1',
  ]);
  assert.deepEqual(t.images.resolve(first!.id).repoTags, []);
});

test('what is saved loads again, keeps its bytes, and suits skopeo and umoci', async () => {
  const t = fresh();
  const archive = await dockerArchive([
    { layers: [a, b], tags: ['app:1', 'app:2'] },
    { layers: [b], tags: ['other:1'] },
  ]);
  const [app] = await t.images.load({ input: streamOf(archive) });
  const saved = await buffer(t.images.save(['app', 'other:1']));
  assert.ok(saved.equals(await buffer(t.images.save(['app', 'other:1']))));
  const again = fresh();
  const loaded = await again.images.load({ input: streamOf(saved) });
  assert.deepEqual(
    loaded.map((i) => i.repoTags),
    [['app:1', 'app:2'], ['other:1']],
  );
  assert.equal(loaded[0]?.id, app?.id);
  assert.ok((await buffer(again.images.save(['app', 'other:1']))).equals(saved));
  writeFileSync(join(dir, 'saved.tar'), saved);
  const tree = join(dir, 'saved');
  mkdirSync(tree);
  execFileSync('tar', ['-xf', join(dir, 'saved.tar'), '-C', tree]);
  skopeo('copy', `docker-archive:${join(dir, 'saved.tar')}:app:1`, `oci:${join(dir, 'from-docker')}:x`);
  skopeo('copy', `oci:${tree}:2`, `oci:${join(dir, 'from-oci')}:y`);
  for (const [layout, tag] of [
    ['from-docker', 'x'],
    ['from-oci', 'y'],
  ] as const) {
    execFileSync(
      'umoci',
      ['unpack', '--image', `${join(dir, layout)}:${tag}`, join(dir, `${layout}-bundle`)],
      { stdio: 'pipe' },
    );
    assert.equal(readFileSync(join(dir, `${layout}-bundle`, 'rootfs', 'etc', 'b'), 'utf8'), 'b');
  }
});

test('an OCI layout: the platform asked, its manifest kept, compressed layers as they are', async () => {
  const layout = join(dir, 'layout');
  const { manifests } = ociLayout(layout, 'example.com/app:7', [
    { platform: AMD64, layers: [a, b], compression: 'zstd' },
    { platform: { os: 'linux', architecture: 'arm64', variant: 'v8' }, layers: [b] },
  ]);
  const bytes = execFileSync('tar', ['-C', layout, '-cf', '-', '.'], { maxBuffer: 1 << 26 });
  const t = fresh();
  const [image] = await t.images.load({ input: streamOf(bytes) });
  assert.deepEqual(image?.repoTags, ['example.com/app:7']);
  assert.equal(image?.manifestDigest, manifests[0]);
  const [arm] = await t.images.load({
    input: streamOf(bytes),
    platforms: [{ os: 'linux', architecture: 'arm64' }],
  });
  assert.equal(arm?.manifestDigest, manifests[1]);
  assert.equal(t.images.inspect(arm!.id).Architecture, 'arm64');
  const saved = await buffer(t.images.save([image!.id]));
  const [back] = await fresh().images.load({ input: streamOf(saved) });
  assert.equal(back?.manifestDigest, manifests[0]);
  await assert.rejects(
    t.images.load({ input: streamOf(bytes), platforms: [{ os: 'linux', architecture: 's390x' }] }),
    {
      message: 'the archive holds no image for the platform asked',
    },
  );
});

test('archives that are wrong are refused, and nothing of them stays', async () => {
  const member = (name: string, body: Buffer) => ({
    entry: { type: 'file' as const, name, size: body.length },
    body,
  });
  const config = configOf([a]);
  const manifest = (o: object): Buffer =>
    Buffer.from(JSON.stringify([{ Config: 'c.json', RepoTags: ['x:1'], Layers: ['a/layer.tar'], ...o }]));
  const good = await dockerArchive([{ layers: [a], tags: ['x:1'] }]);
  const cases: [string, Buffer, RegExp][] = [
    ['cut off', good.subarray(0, 200_000), /EOF|truncated/i],
    ['cut off within gzip', gzipSync(good).subarray(0, 500), /damaged|unexpected end/],
    ['no archive', Buffer.alloc(10_000, 'nonsense'), /./],
    ['empty', await tarOf([]), /unrecognized image format/],
    [
      'another layer',
      await tarOf([
        member('c.json', config),
        member('a/layer.tar', b),
        member('manifest.json', manifest({})),
      ]),
      /invalid diffID for layer 0: expected "sha256:/,
    ],
    [
      'a layer too few',
      await tarOf([member('c.json', config), member('manifest.json', manifest({ Layers: [] }))]),
      /layers length mismatch: expected 1, got 0/,
    ],
    [
      'no such layer',
      await tarOf([member('c.json', config), member('manifest.json', manifest({}))]),
      /layer a\/layer.tar is missing/,
    ],
    [
      'outside',
      await tarOf([member('manifest.json', manifest({ Config: '../../../etc/passwd' }))]),
      /is missing/,
    ],
    [
      'a bad name',
      await tarOf([
        member('c.json', config),
        member('a/layer.tar', a),
        member('manifest.json', manifest({ RepoTags: ['UPPER:1'] })),
      ]),
      /must be lowercase/,
    ],
    [
      'a blob that is not its name',
      await tarOf([
        member(`blobs/sha256/${hexOf(digestOf('x'))}`, a),
        member('index.json', Buffer.from('{"schemaVersion":2,"manifests":[]}')),
      ]),
      /digest/,
    ],
    ['before Docker 1.10', await tarOf([member('repositories', Buffer.from('{}'))]), /Docker before 1.10/],
  ];
  const t = fresh();
  for (const [name, bytes, pattern] of cases) {
    await assert.rejects(t.images.load({ input: streamOf(bytes) }), pattern, name);
    await nothingLeft(t);
  }
});

test('a load that is broken off leaves nothing', async () => {
  const t = fresh();
  const abort = new AbortController();
  const archive = await dockerArchive([{ layers: [a, b], tags: ['x:1'] }]);
  const loading = t.images.load({
    input: streamOf(archive, 1000),
    signal: abort.signal,
    onProgress: () => abort.abort(),
  });
  await assert.rejects(loading, (err) => isKind(err, 'Cancelled'));
  await nothingLeft(t);
});

test('import makes an image of a root file system', async () => {
  const t = fresh();
  const image = await t.images.import({
    input: streamOf(gzipSync(a)),
    repo: 'base',
    message: 'made by hand',
    changes: ['CMD ["/bin/a", "b"]', 'ENV A=1 B="two words"', 'EXPOSE 80 53/udp', 'LABEL k=v', 'WORKDIR /x'],
  });
  assert.deepEqual(image.repoTags, ['base:latest']);
  assert.deepEqual(image.diffIds, [digestOf(a)]);
  assert.deepEqual(image.config.config, {
    Cmd: ['/bin/a', 'b'],
    Env: ['A=1', 'B=two words'],
    ExposedPorts: { '80/tcp': {}, '53/udp': {} },
    Labels: { k: 'v' },
    WorkingDir: '/x',
  });
  assert.equal(t.images.history('base')[0]?.Comment, 'made by hand');
  await assert.rejects(t.images.import({ input: streamOf(a), changes: ['RUN x'] }), {
    message: 'RUN is not a valid change command',
  });
  await assert.rejects(t.images.import({ input: streamOf(Buffer.alloc(5000, 7)) }));
  await t.images.remove('base');
  await nothingLeft(t);
});

test('layers lost in a crash of the machine are unpacked again', async () => {
  const t = fresh();
  const [image] = await t.images.load({
    input: streamOf(await dockerArchive([{ layers: [a, b], tags: ['x:1'] }])),
  });
  await t.snapshots.removeLayer(digestOf(b));
  assert.equal(t.images.history('x:1')[0]?.Size, 0);
  await t.images.repair();
  assert.ok(image?.diffIds.every((d) => t.snapshots.hasLayer(d)));
});
