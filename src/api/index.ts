/** The Engine REST API's public face. */
export { formatVersion, MAX_API_VERSION, MIN_API_VERSION } from './api-version.ts';
export type * from './backends.ts';
export { absentOperations, missingOperations } from './coverage.ts';
export type { ApiLog } from './dispatch.ts';
export type { UnixOptions } from './listen.ts';
export { type ApiServer, type ApiServerOptions, createApiServer, type TlsOptions } from './server.ts';
export type * from './types.ts';
