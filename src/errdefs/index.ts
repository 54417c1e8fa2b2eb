/**
 * The kinds of error every room throws. An error is made where the fact is known, with the wording
 * Docker's clients match on; `src/api` turns its kind into an HTTP status in one place.
 */

/** What went wrong, in the terms of the Engine API's statuses (moby's errdefs has the same set). */
export type ErrorKind =
  | 'InvalidParameter' // 400
  | 'Unauthorized' // 401
  | 'Forbidden' // 403
  | 'NotFound' // 404
  | 'Conflict' // 409
  | 'NotModified' // 304
  | 'NotImplemented' // 501
  | 'Unavailable' // 503
  | 'Cancelled' // the caller went away
  | 'Deadline' // a time limit ran out
  | 'DataLoss' // content does not match its digest, a truncated stream
  | 'System'; // 500

/** Details that go with a {@link WharfError}. */
export interface ErrorOptions {
  /** A short stable code such as `EADDRINUSE` or `manifest_unknown`, for programs. */
  code?: string;
  /** What the user can do about it; shown after the message by our own CLI. */
  hint?: string;
  cause?: unknown;
}

/** An error whose kind is known. `message` is what a client is shown; it holds no credentials. */
export class WharfError extends Error {
  readonly kind: ErrorKind;
  readonly code: string | undefined;
  readonly hint: string | undefined;

  constructor(kind: ErrorKind, message: string, options: ErrorOptions = {}) {
    super(redact(message), options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'WharfError';
    this.kind = kind;
    this.code = options.code;
    this.hint = options.hint;
  }
}

const maker =
  (kind: ErrorKind) =>
  (message: string, options?: ErrorOptions): WharfError =>
    new WharfError(kind, message, options);

export const invalidParameter = maker('InvalidParameter');
export const unauthorized = maker('Unauthorized');
export const forbidden = maker('Forbidden');
export const notFound = maker('NotFound');
export const conflict = maker('Conflict');
export const notModified = maker('NotModified');
export const notImplemented = maker('NotImplemented');
export const unavailable = maker('Unavailable');
export const cancelled = maker('Cancelled');
export const deadline = maker('Deadline');
export const dataLoss = maker('DataLoss');
export const system = maker('System');

/** The kind of any thrown value; what is not a {@link WharfError} is `System`. */
export function kindOf(err: unknown): ErrorKind {
  return err instanceof WharfError ? err.kind : 'System';
}

/** True when `err` is a {@link WharfError} of one of `kinds`. */
export function isKind(err: unknown, ...kinds: ErrorKind[]): err is WharfError {
  return err instanceof WharfError && kinds.includes(err.kind);
}

/** The message of any thrown value. */
export function messageOf(err: unknown): string {
  return err instanceof Error ? err.message : String(err);
}

const SECRETS: readonly [RegExp, string][] = [
  [/([a-z][a-z0-9+.-]*:\/\/)[^\s/@:]+:[^\s/@]+@/gi, '$1[redacted]@'],
  [/\b(Bearer|Basic)\s+[A-Za-z0-9+/=._~-]{8,}/g, '$1 [redacted]'],
  [/([?&](?:access_token|token|password|secret|sig|signature)=)[^&\s"']+/gi, '$1[redacted]'],
];

/** Removes user:password@ of URLs, Authorization values and token query parameters from `text`. */
export function redact(text: string): string {
  return SECRETS.reduce((out, [pattern, replacement]) => out.replace(pattern, replacement), text);
}
