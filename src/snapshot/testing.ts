/** What the tests of this room share: a snapshotter in a directory of its own, archives, views of layers. */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import type { TestContext } from 'node:test';
import { type Digest, type TarInput, writeTar } from '../oci/index.ts';
import { Snapshotter } from './snapshotter.ts';
import type { ApplyLimits } from './types.ts';

export interface Fixture {
  dir: string;
  snapshots: Snapshotter;
  /** The directory of a layer. */
  layerDir: (diffId: Digest) => string;
  /** Unpacks an archive given as bytes. */
  apply: (archive: Buffer, diffId?: Digest) => Promise<Digest>;
  /** A new empty directory to mount on; unmounted at the end. */
  mountPoint: () => string;
}

export function fixture(t: TestContext, limits: Partial<ApplyLimits> = {}): Fixture {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'wharf-snapshot-'));
  const snapshots = new Snapshotter({ root: path.join(dir, 'root'), limits });
  const mounts: string[] = [];
  t.after(async () => {
    for (const target of mounts) while (snapshots.unmount(target));
    await snapshots.settled();
    await snapshots.close();
    fs.rmSync(dir, { recursive: true });
  });
  return {
    dir,
    snapshots,
    layerDir: (diffId) => path.join(dir, 'root', 'layers', diffId.slice(7), 'fs'),
    apply: async (archive, diffId) => {
      const open = (): Readable => Readable.from([archive]);
      return (await snapshots.applyLayer(diffId === undefined ? { open } : { open, diffId })).diffId;
    },
    mountPoint: () => {
      const target = fs.mkdtempSync(path.join(dir, 'mnt-'));
      mounts.push(target);
      return target;
    },
  };
}

export async function archiveOf(inputs: TarInput[]): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of writeTar(inputs)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

export function sha256(bytes: Buffer): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

export const file = (name: string | Buffer, body = '', more: Partial<TarInput['entry']> = {}): TarInput => ({
  entry: { type: 'file', name, ...more },
  body: Buffer.from(body),
});
export const directory = (name: string, more: Partial<TarInput['entry']> = {}): TarInput => ({
  entry: { type: 'directory', name, ...more },
});
export const symlink = (name: string, linkName: string): TarInput => ({
  entry: { type: 'symlink', name, linkName },
});
export const link = (name: string, linkName: string): TarInput => ({
  entry: { type: 'link', name, linkName },
});

/** Two layers: the upper one deletes, hides and adds. */
export async function twoLayers({ apply }: Fixture): Promise<Digest[]> {
  const base = await apply(
    await archiveOf([
      directory('./', { mode: 0o711, uid: 3 }),
      directory('etc', { mode: 0o750 }),
      file('etc/a', 'a'),
      file('etc/gone', 'gone'),
      directory('etc/sub'),
      file('etc/sub/b', 'b'),
      directory('data'),
      file('data/d', 'd'),
      file('keep', 'k'),
    ]),
  );
  const top = await apply(
    await archiveOf([
      directory('./', { mode: 0o711, uid: 3 }),
      directory('etc', { mode: 0o750 }),
      file('etc/.wh.gone'),
      file('etc/sub/.wh..wh..opq'),
      file('etc/sub/c', 'c'),
      file('new', 'n'),
    ]),
  );
  return [base, top];
}
