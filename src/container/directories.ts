import { chmodSync, chownSync, mkdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { toOutside, unmountIfMounted } from '../linux/index.ts';
import type { ContainerDeps } from './deps.ts';

/** Where layers are mounted for a moment, on kernels that need it (see the snapshot room's idmapped overlays). */
export const scratchDirectory = (execRoot: string): string => join(execRoot, 'layers');

/**
 * Makes the directories that hold all containers' files. No user of the machine may pass them: else a set-user-id program
 * that a container has made could be run outside (CVE-2021-41091). Only root of the containers' user namespace gets
 * through, by its group, to the root file system that the runtime sets up as that user.
 */
export function makeContainerDirectories({
  dataRoot,
  execRoot,
  idMap,
}: Pick<ContainerDeps, 'dataRoot' | 'execRoot' | 'idMap'>): void {
  const gid = (idMap && toOutside(idMap.gids, 0)) ?? 0;
  for (const [root, group] of [
    [dataRoot, 0],
    [execRoot, gid],
  ] as const) {
    const dir = join(root, 'containers');
    mkdirSync(dir, { recursive: true, mode: 0o710 });
    // It may be an older daemon's, or one's with other settings.
    chownSync(dir, 0, group);
    chmodSync(dir, 0o710);
  }
  // A daemon was killed in that moment. Never removed with what is in it: it may be all layers.
  if (unmountIfMounted(scratchDirectory(execRoot), { detach: true })) rmdirSync(scratchDirectory(execRoot));
}
