/**
 * How fast a layer is unpacked: 20,000 files of 10 kB, plain, gzip and zstd, by `applyLayer` and by GNU tar.
 *
 *     node_modules/.bin/node bench/unpack.ts [files] [rounds]
 *
 * Every run goes into a directory of its own and nothing is deleted before the end: ext4 without a journal shuns the
 * inodes of files deleted in the last minutes and searches long for others, which would be measured instead.
 */
import { execFileSync } from 'node:child_process';
import { createCipheriv } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import zlib from 'node:zlib';
import { type TarInput, writeTar } from '../src/oci/index.ts';
import { Snapshotter } from '../src/snapshot/index.ts';

const files = Number(process.argv[2] ?? 20_000);
const rounds = Number(process.argv[3] ?? 3);
const SIZE = 10_000;

/** Half noise, half text, the same each time. */
const content = Buffer.concat([
  createCipheriv('aes-128-ctr', Buffer.alloc(16, 7), Buffer.alloc(16)).update(Buffer.alloc(SIZE)),
  Buffer.alloc(SIZE, 'the quick brown fox jumps over the lazy dog. '),
]);

function* members(): Generator<TarInput> {
  const mtime = 1_700_000_000_000_000_000n;
  for (let i = 0; i < files; i++) {
    const dir = `usr/share/d${Math.floor(i / 100)}`;
    if (i % 100 === 0) yield { entry: { type: 'directory', name: dir, mtime } };
    const at = (i * 37) % SIZE;
    yield { entry: { type: 'file', name: `${dir}/f${i}`, mtime }, body: content.subarray(at, at + SIZE) };
  }
}

const median = (times: number[]): string =>
  `${times.sort((a, b) => a - b)[times.length >> 1]!.toFixed(0)} ms`;
const base = fs.mkdtempSync(path.join(os.tmpdir(), 'wharf-bench-'));
const snapshots = new Snapshotter({ root: path.join(base, 'root') });
try {
  const chunks: Buffer[] = [];
  for await (const chunk of writeTar(members())) chunks.push(chunk);
  const archive = Buffer.concat(chunks);
  const variants: Record<string, Buffer> = {
    plain: archive,
    gzip: zlib.gzipSync(archive, { level: 6 }),
    zstd: zlib.zstdCompressSync(archive),
  };
  console.log(`${files} files, ${(archive.length / 1e6).toFixed(0)} MB, ${rounds} rounds, median`);
  for (const [name, bytes] of Object.entries(variants)) {
    const blob = path.join(base, name);
    fs.writeFileSync(blob, bytes);
    const ours: number[] = [];
    const tars: number[] = [];
    for (let round = 0; round < rounds; round++) {
      let start = performance.now();
      const { diffId } = await snapshots.applyLayer({ open: () => ({ path: blob }) });
      ours.push(performance.now() - start);
      // Out of the way, so that the next round does the work again; its files stay till the end.
      const layer = path.join(base, 'root', 'layers', diffId.slice(7));
      fs.renameSync(layer, path.join(base, `done-${name}-${round}`));
      fs.mkdirSync(layer);
      await snapshots.removeLayer(diffId);
      const target = fs.mkdtempSync(path.join(base, 'tar-'));
      start = performance.now();
      execFileSync('tar', ['-C', target, '-xf', blob, ...(name === 'zstd' ? ['--zstd'] : [])]);
      tars.push(performance.now() - start);
    }
    console.log(
      `${name.padEnd(6)} ${(bytes.length / 1e6).toFixed(0).padStart(4)} MB   applyLayer ${median(ours).padStart(8)}   tar ${median(tars).padStart(8)}`,
    );
  }
} finally {
  await snapshots.close();
  fs.rmSync(base, { recursive: true });
}
