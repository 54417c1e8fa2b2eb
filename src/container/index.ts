/**
 * Containers: their records, their life, their streams. See `types.ts` for the vocabulary and the life cycle.
 */

export type { AttachRequest } from './attach.ts';
export { type CgroupDriver, checkCgroupParent } from './cgroup.ts';
export { ContainerService, type LogRequest } from './container-service.ts';
export type { ImageFacts } from './create.ts';
export type {
  ContainerDeps,
  ContainerLog,
  ContainerSnapshots,
  RuntimeConfig,
  SecurityDefaults,
} from './deps.ts';
export type { ExecService, ExecStartRequest } from './exec.ts';
export type { Explanation, Finding } from './explain/finding.ts';
export type { ContainerInspect } from './inspect.ts';
export type { StatsRequest } from './stats.ts';
export type { StatsSample } from './stats-sample.ts';
export { formatNs, nowNs, timestamp } from './time.ts';
export type { ContainerRecord, MountRecord, StateRecord } from './types.ts';
