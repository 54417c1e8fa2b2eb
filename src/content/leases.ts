/** Leases: blobs that are not to be collected for now. In memory, as what they protect ends with the process. */
import type { Digest } from '../oci/index.ts';

/** Keeps blobs alive until released. `using lease = content.lease()` releases it at the end of the scope. */
export interface Lease extends Disposable {
  add(...digests: Digest[]): void;
  release(): void;
}

export class Leases {
  readonly #counts = new Map<Digest, number>();

  /** Is the blob (or the one that is about to come) under any lease? */
  holds(digest: Digest): boolean {
    return this.#counts.has(digest);
  }

  take(): Lease {
    const mine = new Set<Digest>();
    const release = (): void => {
      for (const digest of mine) this.#drop(digest);
      mine.clear();
    };
    return {
      add: (...digests) => {
        for (const digest of digests) {
          if (mine.has(digest)) continue;
          mine.add(digest);
          this.#counts.set(digest, (this.#counts.get(digest) ?? 0) + 1);
        }
      },
      release,
      [Symbol.dispose]: release,
    };
  }

  #drop(digest: Digest): void {
    const left = (this.#counts.get(digest) ?? 1) - 1;
    if (left === 0) this.#counts.delete(digest);
    else this.#counts.set(digest, left);
  }
}
