/**
 * The worker threads: started when there is work, ended when there has been none for a while, so that an idle daemon
 * does not pay for them. A worker takes several jobs, because a layer that is still being downloaded mostly waits.
 */
import type { Readable } from 'node:stream';
import { Worker } from 'node:worker_threads';
import { cancelled, system } from '../errdefs/index.ts';
import { trimMemory } from '../linux/index.ts';
import { Feeder } from './feeder.ts';
import { OutputStream } from './output-stream.ts';
import { type FromWorker, fromWire, type ToWorker } from './worker-protocol.ts';

const IDLE_MS = 1000;
/** A worker needs less than a tenth of it; what it works on may not make it take more. */
const RESOURCE_LIMITS = { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 32, stackSizeMb: 4 };

export interface JobOptions {
  signal?: AbortSignal | undefined;
  onProgress?: ((bytes: number) => void) | undefined;
  /** The job's input. */
  stream?: Readable | undefined;
  /** The input is not destroyed when the job ends before it: it is a request whose answer goes the same way. */
  leaveOpen?: boolean | undefined;
}

/** What is known of a job's output before its first byte, and the output. */
export interface HeadAndStream<H> {
  head: H;
  /** Destroying it cancels the job; a job that fails destroys it with its error. */
  stream: Readable;
}

export interface WorkerPoolOptions {
  /** The worker's program: `new URL('./worker.ts', import.meta.url)`. */
  program: URL;
  /** The threads' name, for debuggers. */
  name: string;
  /** At most so many workers. */
  max: number;
  /** One that has had no job for so long ends. */
  idleMs?: number;
}

interface Pending {
  resolve: (result: unknown) => void;
  reject: (err: unknown) => void;
  onProgress: ((bytes: number) => void) | undefined;
  /** Called when the worker wants one more chunk. */
  pull: (() => void) | undefined;
  recycle: ((memory: ArrayBuffer) => void) | undefined;
  onHead: ((head: unknown) => void) | undefined;
  onOutput: ((chunk: Uint8Array) => void) | undefined;
}

/** Who takes the output of a job. */
interface JobOutput {
  head: (head: unknown) => void;
  output: (chunk: Uint8Array) => void;
  /** Given the way to let the worker go on. */
  ready: (credit: (count: number) => void) => void;
}

interface Slot {
  worker: Worker;
  jobs: Map<number, Pending>;
  idle: NodeJS.Timeout | undefined;
}

/**
 * Workers for jobs of the types `J`, whose results `R` has by type.
 *
 * A job that was cancelled ends when its worker looks at that; the promise settles then.
 */
export class WorkerPool<J extends { type: string }, R extends Record<J['type'], unknown>> {
  readonly #slots = new Set<Slot>();
  readonly #program: URL;
  readonly #name: string;
  readonly #max: number;
  readonly #idleMs: number;
  #nextId = 1;
  #closed = false;

  constructor({ program, name, max, idleMs = IDLE_MS }: WorkerPoolOptions) {
    this.#program = program;
    this.#name = name;
    this.#max = max;
    this.#idleMs = idleMs;
  }

  /** Workers that are alive. */
  get size(): number {
    return this.#slots.size;
  }

  /** Runs a job on the worker with the least to do. Rejects with the worker's error, or Cancelled. */
  async run<T extends J>(job: T, options: JobOptions = {}): Promise<R[T['type']]> {
    return (await this.#run(job, options)) as R[T['type']];
  }

  /**
   * Runs a job that has output; resolves when its worker has said what is known beforehand (`H` must be what that
   * type of job says), rejects when it fails before.
   */
  stream<H>(job: J, options: JobOptions = {}): Promise<HeadAndStream<H>> {
    const abort = new AbortController();
    const signal = options.signal ? AbortSignal.any([options.signal, abort.signal]) : abort.signal;
    return new Promise((resolve, reject) => {
      let credit = (_count: number): void => {};
      const stream = new OutputStream({ credit: (count) => credit(count), cancel: () => abort.abort() });
      const done = this.#run(
        job,
        { ...options, signal },
        {
          head: (head) => resolve({ head: head as H, stream }),
          output: (chunk) => stream.receive(chunk),
          ready: (give) => {
            credit = give;
          },
        },
      );
      done.then(
        () => stream.complete(),
        (err: unknown) => {
          reject(err);
          stream.on('error', () => {}); // nobody may be reading any more, or not yet
          stream.fail(err instanceof Error ? err : system(String(err)));
        },
      );
    });
  }

