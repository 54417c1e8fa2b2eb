/** OCI runtime: the spec of a container, and its monitor (shim). */
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
