/** A process that loads and removes images is killed at random moments; what it leaves must make sense. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { dockerArchive, layerTar, openImages } from './testing/images.ts';

test('killed at any moment: every image is whole, and a sweep leaves nothing else', async () => {
  const root = mkdtempSync(join(tmpdir(), 'wharf-image-crash-'));
  const base = await layerTar({ base: Buffer.alloc(500_000, 'b') });
  for (let i = 0; i < 4; i++) {
    const own = await layerTar({ [`own${i}`]: Buffer.alloc(200_000, `${i}`), more: 'x' });
    writeFileSync(join(root, `${i}.tar`), await dockerArchive([{ layers: [base, own], tags: [`app:${i}`] }]));
  }
  const child = join(root, 'child.ts');
  writeFileSync(
    child,
    `import { createReadStream } from 'node:fs';
     import { openImages } from ${JSON.stringify(join(import.meta.dirname, 'testing', 'images.ts'))};
     const { images, snapshots } = openImages({ root: process.argv[2] });
     snapshots.reconcile(new Set());
     process.stdout.write('up');
     for (let i = 0; ; i++) {
       await images.load({ input: createReadStream(process.argv[2] + '/' + (i % 4) + '.tar', { highWaterMark: 16384 }) });
       if (i % 3 === 2) await images.remove('app:' + ((i + 3) % 4)).catch(() => {});
     }`,
  );
  for (let round = 0; round < 6; round++) {
    const proc = spawn(process.execPath, [child, root], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(proc.stdout, 'data');
    await sleep(40 + round * 61);
    proc.kill('SIGKILL');
    await once(proc, 'exit');

    const t = openImages({ root });
    t.snapshots.reconcile(new Set());
    await t.images.repair();
    const listed = t.images.list({ all: true });
    for (const { Id } of listed) {
      const image = t.images.resolve(Id);
      for (const diffId of image.diffIds) assert.ok(t.snapshots.hasLayer(diffId), `${Id} has its layers`);
      for await (const chunk of t.images.save([Id])) assert.ok(chunk);
    }
    await t.images.collectGarbage();
    await t.snapshots.settled();
    const layers = new Set(listed.flatMap(({ Id }) => t.images.resolve(Id).diffIds));
    assert.deepEqual(t.snapshots.listLayers().sort(), [...layers].sort());
    // A config and an archive for each layer, as each is a plain one.
    assert.equal(t.content.list().length, listed.length + layers.size);
    await t.snapshots.close();
    t.store.close();
  }
  const last = openImages({ root });
  await last.close();
});
