/** Names, lists, removal: what needs no registry. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { isKind } from '../errdefs/index.ts';
import { digestOf, shortId } from '../oci/index.ts';
import { chainIds, type Image } from './index.ts';
import {
  type ConfigOptions,
  dockerArchive,
  layerTar,
  openImages,
  streamOf,
  type TestImages,
} from './testing/images.ts';

const open: TestImages[] = [];
const fresh = (): TestImages => {
  const t = openImages({ platform: { os: 'linux', architecture: 'amd64' } });
  open.push(t);
  return t;
};
after(async () => {
  for (const t of open) await t.close();
});

const base = await layerTar({ base: 'base' });
async function add(t: TestImages, text: string, tags: string[], config?: ConfigOptions): Promise<Image> {
  const layer = await layerTar({ [text]: text });
  const archive = await dockerArchive([{ layers: [base, layer], tags, ...(config && { config }) }]);
  return (await t.images.load({ input: streamOf(archive) }))[0]!;
}

test('an image is found by name, tag, ID and unique prefix', async () => {
  const t = fresh();
  const one = await add(t, 'one', ['app:latest', 'app:v1']);
  for (const ref of [
    'app',
    'app:v1',
    'docker.io/library/app',
    one.id,
    one.id.slice(7),
    shortId(one.id),
    one.id.slice(0, 15),
  ]) {
    assert.equal(t.images.resolve(ref).id, one.id, ref);
  }
  const missing = (ref: string, message: string): void =>
    assert.throws(
      () => t.images.resolve(ref),
      (err) => isKind(err, 'NotFound') && err.message === message,
    );
  missing('nope', 'No such image: nope:latest');
  missing('app:v2', 'No such image: app:v2');
  missing(`sha256:${'0'.repeat(64)}`, `No such image: sha256:${'0'.repeat(64)}`);
  assert.throws(() => t.images.resolve('UPPER'), {
    message: 'invalid reference format: repository name (library/UPPER) must be lowercase',
  });
  // Enough images that two IDs begin alike.
  for (let i = 0; i < 17; i++) await add(t, `n${i}`, []);
  const ids = t.images.list({ all: true }).map((s) => s.Id.slice(7, 8));
  const twice = ids.find((c, i) => ids.indexOf(c) !== i)!;
  assert.throws(() => t.images.resolve(twice), /multiple IDs found/);
});

test('tag, and names that cannot be', async () => {
  const t = fresh();
  const one = await add(t, 'one', ['app:1']);
  t.images.tag('app:1', 'localhost:5000/team/app', 'x');
  t.images.tag(shortId(one.id), 'bare');
  assert.deepEqual(t.images.resolve(one.id).repoTags, ['app:1', 'bare:latest', 'localhost:5000/team/app:x']);
  assert.throws(() => t.images.tag('nope', 'x'), { message: 'No such image: nope:latest' });
  assert.throws(() => t.images.tag('app:1', 'x', 'a b'), { message: 'invalid tag format' });
  assert.throws(() => t.images.tag('app:1', `x@${one.id}`), {
    message: 'refusing to create a tag with a digest reference',
  });
  assert.deepEqual(t.events.at(-1), { action: 'tag', id: one.id, attributes: { name: 'bare:latest' } });
});

test('list: order, sizes, filters', async () => {
  const t = fresh();
  const old = await add(t, 'old', ['app:old'], { created: '2020-01-01T00:00:00Z', labels: { tier: 'db' } });
  const mid = await add(t, 'mid', ['app:mid', 'team/x:1'], {
    created: '2022-01-01T00:00:00Z',
    labels: { tier: 'web' },
  });
  const none = await add(t, 'none', [], { created: '2024-01-01T00:00:00Z' });
  const ids = (filters: Record<string, string[]>): string[] => t.images.list({ filters }).map((s) => s.Id);
  assert.deepEqual(ids({}), [none.id, mid.id, old.id]);
  assert.deepEqual(ids({ dangling: ['true'] }), [none.id]);
  assert.deepEqual(ids({ dangling: ['false'] }), [mid.id, old.id]);
  assert.deepEqual(ids({ label: ['tier'] }), [mid.id, old.id]);
  assert.deepEqual(ids({ label: ['tier=db'] }), [old.id]);
  assert.deepEqual(ids({ 'label!': ['tier=db'] }), [none.id, mid.id]);
  assert.deepEqual(ids({ before: ['app:mid'] }), [old.id]);
  assert.deepEqual(ids({ since: ['app:old'] }), [none.id, mid.id]);
  assert.deepEqual(ids({ until: ['2021-06-01'] }), [old.id]);
  assert.deepEqual(ids({ reference: ['app:*'] }), [mid.id, old.id]);
  assert.deepEqual(ids({ reference: ['*/x'] }), [mid.id]);
  assert.deepEqual(t.images.list({ filters: { reference: ['app'] } })[0]?.RepoTags, ['app:mid']);
  assert.throws(() => ids({ before: ['nope'] }), { message: 'No such image: nope:latest' });
  const [first] = t.images.list({ sharedSize: true, containerCount: true });
  assert.deepEqual([first?.Size, first?.SharedSize, first?.Containers], [8, 4, 0]);
  assert.equal(t.images.list()[0]?.SharedSize, -1);
  assert.equal(t.images.layersSize(), 4 + 3 + 3 + 4);
});

