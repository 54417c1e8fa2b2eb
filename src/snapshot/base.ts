/** What is written down about a base: `bases/<id>/chain.json`, beside its init layer. */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { type Digest, isDigest } from '../oci/index.ts';
import type { InitFile } from './types.ts';

const CHAIN = 'chain.json';

/** The name of a chain with these init files: short enough for a symlink that lies in its inode (59 bytes on ext4). */
export function baseId(diffIds: readonly Digest[], files: readonly InitFile[]): string {
  return createHash('sha256')
    .update(JSON.stringify([diffIds, files]))
    .digest('hex')
    .slice(0, 40);
}

/** Writes the chain into `dir`; on the disk it is soon after, for without it no container of the image can start. */
export function writeChain(dir: string, diffIds: readonly Digest[]): void {
  const fd = fs.openSync(path.join(dir, CHAIN), 'wx', 0o600);
  fs.writeSync(fd, JSON.stringify(diffIds));
  fs.fsync(fd, () => fs.close(fd));
}

/** The chain; undefined when the file is not whole. */
export function readChain(dir: string): Digest[] | undefined {
  try {
    const value: unknown = JSON.parse(fs.readFileSync(path.join(dir, CHAIN), 'utf8'));
    return Array.isArray(value) && value.every(isDigest) ? value : undefined;
  } catch {
    return undefined;
  }
}
