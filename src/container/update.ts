/** `POST /containers/{id}/update`: other limits and another restart policy for a container that exists. */
import { basename } from 'node:path';
import type { ContainerUpdateRequest, ContainerUpdateResponse, HostConfig } from '@docker/node-sdk';
import { conflict, kindOf, messageOf, WharfError } from '../errdefs/index.ts';
import { applyLimits } from '../linux/index.ts';
import { type SpecResources, specResources, updateByRuntime } from '../runtime/index.ts';
import { containerCgroup } from './cgroup.ts';
import type { Container } from './container.ts';
import type { ContainerStore } from './container-store.ts';
import type { ContainerDeps } from './deps.ts';
import { containerPaths } from './paths.ts';
import { checkResources } from './resource-checks.ts';
import type { ContainerRecord } from './types.ts';
import { validateRestart } from './validate.ts';

/** Runtimes whose containers are processes in a cgroup that is all there is to their limits. */
const CGROUP_RUNTIMES = new Set(['crun', 'runc', 'youki']);

/** Fields that an update can change; 0 and empty mean "not given". */
const LIMITS = [
  'BlkioWeight',
  'BlkioWeightDevice',
  'BlkioDeviceReadBps',
  'BlkioDeviceWriteBps',
  'BlkioDeviceReadIOps',
  'BlkioDeviceWriteIOps',
  'CpuShares',
  'NanoCpus',
  'CpuPeriod',
  'CpuQuota',
  'CpusetCpus',
  'CpusetMems',
  'Memory',
  'MemorySwap',
  'MemoryReservation',
  'CpuRealtimePeriod',
  'CpuRealtimeRuntime',
  'PidsLimit',
] as const;
type Limit = (typeof LIMITS)[number];

export class UpdateService {
  readonly #deps: ContainerDeps;
  readonly #containers: ContainerStore<Container>;

  constructor(deps: ContainerDeps, containers: ContainerStore<Container>) {
    this.#deps = deps;
    this.#containers = containers;
  }

  /**
   * Changes what `request` names. The record is written before the kernel is asked, and written back when it refuses.
   * @throws InvalidParameter, NotFound, Conflict and System in Docker's words
   */
  async update(id: string, request: ContainerUpdateRequest): Promise<ContainerUpdateResponse> {
    const { config: changes, warnings } = checkResources<HostConfig>(request as HostConfig, { update: true });
    validateRestart(changes);
    const container = this.#containers.get(id);
    await container.lock.run(() => this.#update(container, changes));
    // Docker's null for none.
    return { Warnings: warnings.length > 0 ? warnings : (null as unknown as string[]) };
  }

  async #update(container: Container, changes: HostConfig): Promise<void> {
    const { record } = container;
    try {
      if (container.removing) throw conflict('container is marked for removal and cannot be "update"');
      const before = record.hostConfig;
      const changed = LIMITS.filter((key) => isGiven(key, changes[key]));
      record.hostConfig = merge(before, changes, changed);
      const applies = container.running && changed.length > 0;
      if (applies) record.updating = before;
      this.#containers.save(container);
      if (applies) await this.#apply(container, changed);
    } catch (err) {
      throw new WharfError(kindOf(err), `Cannot update container ${record.id}: ${messageOf(err)}`, {
        cause: err,
      });
    }
    this.#deps.onEvent('update', record);
  }

  async #apply(container: Container, changed: readonly Limit[]): Promise<void> {
    const { record } = container;
    try {
      await this.#limit(record, changed);
    } catch (err) {
      // An exit meanwhile is no failure: the limits are those of the next run.
      if (container.running) {
        record.hostConfig = record.updating ?? record.hostConfig;
        throw err;
      }
    } finally {
      delete record.updating;
      if (this.#containers.has(container)) this.#containers.save(container);
    }
  }

