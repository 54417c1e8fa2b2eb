/** The images of library/: the same bytes from the same inputs, and good for what their users expect. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileDigest } from '../library/archive.ts';
import { buildImage, CACHE_DIRECTORY, RECIPES } from '../library/build.ts';
import { absent, clientPath } from './harness/clients.ts';
import { ok } from './harness/command.ts';

describe('library', () => {
  for (const { name } of RECIPES) {
    test(`${name}: built again, the same to the last byte`, async (t) => {
      const elsewhere = mkdtempSync(join(tmpdir(), 'wharf-library-'));
      t.after(() => rmSync(elsewhere, { recursive: true }));
      // Packages need not be downloaded twice to be unpacked and configured twice.
      mkdirSync(join(CACHE_DIRECTORY, 'downloads'), { recursive: true });
      symlinkSync(join(CACHE_DIRECTORY, 'downloads'), join(elsewhere, 'downloads'));
      const again = await buildImage(name, { cacheDirectory: elsewhere });
      let cached = await buildImage(name);
      // The mirror has had a point release since.
      if (cached.tags.join() !== again.tags.join()) cached = await buildImage(name, { noCache: true });
      assert.equal(again.id, cached.id);
      assert.equal(await fileDigest(again.path), await fileDigest(cached.path));
      assert.deepEqual(
        readdirSync(elsewhere).filter((entry) => entry.startsWith('.')),
        [],
        'no work directory is left',
      );
    });

    test(`${name}: a valid image to others`, { skip: absent('skopeo') }, async () => {
      const { path, tags, id } = await buildImage(name);
      const skopeo = [clientPath('skopeo'), '--insecure-policy', 'inspect', '--raw'];
      for (const source of [
        `docker-archive:${path}:${tags[0]}`,
        `oci-archive:${path}:${tags[0]?.split(':')[1]}`,
      ]) {
        const raw = await ok([...skopeo, ...(source.startsWith('docker') ? ['--config'] : []), source]);
        assert.ok(raw.includes(source.startsWith('docker') ? '"diff_ids"' : id), source);
      }
    });
  }

  test('an unknown name is refused with what there is', async () => {
    await assert.rejects(
      buildImage('windows'),
      /no recipe for windows; there are hello-world, busybox, debian:bookworm/,
    );
  });
});
