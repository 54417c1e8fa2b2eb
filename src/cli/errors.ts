/** The errors a command ends with, and the exit statuses Docker's command line gives them. */

/** How an error is shown. */
export interface CliErrorOptions {
  /** The process's exit status; 1 unless said. */
  exitCode?: number;
  /** What the user can do about it, on a line of its own. */
  hint?: string;
  /** Put `wharf: ` before the message, as for mistakes in usage and for `run`. */
  prefixed?: boolean;
  /** Text after a blank line below the message: the usage line and where to find more. */
  trailer?: string;
  cause?: unknown;
}

/** An error with its exit status. An empty message ends the process silently with that status. */
export class CliError extends Error {
  readonly exitCode: number;
  readonly hint: string | undefined;
  readonly prefixed: boolean;
  readonly trailer: string | undefined;

  constructor(message: string, options: CliErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'CliError';
    this.exitCode = options.exitCode ?? 1;
    this.hint = options.hint;
    this.prefixed = options.prefixed ?? false;
    this.trailer = options.trailer;
  }
}

/** An error answer of the daemon. */
export class ApiError extends CliError {
  readonly status: number;
  /** The daemon's own words, without our prefix. */
  readonly daemonMessage: string;

  constructor(status: number, daemonMessage: string) {
    super(`Error response from daemon: ${daemonMessage}`);
    this.name = 'ApiError';
    this.status = status;
    this.daemonMessage = daemonMessage;
  }
}

/** Ends the process with a status and says nothing more (everything is said already). */
export const silentExit = (exitCode: number): CliError => new CliError('', { exitCode });

/** The message of anything thrown. */
export const messageOf = (err: unknown): string => (err instanceof Error ? err.message : String(err));

/** Whether a daemon said "not found". */
export const isNotFound = (err: unknown): err is ApiError => err instanceof ApiError && err.status === 404;
