/** The room's face: layers, snapshots and views under one root. See `index.ts` for the vocabulary. */
import fs from 'node:fs';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { conflict } from '../errdefs/index.ts';
import type { Digest } from '../oci/index.ts';
import { changesOf } from './changes.ts';
import { type MountOwner, tryIdmapped } from './idmapped-overlay.ts';
import { snapshotPool } from './jobs.ts';
import { LayerApplier } from './layer-applier.ts';
import { LayerStore } from './layer-store.ts';
import { Lending, type LentMount } from './lending.ts';
import { Snapshots } from './snapshots.ts';
import { Trash } from './trash.ts';
import type {
  AppliedLayer,
  ApplyOptions,
  Change,
  PrepareOptions,
  SnapshotterOptions,
  SnapshotUsage,
} from './types.ts';
import { Unmounter } from './unmounter.ts';
import { usageOf } from './usage.ts';

/** Layers and snapshots below one directory, which no other process uses. */
export class Snapshotter {
  readonly #layers: LayerStore;
  readonly #snapshots: Snapshots;
  readonly #applier: LayerApplier;
  readonly #unpackers = snapshotPool(2);
  /** Deletes and flushes, for seconds perhaps: not where layers are unpacked. */
  readonly #chores = snapshotPool(1);
  readonly #trash: Trash;
  readonly #unmounter = new Unmounter();
  readonly #lending: Lending;
  readonly #temp: string;
  #next = 0;

