/** The work this room has for its worker threads. All of it is structured-cloneable. */
import type { Digest } from '../oci/index.ts';
import { WorkerPool } from '../workers/index.ts';
import type { FileSource } from './layer-source.ts';
import type { ApplyLimits } from './types.ts';
import type { UnpackResult } from './unpack.ts';

/** A piece of work. */
export type Job =
  | {
      type: 'unpack';
      /** A file, or `stream`: the bytes come as messages. */
      source: FileSource | 'stream';
      target: string;
      limits: ApplyLimits;
      diffId: Digest | undefined;
    }
  /** Remove entries of one directory with everything below them. */
  | { type: 'remove'; dir: string; names: string[] }
  /** Flush the file system a path lies on. */
  | { type: 'sync'; path: string }
  /** The layer archive of what a snapshot changed, as output. */
  | { type: 'diff'; upper: string; lowerRoot: string };

/** The result of each kind of job. */
export interface JobResults {
  unpack: UnpackResult;
  remove: undefined;
  sync: undefined;
  diff: undefined;
}

export type SnapshotPool = WorkerPool<Job, JobResults>;

/** At most `max` workers. */
export function snapshotPool(max: number, idleMs?: number): SnapshotPool {
  return new WorkerPool<Job, JobResults>({
    program: new URL('./worker.ts', import.meta.url),
    name: 'wharf-unpack',
    max,
    ...(idleMs === undefined ? {} : { idleMs }),
  });
}