  async #limit(record: ContainerRecord, changed: readonly Limit[]): Promise<void> {
    const limits = changedLimits(record.hostConfig, changed);
    const { defaultRuntime, dataRoot, execRoot } = this.#deps;
    const runtime = this.#deps.runtimes[record.hostConfig.Runtime ?? defaultRuntime];
    const name = basename(runtime?.path ?? '');
    const own =
      runtime?.args.length === 0 &&
      CGROUP_RUNTIMES.has(name) &&
      // systemd's own groups are limited by telling systemd, which else takes it back; crun's is inside of one.
      (name === 'crun' || this.#deps.cgroupDriver === 'cgroupfs');
    if (!runtime || own) {
      await applyLimits(containerCgroup(this.#deps, record), limits);
      return;
    }
    await updateByRuntime(
      {
        id: record.id,
        runtimePath: runtime.path,
        runtimeArgs: runtime.args,
        runtimeRoot: `${execRoot}/runtime`,
      },
      limits,
      containerPaths(dataRoot, execRoot, record.id).bundle,
    );
  }

  /** A daemon starts: what the one before it had written down and not yet told the kernel is done now. */
  async resume(): Promise<void> {
    for (const container of this.#containers.all()) {
      const { record } = container;
      if (record.updating === undefined) continue;
      const changed = LIMITS.filter((key) => record.hostConfig[key] !== record.updating?.[key]);
      if (!container.running) {
        delete record.updating;
        this.#containers.save(container);
        continue;
      }
      await this.#apply(container, changed).catch((err: unknown) =>
        this.#deps.log.warn(`container ${record.id}: its update is taken back: ${messageOf(err)}`),
      );
    }
  }
}

function isGiven(key: Limit, value: HostConfig[Limit]): boolean {
  if (value === undefined || value === null) return false;
  if (key === 'PidsLimit') return true; // 0: unlimited
  return Array.isArray(value) || (value !== 0 && value !== '');
}

/** @throws Conflict for what contradicts the limits there are (moby container.UpdateContainer) */
function merge(old: HostConfig, changes: HostConfig, changed: readonly Limit[]): HostConfig {
  const contradicts = (text: string): never => {
    throw conflict(text);
  };
  const has = (host: HostConfig, key: 'NanoCpus' | 'CpuPeriod' | 'CpuQuota'): boolean => (host[key] ?? 0) > 0;
  if (has(changes, 'NanoCpus') && has(old, 'CpuPeriod'))
    contradicts('Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set');
  if (has(changes, 'NanoCpus') && has(old, 'CpuQuota'))
    contradicts('Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set');
  if (has(changes, 'CpuPeriod') && has(old, 'NanoCpus'))
    contradicts('Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set');
  if (has(changes, 'CpuQuota') && has(old, 'NanoCpus'))
    contradicts('Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set');
  const { Memory: memory = 0, MemorySwap: swap = 0 } = changes;
  const oldSwap = old.MemorySwap ?? 0;
  if (memory > oldSwap && swap === 0 && oldSwap !== -1) {
    contradicts(
      'Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time',
    );
  }
  const policy = changes.RestartPolicy;
  if (policy?.Name && policy.Name !== 'no' && old.AutoRemove) {
    contradicts('Restart policy cannot be updated because AutoRemove is enabled for the container');
  }
  return {
    ...old,
    ...Object.fromEntries(changed.map((key) => [key, changes[key]])),
    ...(policy?.Name
      ? { RestartPolicy: { Name: policy.Name, MaximumRetryCount: policy.MaximumRetryCount ?? 0 } }
      : {}),
  };
}

/** The limits that changed, with those they are written together with. @throws System for a device that is not there */
function changedLimits(host: HostConfig, changed: readonly Limit[]): Omit<SpecResources, 'devices'> {
  const any = (...keys: Limit[]): boolean => keys.some((key) => changed.includes(key));
  const { memory = {}, cpu = {}, blockIO = {} } = specResources(host);
  const pick = <T extends object>(from: T, wanted: Partial<Record<keyof T, boolean>>): Partial<T> =>
    Object.fromEntries(Object.entries(from).filter(([key]) => wanted[key as keyof T])) as Partial<T>;
  const ofMemory = any('Memory', 'MemorySwap');
  const ofTime = any('NanoCpus', 'CpuPeriod', 'CpuQuota');
  const limits = {
    memory: pick(memory, { limit: ofMemory, swap: ofMemory, reservation: any('MemoryReservation') }),
    cpu: pick(cpu, {
      shares: any('CpuShares'),
      quota: ofTime,
      period: ofTime,
      realtimePeriod: any('CpuRealtimePeriod'),
      realtimeRuntime: any('CpuRealtimeRuntime'),
      cpus: any('CpusetCpus'),
      mems: any('CpusetMems'),
    }),
    blockIO: pick(blockIO, {
      weight: any('BlkioWeight'),
      weightDevice: any('BlkioWeightDevice'),
      throttleReadBpsDevice: any('BlkioDeviceReadBps'),
      throttleWriteBpsDevice: any('BlkioDeviceWriteBps'),
      throttleReadIOPSDevice: any('BlkioDeviceReadIOps'),
      throttleWriteIOPSDevice: any('BlkioDeviceWriteIOps'),
    }),
  };
  return {
    ...Object.fromEntries(Object.entries(limits).filter(([, value]) => Object.keys(value).length > 0)),
    ...(any('PidsLimit') ? { pids: { limit: (host.PidsLimit ?? 0) > 0 ? (host.PidsLimit ?? 0) : -1 } } : {}),
  };
}
