/** What the main thread and a worker say to each other. All of it is structured-cloneable. */
import { type ErrorKind, kindOf, messageOf, WharfError } from '../errdefs/index.ts';

/** Chunks of an output stream that are under way to the main thread at once. */
export const OUTPUT_CREDITS = 8;

/** Bytes of the memory that a piece of input comes in. */
export const PIECE = 1 << 18;

export type ToWorker =
  | { type: 'start'; id: number; job: { type: string } }
  /** A piece of the input. */
  | { type: 'chunk'; id: number; chunk: Uint8Array }
  | { type: 'end'; id: number; error: WireError | undefined }
  /** So many more chunks of output may come. */
  | { type: 'credit'; id: number; count: number }
  | { type: 'cancel'; id: number };

export type FromWorker =
  /** One more chunk of input, please. */
  | { type: 'pull'; id: number }
  /** Memory of the input that is free again. */
  | { type: 'recycle'; id: number; memory: ArrayBuffer }
  | { type: 'progress'; id: number; bytes: number }
  /** What is known before the first byte of output. */
  | { type: 'head'; id: number; head: unknown }
  | { type: 'output'; id: number; chunk: Uint8Array }
  | { type: 'done'; id: number; result: unknown }
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