  constructor({ root, limits = {}, log = () => {} }: SnapshotterOptions) {
    fs.mkdirSync(root, { recursive: true, mode: 0o700 });
    this.#temp = path.join(root, 'tmp');
    this.#trash = new Trash(path.join(root, 'trash'), this.#chores, log);
    this.#layers = new LayerStore(path.join(root, 'layers'));
    this.#snapshots = new Snapshots({
      root,
      layers: this.#layers,
      trash: this.#trash,
      unmounter: this.#unmounter,
    });
    this.#lending = new Lending({
      mount: (key, target, owner) => this.#snapshots.mount(key, target, owner),
      unmount: (target) => this.#unmounter.unmount(target),
      makeDirectory: () => {
        const dir = path.join(this.#temp, `lend-${process.pid}-${Date.now()}-${this.#next++}`);
        fs.mkdirSync(path.join(dir, 'mnt'), { recursive: true, mode: 0o700 }); // `reconcile` knows the name
        return path.join(dir, 'mnt');
      },
      removeDirectory: (target) => {
        fs.rmdirSync(target);
        fs.rmdirSync(path.dirname(target));
      },
    });
    this.#applier = new LayerApplier({
      layers: this.#layers,
      pool: this.#unpackers,
      chores: this.#chores,
      trash: this.#trash,
      temp: this.#temp,
      limits,
      log,
    });
  }

  /**
   * Unpacks an archive into the layer of its diffID, in a worker thread. The layer exists when this resolves, and
   * only then; several calls for one diffID share the work. Throws InvalidParameter for a hostile or malformed
   * archive, DataLoss for a truncated or corrupt one or one that is not `diffId`, Cancelled.
   */
  applyLayer(options: ApplyOptions): Promise<AppliedLayer> {
    return this.#applier.apply(options);
  }

  /** Starts a worker ahead of the first {@link applyLayer}: say it when a pull or a load begins, it saves 50 ms. */
  warmUp(): void {
    this.#unpackers.warmUp();
  }

  hasLayer(diffId: Digest): boolean {
    return this.#layers.has(diffId);
  }

  /** Bytes of the layer's regular files. Throws NotFound. */
  layerSize(diffId: Digest): number {
    return this.#layers.meta(diffId).size;
  }

  listLayers(): Digest[] {
    return this.#layers.list();
  }

  /** Throws NotFound, and Conflict while a snapshot lies on the layer. Views are not known: unmount them before. */
  async removeLayer(diffId: Digest): Promise<void> {
    const users = this.#snapshots.usersOf(diffId);
    if (users.length > 0) throw conflict(`layer ${diffId} is in use by container ${users[0]}`);
    const dir = this.#layers.forget(diffId);
    this.#snapshots.removeBases(diffId);
    this.#trash.discard(dir);
  }

  /**
   * Makes the writable snapshot `key` over a chain (base first). Synchronous, some 0.1 ms. Throws Conflict when it
   * exists, NotFound when a layer is missing.
   */
  prepare(key: string, diffIds: readonly Digest[], options: PrepareOptions = {}): void {
    this.#snapshots.prepare(key, diffIds, options);
  }

  hasSnapshot(key: string): boolean {
    return this.#snapshots.has(key);
  }

  /**
   * Mounts a snapshot on the directory `target`, with an `owner` for a container in that user namespace. Throws
   * NotFound, SyscallError `EINVAL` where the file system knows no idmapped mounts.
   */
  mount(key: string, target: string, owner?: MountOwner): void {
    this.#lending.mount(key, target, owner);
  }

  /**
   * A clone of a snapshot's overlay that is mounted nowhere, beside what its container does. Throws NotFound.
   * @param at where it is mounted since before this process, if it is
   * @param owner of its container, when that is in a user namespace
   */
  lend(key: string, at?: string, owner?: MountOwner): LentMount {
    return this.#lending.lend(key, at, owner);
  }

  /** Mounts an empty snapshot for `owner` and takes it away again. Throws SyscallError where that cannot be had. */
  tryIdmapped(owner: MountOwner): void {
    tryIdmapped(path.dirname(this.#temp), this.#temp, owner);
  }

  /** Mounts a view of a chain on `target`. */
  mountReadOnly(diffIds: readonly Digest[], target: string): void {
    this.#snapshots.mountReadOnly(diffIds, target);
  }

  /** Unmounts what {@link mount} or {@link mountReadOnly} mounted; false when nothing was. */
  unmount(target: string): boolean {
    this.#lending.beforeUnmount(target);
    return this.#unmounter.unmount(target);
  }

  /** Ends a snapshot, which must not be mounted; it need not exist. Its files are deleted in the background. */
  remove(key: string): void {
    this.#snapshots.remove(key);
  }

  /** The directories of a snapshot; `lower` has the top one first. */
  layout(key: string): { upper: string; work: string; lower: string[] } {
    return this.#snapshots.layout(key);
  }

  async usage(key: string): Promise<SnapshotUsage> {
    return await usageOf(this.#snapshots.layout(key).upper);
  }

  /** The layer archive (plain tar) of what a snapshot changed; the same content gives the same bytes. */
  diff(key: string, signal?: AbortSignal): Promise<Readable> {
    const { upper, lower } = this.#snapshots.layout(key);
    const job = { type: 'diff', upper, lowerRoot: lower[0]! } as const;
    return this.#unpackers.stream(job, signal ? { signal } : {}).then(({ stream }) => stream);
  }

  async changes(key: string): Promise<Change[]> {
    const { upper, lower } = this.#snapshots.layout(key);
    return await changesOf(upper, lower);
  }

  /**
   * Called once at start, before anything is unpacked: discards what a crash left half-made, snapshots whose key is
   * not in `liveKeys`, and layers that may have been damaged by a crash of the machine (`hasLayer` is then false).
   */
  reconcile(liveKeys: ReadonlySet<string>): void {
    for (const name of fs.readdirSync(this.#temp)) {
      this.#unmounter.unmount(path.join(this.#temp, name, 'mnt'));
      this.#trash.discard(path.join(this.#temp, name));
    }
    for (const dir of this.#layers.strays()) this.#trash.discard(dir);
    this.#snapshots.reconcile(liveKeys);
    this.#trash.adopt();
    this.#applier.resumeSync();
  }

  /** Resolves when all discarded files have been deleted and all unmounted overlays are gone. For tests and tools. */
  async settled(): Promise<void> {
    await this.#unmounter.settled();
    await this.#trash.empty();
  }

  /** Ends the worker threads; what they were doing is rejected and cleared away at the next start. */
  async close(): Promise<void> {
    this.#trash.close();
    this.#applier.close();
    await Promise.all([this.#unpackers.close(), this.#chores.close()]);
  }
}
