/**
 * The layer archive of what a snapshot changed: its upper directory, with overlayfs' deletions in the form of layer
 * archives. The order is that of the names' bytes, so that the same content gives the same archive.
 */
import fs, { type BigIntStats } from 'node:fs';
import { type EntryHooks, joinBytes, type Sink, TreePacker } from '../archive/index.ts';
import { closeFd, O, openAt, RootedDir } from '../linux/index.ts';
import type { TarEntryInput } from '../oci/index.ts';
import { isOpaque, isWhiteoutStat, OPAQUE_MARKER, WHITEOUT_PREFIX } from './overlay-format.ts';

const marker = (name: Buffer, mtime: bigint): TarEntryInput => ({
  type: 'file',
  name,
  mode: 0o600,
  mtime,
  size: 0,
});

/** How overlayfs' deletions are written in a layer archive (OCI image-spec, layer.md, "Whiteouts"). */
const whiteouts: EntryHooks = {
  replace: (dir: Buffer, name: Buffer, stat: BigIntStats) =>
    isWhiteoutStat(stat)
      ? marker(joinBytes(dir, Buffer.concat([Buffer.from(WHITEOUT_PREFIX), name])), stat.mtimeNs)
      : undefined,
  inside: (fd: number, path: Buffer) =>
    isOpaque(fd) ? marker(joinBytes(path, Buffer.from(OPAQUE_MARKER)), 0n) : undefined,
};

/**
 * Packs the archive. `lowerRoot` is the root directory below `upper`: a root unlike it is archived, too. It reads whole
 * directories and files without letting go of the thread: for a worker.
 */
export async function packDiff(upper: string, lowerRoot: string, sink: Sink): Promise<void> {
  const packer = new TreePacker(sink, { times: 'exact', trustedXattrs: true, hooks: whiteouts });
  const root = RootedDir.open(upper);
  try {
    const before = fs.statSync(lowerRoot, { bigint: true });
    const stat = root.stat('.');
    if (stat.mode !== before.mode || stat.uid !== before.uid || stat.gid !== before.gid) {
      packer.directoryEntry(root.fd, Buffer.from('./'));
    }
    const fd = openAt(root.fd, '.', O.RDONLY | O.DIRECTORY);
    try {
      await packer.content(fd, Buffer.alloc(0));
    } finally {
      closeFd(fd);
    }
    await packer.finish();
  } finally {
    root.close();
  }
}
