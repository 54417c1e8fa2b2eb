/** Layers made by others: umoci's images, and what skopeo recompresses, look as umoci itself unpacks them. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import type { Digest } from '../oci/index.ts';
import { fixture } from './testing.ts';

const missing = ['umoci', 'skopeo'].filter((tool) => spawnSync(tool, ['--version']).error !== undefined);
const sh = (script: string, cwd: string): string =>
  execFileSync('bash', ['-euc', script], { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

const tree = `cd "$0"; find . -mindepth 1 -printf '%y %m %U %G %T@ %p -> %l\\n' | LC_ALL=C sort
  find . -type f -exec sha256sum {} + | LC_ALL=C sort -k2; getfattr -h -R -d -m 'user|security' . | grep -v '^$'`;
const treeOf = (dir: string): string => execFileSync('bash', ['-c', tree, dir], { encoding: 'utf8' });

test('images by umoci, also recompressed by skopeo', {
  skip: missing.length > 0 && `no ${missing}`,
}, async (t) => {
  const { dir, snapshots, mountPoint } = fixture(t);
  sh(
    `umoci init --layout img && umoci new --image img:t && umoci unpack --image img:t b >/dev/null && cd b/rootfs
     mkdir -p etc usr/lib var/data/deep && echo a > etc/a && echo b > etc/b && ln etc/a etc/hard && ln -s usr/lib lib
     echo so > usr/lib/so && echo x > var/data/deep/x && chmod 4755 etc/b && chown 7:8 var/data && cp /bin/busybox cap
     setcap cap_net_raw+ep cap && setfattr -n user.k -v v etc/a && mkfifo pipe && touch -d '2001-01-01T01:01:01.5Z' etc/a
     cd ../.. && umoci repack --image img:t b >/dev/null && rm -rf b && umoci unpack --image img:t b >/dev/null && cd b/rootfs
     rm etc/b && rm -rf var/data && mkdir var/data && echo n > var/data/n && rm lib && mkdir lib && echo l > lib/l
     cd ../.. && umoci repack --image img:t b >/dev/null && rm -rf b && umoci unpack --image img:t b >/dev/null && cd b/rootfs
     echo b2 > etc/b && rm -rf usr && echo file > usr && chmod 700 etc
     cd ../.. && umoci repack --image img:t b >/dev/null && rm -rf b && umoci unpack --image img:t b >/dev/null
     skopeo copy -q --dest-compress-format zstd oci:img:t oci:zst:t && skopeo copy -q oci:img:t dir:plain --dest-decompress`,
    dir,
  );
  const expected = treeOf(path.join(dir, 'b/rootfs'));
  assert.match(expected, /security\.capability/);
  for (const layout of ['img', 'zst', 'plain']) {
    const at = path.join(dir, layout);
    const json = <T>(file: string): T => JSON.parse(fs.readFileSync(file, 'utf8'));
    const find = (digest: string): string =>
      layout === 'plain' ? path.join(at, digest.slice(7)) : path.join(at, 'blobs', digest.replace(':', '/'));
    const manifestFile = (): string =>
      layout === 'plain'
        ? path.join(at, 'manifest.json')
        : find(
            json<{ manifests: { digest: string }[] }>(path.join(at, 'index.json')).manifests.at(-1)!.digest,
          );
    const manifest = json<{ layers: { digest: string }[]; config: { digest: string } }>(manifestFile());
    const config = json<{ rootfs: { diff_ids: Digest[] } }>(find(manifest.config.digest));
    assert.equal(manifest.layers.length, 3);
    for (const [i, { digest }] of manifest.layers.entries()) {
      await snapshots.applyLayer({
        open: () => ({ path: find(digest) }),
        diffId: config.rootfs.diff_ids[i]!,
      });
    }
    const view = mountPoint();
    snapshots.mountReadOnly(config.rootfs.diff_ids, view);
    assert.equal(treeOf(view), expected, layout);
    snapshots.unmount(view);
    for (const diffId of config.rootfs.diff_ids) await snapshots.removeLayer(diffId);
  }
});
