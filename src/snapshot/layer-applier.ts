/** `applyLayer`: from an archive to a finished layer, each layer once however many ask for it. */
import fs from 'node:fs';
import path from 'node:path';
import { Readable } from 'node:stream';
import { cancelled, isKind, messageOf } from '../errdefs/index.ts';
import { markTopDir } from '../linux/index.ts';
import type { Digest } from '../oci/index.ts';
import type { SnapshotPool } from './jobs.ts';
import { bootId, type LayerStore } from './layer-store.ts';
import type { Trash } from './trash.ts';
import type { AppliedLayer, ApplyLimits, ApplyOptions } from './types.ts';

export const defaultLimits: ApplyLimits = {
  maxBytes: 2 ** 40,
  maxEntries: 5_000_000,
  maxRatio: 4096,
  minFreeBytes: 2 ** 26,
};

const SYNC_DELAY_MS = 1000;

export class LayerApplier {
  readonly #layers: LayerStore;
  readonly #pool: SnapshotPool;
  readonly #chores: SnapshotPool;
  readonly #trash: Trash;
  readonly #temp: string;
  readonly #limits: ApplyLimits;
  readonly #log: (message: string) => void;
  readonly #running = new Map<Digest, Promise<AppliedLayer>>();
  #next = 0;
  #syncing = false;
  #syncTimer: NodeJS.Timeout | undefined;

  constructor(o: {
    layers: LayerStore;
    pool: SnapshotPool;
    chores: SnapshotPool;
    trash: Trash;
    temp: string;
    limits: Partial<ApplyLimits>;
    log: (message: string) => void;
  }) {
    this.#layers = o.layers;
    this.#pool = o.pool;
    this.#chores = o.chores;
    this.#trash = o.trash;
    this.#temp = o.temp;
    this.#limits = { ...defaultLimits, ...o.limits };
    this.#log = o.log;
    fs.mkdirSync(o.temp, { recursive: true, mode: 0o700 });
    markTopDir(o.temp); // a layer lies by itself: five times as fast after an image was removed
  }

  async apply(options: ApplyOptions): Promise<AppliedLayer> {
    const { diffId, signal } = options;
    if (diffId === undefined) return await this.#unpack(options);
    for (;;) {
      if (this.#layers.has(diffId)) return { diffId, size: this.#layers.meta(diffId).size };
      const other = this.#running.get(diffId);
      if (!other) break;
      try {
        return await withSignal(other, signal);
      } catch (err) {
        // The other one failed for its own reasons (cancelled, broken download): try with our archive.
        if (signal?.aborted) throw err;
      }
    }
    const mine = this.#unpack(options);
    this.#running.set(diffId, mine);
    try {
      return await mine;
    } finally {
      this.#running.delete(diffId);
    }
  }

  async #unpack(options: ApplyOptions): Promise<AppliedLayer> {
    const { signal, onProgress, diffId } = options;
    if (signal?.aborted) throw cancelled('unpacking the layer was cancelled');
    const temp = path.join(this.#temp, `${process.pid}-${Date.now()}-${this.#next++}`);
    const target = path.join(temp, 'fs');
    fs.mkdirSync(target, { recursive: true, mode: 0o755 });
    fs.chmodSync(target, 0o755);
    let input: Readable | undefined;
    try {
      const opened = await options.open();
      input = opened instanceof Readable ? opened : undefined;
      const source =
        opened instanceof Readable
          ? ('stream' as const)
          : {
              path: opened.path,
              offset: opened.offset ?? 0,
              length: opened.length,
              growing: opened.growing?.shared,
            };
      const limits = { ...this.#limits, ...options.limits };
      const result = await this.#pool.run(
        { type: 'unpack', source, target, limits, diffId },
        { signal, onProgress, stream: input },
      );
      if (!this.#layers.commit(temp, { ...result, bootId: bootId() })) this.#trash.discard(temp);
      this.#syncSoon();
      return { diffId: result.diffId, size: this.#layers.meta(result.diffId).size };
    } catch (err) {
      input?.destroy();
      this.#trash.discard(temp);
      throw err;
    }
  }

  /** After a while without a new layer, so that the flush is not in the way of the next one. */
  #syncSoon(): void {
    clearTimeout(this.#syncTimer);
    this.#syncTimer = setTimeout(() => void this.#sync(), SYNC_DELAY_MS).unref();
  }

  /** Has what was unpacked written to the disk, in the background; several layers share one flush. */
  async #sync(): Promise<void> {
    if (this.#syncing) return;
    this.#syncing = true;
    try {
      for (;;) {
        const waiting = this.#layers.unsynced();
        if (waiting.length === 0) return;
        await this.#chores.run({ type: 'sync', path: this.#temp });
        for (const diffId of waiting) this.#layers.markSynced(diffId);
      }
    } catch (err) {
      if (!isKind(err, 'Cancelled')) this.#log(`flushing layers: ${messageOf(err)}`);
    } finally {
      this.#syncing = false;
    }
  }

  /** Takes up the flushing that an earlier process did not get to. */
  resumeSync(): void {
    if (this.#layers.unsynced().length > 0) this.#syncSoon();
  }

  close(): void {
    clearTimeout(this.#syncTimer);
  }
}

function withSignal<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(cancelled('unpacking the layer was cancelled'));
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
