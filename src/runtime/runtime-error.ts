import { WharfError } from '../errdefs/index.ts';

/** The OCI runtime refused. `runtimeMessage` is what it said, as {@link diagnoseStartFailure} wants it. */
export class RuntimeError extends WharfError {
  readonly runtimeMessage: string;

  constructor(runtimeMessage: string) {
    super('System', `OCI runtime error: ${runtimeMessage}`, { code: 'runtime_error' });
    this.name = 'RuntimeError';
    this.runtimeMessage = runtimeMessage;
  }
}

/** What the shim knows of a start that failed. Texts are bytes in Latin-1, as the shim's JSON carries them. */
export interface StartFailure {
  /** The runtime's exit code; 0 when only the program could not be executed. */
  status: number;
  /** The shim's own reason. */
  message?: string;
  /** The runtime's log, lines of JSON. */
  log: string;
  /** What was printed to stderr and stdout. */
  output: string;
}

const utf8 = (latin1: string): string => Buffer.from(latin1, 'latin1').toString('utf8');

/** The last error of a log in runc's format: lines `{"level":…,"msg":…}`. */
function lastError(log: string): string | undefined {
  for (const line of log.trimEnd().split('\n').reverse()) {
    try {
      const entry: unknown = JSON.parse(line);
      if (typeof entry !== 'object' || entry === null) continue;
      const { level, msg } = entry as { level?: unknown; msg?: unknown };
      if (typeof msg === 'string' && (level === 'error' || level === 'fatal' || level === 'panic'))
        return msg;
    } catch {
      // not an entry: a runtime may mix in plain text
    }
  }
  return undefined;
}

/** The error that says best why the start failed. */
export function startError(failure: StartFailure): RuntimeError {
  const log = utf8(failure.log);
  const output = utf8(failure.output).trim();
  const message =
    lastError(log) ??
    (failure.message === undefined ? undefined : utf8(failure.message)) ??
    lastError(output) ??
    (output || log.trim() || `the runtime ended with code ${failure.status}`);
  return new RuntimeError(message);
}