  async #run(job: J, options: JobOptions, output?: JobOutput): Promise<unknown> {
    const { signal, onProgress, stream } = options;
    if (signal?.aborted || this.#closed) throw cancelled('the operation was cancelled');
    const slot = this.#slot();
    const id = this.#nextId++;
    const post = (message: ToWorker, transfer: ArrayBuffer[] = []): void =>
      slot.worker.postMessage(message, transfer);
    const onAbort = (): void => post({ type: 'cancel', id });
    let feeder: Feeder | undefined;
    try {
      return await new Promise<unknown>((resolve, reject) => {
        if (stream) feeder = new Feeder(stream, id, post);
        slot.jobs.set(id, {
          resolve,
          reject,
          onProgress,
          pull: feeder && (() => feeder?.credit()),
          recycle: feeder && ((memory) => feeder?.recycle(memory)),
          onHead: output?.head,
          onOutput: output?.output,
        });
        output?.ready((count) => post({ type: 'credit', id, count }));
        post({ type: 'start', id, job });
        feeder?.run();
        signal?.addEventListener('abort', onAbort, { once: true });
      });
    } finally {
      signal?.removeEventListener('abort', onAbort);
      feeder?.stop(options.leaveOpen ?? false);
      slot.jobs.delete(id);
      this.#rest(slot);
    }
  }

  /** Has a worker ready; it ends by itself when no job comes. */
  warmUp(): void {
    if (this.#slots.size === 0 && !this.#closed) this.#rest(this.#start());
  }

  #slot(): Slot {
    let best: Slot | undefined;
    for (const slot of this.#slots) if (!best || slot.jobs.size < best.jobs.size) best = slot;
    if (!best || (best.jobs.size > 0 && this.#slots.size < this.#max)) best = this.#start();
    clearTimeout(best.idle);
    best.idle = undefined;
    best.worker.ref();
    return best;
  }

  #start(): Slot {
    const worker = new Worker(this.#program, {
      name: this.#name,
      resourceLimits: RESOURCE_LIMITS,
    });
    const slot: Slot = { worker, jobs: new Map(), idle: undefined };
    this.#slots.add(slot);
    const gone = (cause: unknown): void => {
      this.#slots.delete(slot);
      clearTimeout(slot.idle);
      for (const job of slot.jobs.values()) {
        job.reject(system('a worker thread has died', { cause, code: 'worker_died' }));
      }
      slot.jobs.clear();
    };
    worker.on('message', (message: FromWorker) => onMessage(slot, message));
    worker.on('error', gone);
    worker.on('exit', gone);
    return slot;
  }

  #rest(slot: Slot): void {
    if (slot.jobs.size > 0 || !this.#slots.has(slot)) return;
    slot.worker.unref();
    clearTimeout(slot.idle);
    slot.idle = setTimeout(() => {
      this.#slots.delete(slot);
      void slot.worker.terminate().then(() => trimMemory());
    }, this.#idleMs).unref();
  }

  /** Ends the workers as a crash of theirs would. For tests. */
  async crashForTest(): Promise<void> {
    await Promise.all([...this.#slots].map((slot) => slot.worker.terminate()));
  }

  /** Ends all workers; what they were doing is rejected. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#slots].map((slot) => slot.worker.terminate()));
  }
}

function onMessage(slot: Slot, message: FromWorker): void {
  const job = slot.jobs.get(message.id);
  if (!job) return;
  if (message.type === 'pull') job.pull?.();
  else if (message.type === 'progress') job.onProgress?.(message.bytes);
  else if (message.type === 'recycle') job.recycle?.(message.memory);
  else if (message.type === 'head') job.onHead?.(message.head);
  else if (message.type === 'output') job.onOutput?.(message.chunk);
  else if (message.type === 'done') job.resolve(message.result);
  else job.reject(fromWire(message.error));
}
