/** Deleting what no image needs: layers and blobs, but nothing that an operation under way has leased. */
import type { ContentStore, Lease } from '../content/index.ts';
import { Leases } from '../content/index.ts';
import type { Digest } from '../oci/index.ts';
import type { ImageRecords } from './image-records.ts';
import type { LayerStore } from './types.ts';

/** Blobs that nothing refers to stay this long after a restart: a pull that was broken off may be tried again. */
const SPARE_MS = 86_400_000;

/** Downloads broken off longer ago are not expected to be gone on with. */
const STALE_MS = 3_600_000;

/** Holds blobs and layers for an operation under way. */
export interface Hold extends Disposable {
  blobs: Lease;
  layers: Lease;
  release(): void;
}

export interface CollectorOptions {
  records: ImageRecords;
  content: ContentStore;
  snapshots: LayerStore;
  /** Layers that containers stand on. */
  layersInUse: () => Iterable<Digest>;
  log: (message: string) => void;
}

export class Collector {
  readonly #o: CollectorOptions;
  readonly #layerLeases = new Leases();
  #active = 0;

  constructor(options: CollectorOptions) {
    this.#o = options;
  }

  /** Begins an operation that makes blobs or layers before an image refers to them. */
  hold(): Hold {
    const blobs = this.#o.content.lease();
    const layers = this.#layerLeases.take();
    let held = true;
    this.#active++;
    const release = (): void => {
      if (!held) return;
      held = false;
      this.#active--;
      blobs.release();
      layers.release();
    };
    return { blobs, layers, release, [Symbol.dispose]: release };
  }

  /** Deletes, of these, what no image needs any more. Returns the bytes of layers and blobs freed. */
  async drop(diffIds: readonly Digest[], blobs: readonly Digest[]): Promise<number> {
    let bytes = 0;
    const used = new Set(this.#o.layersInUse());
    const gone: Promise<void>[] = [];
    for (const diffId of new Set(diffIds)) {
      if (this.#o.records.layerInUse(diffId) || this.#layerLeases.holds(diffId)) continue;
      for (const blob of this.#o.records.layerBlobs(diffId)) bytes += this.#dropBlob(blob.digest);
      this.#o.records.removeLayerBlobs(diffId);
      if (used.has(diffId) || !this.#o.snapshots.hasLayer(diffId)) continue;
      bytes += this.#o.snapshots.layerSize(diffId);
      gone.push(this.#removeLayer(diffId));
    }
    for (const blob of blobs) bytes += this.#dropBlob(blob);
    await Promise.all(gone);
    return bytes;
  }

  #dropBlob(digest: Digest): number {
    const { records, content } = this.#o;
    if (records.blobInUse(digest) || content.isLeased(digest)) return 0;
    const size = content.info(digest)?.size ?? 0;
    content.delete(digest);
    records.removeSource(digest);
    return size;
  }

  async #removeLayer(diffId: Digest): Promise<void> {
    try {
      await this.#o.snapshots.removeLayer(diffId);
    } catch (err) {
      // A container stands on it: the next full collection tries again.
      this.#o.log(`layer ${diffId} stays: ${err instanceof Error ? err.message : String(err)}`);
    }
  }

  /**
   * Looks at everything there is. Does nothing while an operation is under way, as what that makes is not
   * known to anybody yet.
   */
  async sweep(options: { atStart?: boolean } = {}): Promise<void> {
    if (this.#active > 0) return;
    const { records, content, snapshots } = this.#o;
    const minAge = options.atStart ? SPARE_MS : 0;
    const unused = snapshots
      .listLayers()
      .filter((diffId) => !records.layerInUse(diffId) && !this.#isYoung(diffId, minAge));
    await this.drop(unused, []);
    if (this.#active > 0) return;
    content.collect((digest) => records.blobInUse(digest), minAge);
    if (options.atStart) return;
    content.cleanIngests(STALE_MS);
    records.forgetUnused();
  }

  /** Did a blob of the layer come within the last `age` milliseconds? */
  #isYoung(diffId: Digest, age: number): boolean {
    return this.#o.records.layerBlobs(diffId).some((blob) => {
      const info = this.#o.content.info(blob.digest);
      return info !== undefined && Date.now() - info.modified < age;
    });
  }
}
