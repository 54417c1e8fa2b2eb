/** What a container leaves on the machine, and its removal. Failures are logged: the next daemon sweeps again. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isKind, messageOf } from '../errdefs/index.ts';
import { containerCgroup } from './cgroup.ts';
import type { ContainerDeps } from './deps.ts';
import { type ContainerPaths, containerPaths } from './paths.ts';
import { removeBundle, removeCgroup, unmountBelow } from './sweep.ts';
import type { ContainerRecord } from './types.ts';

export class Remains {
  readonly #deps: ContainerDeps;

  constructor(deps: ContainerDeps) {
    this.#deps = deps;
  }

  /** The OCI runtime's state directory. */
  get runtimeRoot(): string {
    return join(this.#deps.execRoot, 'runtime');
  }

  paths(id: string): ContainerPaths {
    return containerPaths(this.#deps.dataRoot, this.#deps.execRoot, id);
  }

  async removeBundle(id: string): Promise<void> {
    try {
      await removeBundle(this.paths(id));
    } catch (err) {
      this.#deps.log.error(`container ${id}: bundle not removed: ${messageOf(err)}`);
    }
  }

  /** Off the main thread: on a journaling file system each unlink may take a millisecond. */
  async removeTree(path: string): Promise<void> {
    try {
      await rm(path, { recursive: true, force: true });
    } catch (err) {
      this.#deps.log.error(`not removed: ${messageOf(err)}`);
    }
  }

  /** Removes the writable layer. */
  async removeLayer(id: string): Promise<void> {
    try {
      await this.#deps.snapshots.remove(id);
    } catch (err) {
      this.#deps.log.error(`container ${id}: writable layer not removed: ${messageOf(err)}`);
    }
  }

  /** Removes the anonymous volumes that nobody else uses. */
  removeVolumes(record: ContainerRecord): void {
    for (const mount of record.mounts) {
      if (mount.type !== 'volume' || !mount.anonymous || mount.name === undefined) continue;
      try {
        this.#deps.volumes.remove(mount.name);
      } catch (err) {
        if (!isKind(err, 'Conflict', 'NotFound')) this.#deps.log.warn(messageOf(err));
      }
    }
  }

  /** Takes down what a run of `record` may have left, whoever made it. */
  sweep(record: ContainerRecord): void {
    unmountBelow(this.paths(record.id).bundle);
    this.#deps.network.release(record.id);
    removeCgroup(containerCgroup(this.#deps, record));
    for (const mount of record.mounts) {
      if (mount.type === 'volume' && mount.name) this.#deps.volumes.unmount(mount.name, record.id);
    }
  }
}