test('inspect and history', async () => {
  const t = fresh();
  const one = await add(t, 'one', ['app:1'], { labels: { a: 'b' } });
  const info = t.images.inspect('app:1');
  assert.equal(info.Id, one.id);
  assert.deepEqual(info.Config?.Labels, { a: 'b' });
  assert.deepEqual(info.Config?.Cmd, ['sh']);
  assert.deepEqual(info.RootFS?.Layers, one.diffIds);
  assert.equal(info.Created, '2024-01-01T00:00:00Z');
  const history = t.images.history('app:1');
  assert.deepEqual(
    history.map((h) => [h.Id, h.CreatedBy, h.Size, h.Tags]),
    [
      [one.id, 'step 1', 3, ['app:1']],
      ['<missing>', 'step 0', 4, []],
    ],
  );
});

test('removal by name unties names first, then deletes; by ID needs force when names are many', async () => {
  const t = fresh();
  const one = await add(t, 'one', ['app:1', 'app:2', 'other:1']);
  const two = await add(t, 'two', ['two:1']);
  assert.deepEqual(await t.images.remove('app:1'), [{ Untagged: 'app:1' }]);
  await assert.rejects(t.images.remove(shortId(one.id)), {
    message: `conflict: unable to delete ${shortId(one.id)} (must be forced) - image is referenced in multiple repositories`,
  });
  const items = await t.images.remove(shortId(one.id), { force: true });
  const chain = chainIds(one.diffIds);
  assert.deepEqual(items, [
    { Untagged: 'app:2' },
    { Untagged: 'other:1' },
    { Deleted: one.id },
    { Deleted: chain[1] },
  ]);
  assert.equal(t.snapshots.hasLayer(digestOf(base)), true);
  assert.equal(t.snapshots.hasLayer(one.diffIds[1]!), false);
  const last = await t.images.remove('two:1');
  assert.deepEqual(last, [
    { Untagged: 'two:1' },
    { Deleted: two.id },
    ...chainIds(two.diffIds)
      .reverse()
      .map((Deleted) => ({ Deleted })),
  ]);
  assert.deepEqual(t.content.list(), []);
  assert.deepEqual(t.snapshots.listLayers(), []);
  await assert.rejects(t.images.remove('two:1'), { message: 'No such image: two:1' });
  assert.deepEqual(
    t.events.map((e) => e.action).filter((x) => x !== 'load'),
    ['untag', 'untag', 'untag', 'delete', 'untag', 'delete'],
  );
});

