/** What the main thread and a worker say to each other. All of it is structured-cloneable. */
import { type ErrorKind, kindOf, messageOf, WharfError } from '../errdefs/index.ts';
import type { Digest } from '../oci/index.ts';
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
  | { type: 'sync'; path: string };

/** The result of each kind of job. */
export interface JobResults {
  unpack: UnpackResult;
  remove: undefined;
  sync: undefined;
}

export type ToWorker =
  | { type: 'start'; id: number; job: Job }
  | { type: 'chunk'; id: number; chunk: Uint8Array }
  | { type: 'end'; id: number; error: WireError | undefined }
  | { type: 'cancel'; id: number };

export type FromWorker =
  | { type: 'pull'; id: number }
  | { type: 'progress'; id: number; bytes: number }
  | { type: 'done'; id: number; result: JobResults[keyof JobResults] }
  | { type: 'failed'; id: number; error: WireError };

/** An error on its way between threads: its class would be lost. */
export interface WireError {
  kind: ErrorKind;
  message: string;
  code: string | undefined;
  hint: string | undefined;
}

export function toWire(err: unknown): WireError {
  const code = err instanceof Error && 'code' in err && typeof err.code === 'string' ? err.code : undefined;
  return {
    kind: kindOf(err),
    message: messageOf(err),
    code,
    hint: err instanceof WharfError ? err.hint : undefined,
  };
}

export function fromWire({ kind, message, code, hint }: WireError): WharfError {
  return new WharfError(kind, message, {
    ...(code === undefined ? {} : { code }),
    ...(hint === undefined ? {} : { hint }),
  });
}
