/**
 * A file that is read while another writes it: the writer says how far it is, in memory shared with the worker
 * that reads. No message is sent and the writer never waits.
 */

const WORD_STATE = 0; // bumped at every change, to wake the reader
const WORD_END = 1; // 0 growing, 1 complete, 2 failed
const HEAD = 8;

/** The writer's side. Give it to `applyLayer` as `LayerFile.growing` and report every write. */
export class GrowingFile {
  /** For the reader's side; structured-cloneable. */
  readonly shared: SharedArrayBuffer = new SharedArrayBuffer(HEAD + 8);
  readonly #words = new Int32Array(this.shared, 0, 2);
  readonly #written = new BigInt64Array(this.shared, HEAD, 1);

  /** The file now holds `total` bytes, counted from its beginning. Never less than before. */
  grow(total: number): void {
    Atomics.store(this.#written, 0, BigInt(total));
    this.#bump();
  }

  /** The file is complete at its present size. */
  end(): void {
    if (Atomics.compareExchange(this.#words, WORD_END, 0, 1) === 0) this.#bump();
  }

  /** The rest will not come: what is being unpacked from it fails with DataLoss. */
  fail(): void {
    if (Atomics.compareExchange(this.#words, WORD_END, 0, 2) === 0) this.#bump();
  }

  #bump(): void {
    Atomics.add(this.#words, WORD_STATE, 1);
    Atomics.notify(this.#words, WORD_STATE);
  }
}

/** What the reader sees. `failed` means that no more will come although the file is not complete. */
export interface Growth {
  written: number;
  state: 'growing' | 'complete' | 'failed';
}

/** The reader's side, in a worker. */
export class GrowthReader {
  readonly #words: Int32Array;
  readonly #written: BigInt64Array;

  constructor(shared: SharedArrayBuffer) {
    this.#words = new Int32Array(shared, 0, 2);
    this.#written = new BigInt64Array(shared, HEAD, 1);
  }

  now(): Growth {
    // The end is read first: bytes reported before it are then seen too.
    const end = Atomics.load(this.#words, WORD_END);
    const written = Number(Atomics.load(this.#written, 0));
    return { written, state: end === 0 ? 'growing' : end === 1 ? 'complete' : 'failed' };
  }

  /** Resolves when there is more than `seen` bytes or the end is known; also now and then without a reason. */
  async change(seen: number): Promise<void> {
    const before = Atomics.load(this.#words, WORD_STATE);
    const now = this.now();
    if (now.written > seen || now.state !== 'growing') return;
    // The time limit lets the caller look whether it was cancelled meanwhile.
    const waited = Atomics.waitAsync(this.#words, WORD_STATE, before, 200);
    if (waited.async) await waited.value;
  }
}
