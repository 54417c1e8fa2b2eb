/** OCI runtime: the spec of a container, and its monitor (shim). */

export {
  CAPABILITIES,
  type CapabilityRequest,
  capabilityNames,
  containerCapabilities,
  DEFAULT_CAPABILITIES,
  normalizeCapabilities,
} from './capabilities.ts';
export { MASKED_PATHS, READONLY_PATHS } from './protected-paths.ts';
export { RuntimeError } from './runtime-error.ts';
export { connectShim, readExit, startShim } from './shim-client.ts';
export type {
  AttachOptions,
  ExecOptions,
  ExecResult,
  ExitRecord,
  ShimHandle,
  ShimOptions,
  ShimState,
} from './shim-types.ts';
export type * from './spec-types.ts';
export { type ResolvedUser, resolveUser } from './users.ts';
