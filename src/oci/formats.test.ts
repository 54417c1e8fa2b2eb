/** Manifests, indexes, configs and platforms, with the documents that must be refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Descriptor,
  digestOf,
  encodeManifest,
  formatPlatform,
  layerCompression,
  MEDIA,
  matchPlatform,
  type Platform,
  parseImageConfig,
  parseManifest,
  parsePlatform,
  selectPlatform,
} from './index.ts';

const blob = (text: string, mediaType: string): Descriptor => ({
  mediaType,
  digest: digestOf(text),
  size: text.length,
});
const config = blob('{}', MEDIA.dockerConfig);
const layers = [blob('a', MEDIA.dockerLayerGzip)];

test('a manifest of ours reads back, and always has the same bytes', () => {
  const bytes = encodeManifest({ mediaType: MEDIA.dockerManifest, config, layers });
  assert.deepEqual(parseManifest(bytes), {
    kind: 'manifest',
    mediaType: MEDIA.dockerManifest,
    config,
    layers,
  });
  assert.ok(
    encodeManifest({ mediaType: MEDIA.dockerManifest, layers: [{ ...layers[0]!, urls: [] }], config }).equals(
      bytes,
    ),
  );
});

test('the document says what it is before the registry does; without either it is told by its fields', () => {
  const index = {
    schemaVersion: 2,
    manifests: [
      {
        ...config,
        mediaType: MEDIA.ociManifest,
        platform: { os: 'linux', architecture: 'arm', variant: 'v7' },
      },
    ],
  };
  const parsed = parseManifest(JSON.stringify(index));
  assert.equal(parsed.kind, 'index');
  assert.deepEqual(parsed.kind === 'index' && parsed.manifests[0]?.platform, {
    os: 'linux',
    architecture: 'arm',
    variant: 'v7',
  });
  assert.equal(
    parseManifest(JSON.stringify({ ...index, mediaType: MEDIA.dockerManifestList }), MEDIA.ociManifest)
      .mediaType,
    MEDIA.dockerManifestList,
  );
  assert.equal(
    parseManifest(JSON.stringify({ schemaVersion: 2, config, layers }), `${MEDIA.ociManifest}; charset=utf-8`)
      .mediaType,
    MEDIA.ociManifest,
  );
});

test('documents that are wrong are refused', () => {
  const good = { schemaVersion: 2, mediaType: MEDIA.ociManifest, config, layers };
  const cases: [unknown, RegExp][] = [
    ['nonsense', /not JSON/],
    [[], /not a JSON object/],
    [{ schemaVersion: 1 }, /schema 1 are not supported/],
    [{ ...good, schemaVersion: 3 }, /schema version 3/],
    [{ schemaVersion: 2 }, /unsupported manifest media type/],
    [{ ...good, layers: 'x' }, /no layers/],
    [{ ...good, config: { ...config, digest: 'sha256:../../etc/passwd' } }, /bad or unsupported digest/],
    [{ ...good, config: { ...config, size: -1 } }, /bad size/],
    [{ ...good, config: { ...config, size: 1.5 } }, /bad size/],
    [{ ...good, layers: Array.from({ length: 2000 }, () => layers[0]) }, /too many layers/],
    [{ ...good, manifests: [] }, /both manifests and layers/],
  ];
  for (const [doc, pattern] of cases) {
    const text = typeof doc === 'string' ? doc : JSON.stringify(doc);
    assert.throws(
      () => parseManifest(text),
      { message: pattern, kind: 'InvalidParameter' },
      text.slice(0, 90),
    );
  }
});

test('image configs are checked where the engine relies on them', () => {
  const base = { os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: [digestOf('a')] } };
  const parse = (extra: object): unknown => parseImageConfig(JSON.stringify({ ...base, ...extra }));
  const nulls = parseImageConfig(
    JSON.stringify({ ...base, config: { Cmd: null, Env: null, Labels: null, Entrypoint: ['a'] } }),
  );
  assert.deepEqual(nulls.config, { Entrypoint: ['a'] });
  assert.throws(() => parse({ rootfs: undefined }), /no RootFS key/);
  for (const extra of [
    { rootfs: { type: 'layers', diff_ids: ['x'] } },
    { history: [1] },
    { created: 5 },
    { config: [] },
    { config: { Env: 'A=1' } },
    { config: { Cmd: [1] } },
    { config: { Labels: { a: 1 } } },
    { config: { User: 5 } },
    { config: { ExposedPorts: ['80'] } },
  ]) {
    assert.throws(() => parse(extra), { kind: 'InvalidParameter' }, JSON.stringify(extra));
  }
});

test('platforms: normal forms, and what runs on what', () => {
  const p = (text: string): Platform => parsePlatform(text);
  for (const [text, normal] of [
    ['linux/x86_64', 'linux/amd64'],
    ['linux/aarch64', 'linux/arm64/v8'],
    ['linux/arm', 'linux/arm/v7'],
    ['linux/armhf', 'linux/arm/v7'],
    ['linux/arm/6', 'linux/arm/v6'],
    ['arm64', 'linux/arm64/v8'],
    ['linux/amd64/v1', 'linux/amd64'],
    ['Linux/i386', 'linux/386'],
  ] as const) {
    assert.equal(formatPlatform(p(text)), normal, text);
  }
  for (const bad of ['', 'a/b/c/d', 'linux/', 'lin ux/amd64', 'nonsense'])
    assert.throws(() => p(bad), { kind: 'InvalidParameter' }, bad);
  const runs = (host: string, image: string): boolean => matchPlatform(p(host), p(image)) !== undefined;
  assert.ok(runs('linux/arm/v7', 'linux/arm/v6'));
  assert.ok(!runs('linux/arm/v6', 'linux/arm/v7'));
  assert.ok(runs('linux/amd64/v3', 'linux/amd64'));
  assert.ok(!runs('linux/amd64', 'linux/amd64/v3'));
  assert.ok(!runs('linux/amd64', 'linux/arm64'));
  assert.ok(!runs('linux/amd64', 'windows/amd64'));
  const list = ['linux/arm/v5', 'linux/arm/v6', 'linux/amd64', 'linux/arm/v7'].map((text) => ({
    platform: p(text),
  }));
  assert.equal(selectPlatform(p('linux/arm/v7'), list), list[3]);
  assert.equal(selectPlatform(p('linux/arm/v6'), list), list[1]);
  assert.equal(selectPlatform(p('linux/s390x'), list), undefined);
});

test('compression by media type', () => {
  assert.deepEqual(
    [
      MEDIA.ociLayer,
      MEDIA.ociLayerGzip,
      MEDIA.ociLayerZstd,
      MEDIA.dockerLayer,
      MEDIA.dockerLayerGzip,
      'x/y',
    ].map(layerCompression),
    ['none', 'gzip', 'zstd', 'none', 'gzip', 'auto'],
  );
});
