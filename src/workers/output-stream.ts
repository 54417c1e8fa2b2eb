/** The main thread's end of a job's output: a stream that lets the worker go on as fast as it is read. */
import { Readable } from 'node:stream';

/** How an {@link OutputStream} talks to its worker. */
export interface OutputControls {
  /** So many chunks were taken: as many more may come. */
  credit(count: number): void;
  /** Nobody reads on. */
  cancel(): void;
}

export class OutputStream extends Readable {
  readonly #controls: OutputControls;
  /** Chunks taken that the worker has no credit for yet. */
  #owed = 0;
  #complete = false;

  constructor(controls: OutputControls) {
    super({ highWaterMark: 1 << 19 });
    this.#controls = controls;
  }

  /** A chunk came. */
  receive(chunk: Uint8Array): void {
    if (this.destroyed) return;
    this.#owed++;
    if (this.push(chunk)) this.#pay();
  }

  /** The job is done. */
  complete(): void {
    this.#complete = true;
    if (!this.destroyed) this.push(null);
  }

  /** The job has failed. */
  fail(err: Error): void {
    this.#complete = true;
    this.destroy(err);
  }

  override _read(): void {
    this.#pay();
  }

  override _destroy(err: Error | null, done: (err: Error | null) => void): void {
    if (!this.#complete) this.#controls.cancel();
    done(err);
  }

  #pay(): void {
    if (this.#owed === 0) return;
    this.#controls.credit(this.#owed);
    this.#owed = 0;
  }
}
