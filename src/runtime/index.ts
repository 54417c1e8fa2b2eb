/** OCI runtime: the spec of a container, and its monitor (shim). */

export {
  CAPABILITIES,
  type CapabilityRequest,
  capabilityNames,
  containerCapabilities,
  DEFAULT_CAPABILITIES,
  normalizeCapabilities,
} from './capabilities.ts';
export { CdiRegistry } from './cdi-registry.ts';
export {
  diagnoseStartFailure,
  type FailedProcess,
  type ProgramFiles,
  type StartFailureDiagnosis,
} from './diagnose.ts';
export { execPlan } from './exec-plan.ts';
export { type ExecProcessInput, execProcess } from './exec-process.ts';
export { type HostFacts, hostFacts } from './host-facts.ts';
export { MASKED_PATHS, READONLY_PATHS } from './protected-paths.ts';
export { specResources, supportedResources } from './resources.ts';
export { deleteRuntimeState, type RuntimeContainer } from './runtime-delete.ts';
export { RuntimeError } from './runtime-error.ts';
export { updateByRuntime } from './runtime-update.ts';
export { customSeccomp, defaultSeccomp } from './seccomp.ts';
export { parseSeccompProfile } from './seccomp-profile.ts';
export { parseSecurityOpts, type SecurityOptions } from './security-opt.ts';
export { connectShim, readExit, startShim } from './shim-client.ts';
export type {
  AttachOptions,
  ExecOptions,
  ExecResult,
  ExitRecord,
  LogPosition,
  OomFacts,
  ProbeEnd,
  ProcessStream,
  ShimHandle,
  ShimOptions,
  ShimState,
} from './shim-types.ts';

export { type GeneratedSpec, generateSpec } from './spec.ts';
export type * from './spec-input.ts';
export type * from './spec-types.ts';
export { type ResolvedUser, resolveUser } from './users.ts';
