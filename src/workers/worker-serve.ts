/** The worker's side: takes jobs, runs their handlers, several at a time when they wait. */
import { parentPort } from 'node:worker_threads';
import { cancelled } from '../errdefs/index.ts';
import {
  type FromWorker,
  fromWire,
  OUTPUT_CREDITS,
  PIECE,
  type ToWorker,
  toWire,
} from './worker-protocol.ts';

/** What a handler has to do with the one who asked. */
export interface JobContext {
  isCancelled(): boolean;
  /** Tells how many bytes were taken so far; told on in steps. */
  progress(bytes: number): void;
  /** The job's stream, once only. Empty chunks only give the chance to look whether it was cancelled. */
  input(): AsyncGenerator<Buffer, void, void>;
  /** Gives back a piece of the input that nobody looks at any more: fresh memory costs as much as a copy. */
  recycle(chunk: Buffer): void;
  /** Says what is known before the output begins. Once. */
  head(value: unknown): void;
  /**
   * Sends a chunk of output; its memory is given away and must be a whole ArrayBuffer of its own. A promise means:
   * wait for it before the next one. Throws or rejects with Cancelled.
   */
  write(chunk: Buffer): Promise<void> | undefined;
}

/** A function for each type of job. */
export type JobHandlers<J extends { type: string }, R extends Record<J['type'], unknown>> = {
  [T in J['type']]: (job: Extract<J, { type: T }>, context: JobContext) => R[T] | Promise<R[T]>;
};

/** Bytes between two reports. */
const PROGRESS_STEP = 1 << 19;

type Post = (message: FromWorker, transfer?: ArrayBuffer[]) => void;

/** A job under way, in the worker. */
class RunningJob implements JobContext {
  readonly #id: number;
  readonly #post: Post;
  readonly #source: MessageSource;
  #cancelled = false;
  #reported = 0;
  #seen = 0;
  #credits = OUTPUT_CREDITS;
  #wake: (() => void) | undefined;

  constructor(id: number, post: Post) {
    this.#id = id;
    this.#post = post;
    this.#source = new MessageSource(() => post({ type: 'pull', id }));
  }

  isCancelled(): boolean {
    return this.#cancelled;
  }

  progress(bytes: number): void {
    this.#seen = bytes;
    if (bytes - this.#reported < PROGRESS_STEP) return;
    this.#reported = bytes;
    this.#post({ type: 'progress', id: this.#id, bytes });
  }

  /** Tells of the last bytes. */
  finishProgress(): void {
    if (this.#seen > this.#reported) this.#post({ type: 'progress', id: this.#id, bytes: this.#seen });
  }

  input(): AsyncGenerator<Buffer, void, void> {
    return this.#source.read();
  }

  recycle({ buffer: memory }: Buffer): void {
    if (!(memory instanceof ArrayBuffer) || memory.byteLength < PIECE) return;
    this.#post({ type: 'recycle', id: this.#id, memory }, [memory]);
  }

  head(value: unknown): void {
    this.#post({ type: 'head', id: this.#id, head: value });
  }

  write(chunk: Buffer): Promise<void> | undefined {
    this.#check();
    this.#post({ type: 'output', id: this.#id, chunk }, [chunk.buffer as ArrayBuffer]);
    return --this.#credits > 0 ? undefined : this.#room();
  }

  async #room(): Promise<void> {
    while (this.#credits <= 0 && !this.#cancelled) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#check();
  }

  #check(): void {
    if (this.#cancelled) throw cancelled('cancelled');
  }

  /** Takes what the main thread says about this job. */
  tell(message: ToWorker): void {
    if (message.type === 'chunk') this.#source.push(message.chunk);
    else if (message.type === 'end') this.#source.end(message.error && fromWire(message.error));
    else if (message.type === 'credit') this.#credits += message.count;
    else if (message.type === 'cancel') {
      this.#cancelled = true;
      this.#source.push(new Uint8Array(0)); // it may be waiting for a chunk
    }
    this.#wake?.();
  }
}

/** Serves the jobs of the pool that started this thread. */
export function serveJobs<J extends { type: string }, R extends Record<J['type'], unknown>>(
  handlers: JobHandlers<J, R>,
): void {
  if (parentPort === null) throw new Error('this is a worker thread');
  const port = parentPort;
  const running = new Map<number, RunningJob>();
  const post: Post = (message, transfer = []) => port.postMessage(message, transfer);
  const start = async (id: number, job: J): Promise<void> => {
    const state = new RunningJob(id, post);
    running.set(id, state);
    try {
      const handler = handlers[job.type as J['type']] as (job: J, context: JobContext) => unknown;
      const result = await handler(job, state);
      state.finishProgress();
      post({ type: 'done', id, result });
    } catch (err) {
      state.finishProgress();
      post({ type: 'failed', id, error: toWire(err) });
    } finally {
      running.delete(id);
    }
  };
  port.on('message', (message: ToWorker) => {
    if (message.type === 'start') void start(message.id, message.job as J);
    else running.get(message.id)?.tell(message);
  });
}

/** The receiving end of a stream that comes by messages; `pull` asks for one more. */
class MessageSource {
  readonly #pull: () => void;
  readonly #queue: Buffer[] = [];
  #ended = false;
  #error: Error | undefined;
  #wake: (() => void) | undefined;

  constructor(pull: () => void) {
    this.#pull = pull;
  }

  push(chunk: Uint8Array): void {
    this.#queue.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    this.#wake?.();
  }

  end(error?: Error): void {
    this.#ended = true;
    this.#error = error;
    this.#wake?.();
  }

  async *read(): AsyncGenerator<Buffer, void, void> {
    for (;;) {
      const chunk = this.#queue.shift();
      if (chunk !== undefined) {
        this.#pull();
        yield chunk;
      } else if (this.#error) {
        throw this.#error;
      } else if (this.#ended) {
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        this.#wake = undefined;
      }
    }
  }
}