test('containers in the way, in the words of docker', async () => {
  const t = fresh();
  const one = await add(t, 'one', ['app:1']);
  const container = 'c'.repeat(64);
  const short = shortId(one.id);
  t.users.set(one.id, [{ id: container, running: false, name: 'x' }]);
  await assert.rejects(t.images.remove('app:1'), {
    message: `conflict: unable to remove repository reference "app:1" (must force) - container cccccccccccc is using its referenced image ${short}`,
  });
  await assert.rejects(t.images.remove(one.id), {
    message: `conflict: unable to delete ${short} (must be forced) - image is being used by stopped container cccccccccccc`,
  });
  t.users.set(one.id, [{ id: container, running: true }]);
  await assert.rejects(t.images.remove(one.id, { force: true }), {
    message: `conflict: unable to delete ${short} (cannot be forced) - image is being used by running container cccccccccccc`,
  });
  assert.deepEqual(await t.images.remove('app:1', { force: true }), [{ Untagged: 'app:1' }]);
  assert.equal(t.images.resolve(one.id).id, one.id);
});

test('layers that a container still stands on outlive their image', async () => {
  const used: `sha256:${string}`[] = [];
  const t = openImages({ layersInUse: () => used });
  open.push(t);
  const one = await add(t, 'one', ['app:1']);
  used.push(...one.diffIds);
  await t.images.remove('app:1', { force: true });
  assert.ok(one.diffIds.every((d) => t.snapshots.hasLayer(d)));
  used.length = 0;
  await t.images.collectGarbage();
  assert.deepEqual(t.snapshots.listLayers(), []);
});

test('prune: nameless images, or all that no container uses', async () => {
  const t = fresh();
  const used = await add(t, 'used', ['used:1']);
  const named = await add(t, 'named', ['named:1', 'named:2'], { labels: { keep: 'no' } });
  const none = await add(t, 'none', []);
  t.users.set(used.id, [{ id: 'c'.repeat(64), running: false }]);
  const first = await t.images.prune();
  assert.ok(first.ImagesDeleted?.some((i) => i.Deleted === none.id));
  assert.ok((first.SpaceReclaimed ?? 0) > 0);
  assert.deepEqual(await t.images.prune({ dangling: ['false'], label: ['keep=yes'] }), {
    ImagesDeleted: [],
    SpaceReclaimed: 0,
  });
  const second = await t.images.prune({ dangling: ['false'] });
  assert.ok(second.ImagesDeleted?.some((i) => i.Deleted === named.id));
  assert.deepEqual(
    t.images.list().map((s) => s.Id),
    [used.id],
  );
});

test('an image made of layers that are here; parents go with their last child', async () => {
  const t = fresh();
  const parent = await add(t, 'one', ['app:1']);
  const child = t.images.create({
    config: { ...parent.config, config: { Cmd: ['new'] } },
    layers: parent.diffIds.map((diffId) => ({ diffId })),
    tags: ['child:1'],
    parent: parent.id,
  });
  assert.deepEqual(child.repoTags, ['child:1']);
  assert.equal(t.images.history('child:1')[1]?.Id, parent.id);
  await assert.rejects(t.images.remove(parent.id, { force: true }), {
    message: `conflict: unable to delete ${shortId(parent.id)} (cannot be forced) - image has dependent child images`,
  });
  assert.deepEqual(await t.images.remove('app:1'), [{ Untagged: 'app:1' }]);
  assert.deepEqual(
    t.images.list().map((s) => s.Id),
    [child.id],
  );
  assert.equal(t.images.list({ all: true }).length, 2);
  const items = await t.images.remove('child:1');
  assert.deepEqual(items.filter((i) => i.Deleted === child.id || i.Deleted === parent.id).length, 2);
  assert.deepEqual(t.content.list(), []);
});

test('what is known is known to the next process', async () => {
  const t = fresh();
  const one = await add(t, 'one', ['app:1']);
  await t.snapshots.settled();
  const again = openImages({ root: t.root });
  assert.deepEqual(again.images.resolve('app:1'), one);
  await again.images.collectGarbage({ atStart: true });
  assert.equal(again.images.resolve('app:1').id, one.id);
  await again.snapshots.close();
  again.store.close();
});
