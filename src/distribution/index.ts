/** Registries: resolve, pull, push, by the OCI distribution spec and Docker's Registry HTTP API V2. */
export type * from './types.ts';
