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
