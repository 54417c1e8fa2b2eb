/** The one map from kinds of error to HTTP statuses, and the body Docker's clients read. */
import { type ErrorKind, kindOf, messageOf, redact } from '../errdefs/index.ts';

/** `NotModified` has no body; `Cancelled` is seen by nobody, since the client is gone. */
export const STATUS_OF_KIND: Readonly<Record<ErrorKind, number>> = {
  InvalidParameter: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  Conflict: 409,
  NotModified: 304,
  NotImplemented: 501,
  Unavailable: 503,
  Cancelled: 500,
  Deadline: 500,
  DataLoss: 500,
  System: 500,
};

/** The status that answers a thrown value. */
export const statusOf = (err: unknown): number => STATUS_OF_KIND[kindOf(err)];

/** Docker's error body. */
export const errorBody = (err: unknown): { message: string } => ({ message: redact(messageOf(err)) });

/** The last line of a progress stream that failed after its status was sent. */
export function errorLine(err: unknown): {
  errorDetail: { code?: number; message: string };
  error: string;
} {
  const message = redact(messageOf(err));
  const code = kindOf(err) === 'Unauthorized' ? 401 : undefined;
  return { errorDetail: { ...(code === undefined ? {} : { code }), message }, error: message };
}
