/** Reads the log of a container, a json-file log written by the shim, as the Engine API's `logs` gives it. */
import type { Readable } from 'node:stream';
import { notImplemented } from '../errdefs/index.ts';

export interface ReadLogsOptions {
  /** The current log file; older ones are `PATH.1` (newest) to `PATH.<maxFiles-1>`. */
  path: string;
  /** How many files there may be, the current one included. */
  maxFiles: number;
  stdout: boolean;
  stderr: boolean;
  /** Only lines at or after this time: nanoseconds since 1970. */
  since?: bigint;
  /** Only lines up to this time: nanoseconds since 1970; in follow mode it ends there, too. */
  until?: bigint;
  /** Only the last so many lines; undefined: all. */
  tail?: number;
  /** Go on with what is written until the container has stopped. */
  follow: boolean;
  /** Each line begins with its time. */
  timestamps: boolean;
  /** Each line begins (after the time) with the log's attributes. */
  details?: boolean;
  /** Raw bytes instead of multiplexed frames. */
  tty: boolean;
  /** Ends reading (the client has gone away). */
  signal?: AbortSignal;
  /** Follow mode: whether the container is still writing. */
  isRunning?: () => boolean;
  /** Follow mode: registers a callback for the container's stop, when its log is complete; returns the deregistration. */
  onStopped?: (cb: () => void) => () => void;
}

/** Docker's multiplexed frames (raw with `tty`) of a container's log. Errors of the files come as the stream's `error`. */
export function readLogs(options: ReadLogsOptions): Readable {
  throw notImplemented(`logs of ${options.path}`);
}
