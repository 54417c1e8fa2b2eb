/** The work this room has for its worker threads, and their pool. */
import type { Readable } from 'node:stream';
import { type HeadAndStream, WorkerPool } from '../workers/index.ts';
import type { PathStat } from './path-stat.ts';
import type { ViewPlan } from './view.ts';

/** A path as bytes; which are no Buffers any more once they were sent. */
type PathBytes = Uint8Array;

export type ArchiveJob =
  | { type: 'stat'; view: ViewPlan; path: PathBytes }
  | { type: 'get'; view: ViewPlan; path: PathBytes }
  | {
      type: 'put';
      view: ViewPlan;
      path: PathBytes;
      noOverwriteDirNonDir: boolean;
      owner: { uid: number; gid: number } | undefined;
    }
  | { type: 'export'; view: ViewPlan };

export interface ArchiveResults {
  stat: PathStat;
  get: undefined;
  put: undefined;
  export: undefined;
}

export interface PutOptions {
  noOverwriteDirNonDir: boolean;
  /** Whom everything shall belong to; else whom the archive says. */
  owner?: { uid: number; gid: number } | undefined;
  signal?: AbortSignal | undefined;
}

/** At most so many copies at once work; a file system that hangs takes one of them. */
const WORKERS = 4;

/** Reads and writes views, in worker threads. Paths are bytes, absolute in the view. */
export class ArchiveWorkers {
  readonly #pool = new WorkerPool<ArchiveJob, ArchiveResults>({
    program: new URL('./worker.ts', import.meta.url),
    name: 'wharf-archive',
    max: WORKERS,
    idleMs: 2000,
  });

  /** What is at a path. @throws NotFound */
  stat(view: ViewPlan, path: Buffer): Promise<PathStat> {
    return this.#pool.run({ type: 'stat', view, path });
  }

  /** A tar of what is at a path. The view is in use until the stream has closed. @throws NotFound */
  get(view: ViewPlan, path: Buffer, signal?: AbortSignal): Promise<HeadAndStream<PathStat>> {
    return this.#pool.stream({ type: 'get', view, path }, signal ? { signal } : {});
  }

  /** A tar of the whole view. */
  export(view: ViewPlan, signal?: AbortSignal): Promise<HeadAndStream<undefined>> {
    return this.#pool.stream({ type: 'export', view }, signal ? { signal } : {});
  }

  /** Extracts a tar, plain or compressed, into the directory at a path. `input` may not be read to its end. */
  async put(view: ViewPlan, path: Buffer, input: Readable, options: PutOptions): Promise<void> {
    const { noOverwriteDirNonDir, owner, signal } = options;
    await this.#pool.run(
      { type: 'put', view, path, noOverwriteDirNonDir, owner },
      { stream: input, leaveOpen: true, ...(signal ? { signal } : {}) },
    );
  }

  /** Ends the workers; what they were doing is rejected. */
  close(): Promise<void> {
    return this.#pool.close();
  }
}
