import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Duplex, Readable } from 'node:stream';
import type {
  ContainerCreateRequest,
  ContainerCreateResponse,
  ContainerPruneResponse,
  ContainerSummary,
  ContainerTopResponse,
  ContainerWaitResponse,
  EndpointSettings,
} from '@docker/node-sdk';
import { conflict, messageOf, notFound } from '../errdefs/index.ts';
import type { Filters } from '../filters/index.ts';
import { type AttachRequest, attach } from './attach.ts';
import { type CommitRequest, commitContainer } from './commit.ts';
import { Container } from './container.ts';
import { ContainerStore } from './container-store.ts';
import { Creation } from './creation.ts';
import type { ContainerDeps } from './deps.ts';
import { makeContainerDirectories } from './directories.ts';
import { rememberEndpoint } from './endpoints.ts';
import { ExecService } from './exec.ts';
import { ExplainService } from './explain/explain.ts';
import { FileService } from './files.ts';
import { HealthService } from './health.ts';
import { type ContainerInspect, inspectContainer } from './inspect.ts';
import { Lifecycle, type StopRequest } from './lifecycle.ts';
import { Links, linkedNames } from './links.ts';
import { summarize } from './list.ts';
import { type ListRequest, listContainers } from './list-query.ts';
import { type ContainerPaths, containerPaths } from './paths.ts';
import { pauseContainer, unpauseContainer } from './pause.ts';
import { pruneContainers } from './prune.ts';
import { renameContainer } from './rename.ts';
import { policyRestarts } from './restart-backoff.ts';
import { containerSizes } from './sizes.ts';
import { StatsService } from './stats.ts';
import { removeEmptyParent, sweepCgroups } from './sweep.ts';
import { top } from './top.ts';
import type { ContainerRecord } from './types.ts';
import { UpdateService } from './update.ts';
import { type WaitCondition, waitFor } from './wait.ts';

export interface LogRequest {
  stdout: boolean;
  stderr: boolean;
  follow: boolean;
  timestamps: boolean;
  details: boolean;
  since?: bigint;
  until?: bigint;
  tail?: number;
  signal: AbortSignal;
}

/** The room's face: every operation on containers. */
export class ContainerService {
  readonly execs: ExecService;
  readonly stats: StatsService;
  readonly updates: UpdateService;
  readonly files: FileService;
  readonly health: HealthService;
  readonly explanations: ExplainService;
  readonly #deps: ContainerDeps;
  readonly #containers: ContainerStore<Container>;
  readonly #lifecycle: Lifecycle;
  readonly #creation: Creation;

  constructor(given: ContainerDeps) {
    const deps: ContainerDeps = {
      ...given,
      onEvent: (action, record, attributes) => {
        given.onEvent(action, record, attributes);
        this.health.onEvent(action, record);
      },
    };
    this.#deps = deps;
    makeContainerDirectories(deps);
    const records = ContainerStore.load(deps.store);
    this.#containers = new ContainerStore(deps.store);
    for (const record of records) this.#containers.adopt(new Container(record));
    this.#lifecycle = new Lifecycle(deps, this.#containers);
    this.#creation = new Creation(deps, this.#containers, this.#lifecycle);
    this.execs = new ExecService(deps, this.#containers);
    this.stats = new StatsService(deps, this.#containers);
    this.updates = new UpdateService(deps, this.#containers);
    this.files = new FileService(deps, this.#containers);
    this.explanations = new ExplainService(deps, this.#containers, (id, tail, signal) =>
      this.logs(id, {
        stdout: true,
        stderr: true,
        follow: false,
        timestamps: false,
        details: false,
        tail,
        signal,
      }),
    );
    this.health = new HealthService(deps, this.#containers, this.execs, (container) => {
      this.#lifecycle.endUnhealthy(container).catch((err: unknown) => {
        deps.log.warn(`container ${container.id}: unhealthy, not restarted: ${messageOf(err)}`);
      });
    });
  }

  #paths(id: string): ContainerPaths {
    return containerPaths(this.#deps.dataRoot, this.#deps.execRoot, id);
  }

  /** Ids of the containers that have a record. */
  ids(): string[] {
    return this.records().map((record) => record.id);
  }

  records(): ContainerRecord[] {
    return [...this.#containers.all()].map((container) => container.record);
  }

  /** Ids that have traces on this machine: records, bundles, data directories. */
  idsWithTraces(): Set<string> {
    const dirs = [join(this.#deps.dataRoot, 'containers'), join(this.#deps.execRoot, 'containers')];
    return new Set([...this.ids(), ...dirs.flatMap((dir) => readdirSync(dir))]);
  }

  /**
   * Brings records and kernel together when a daemon starts. Returns the ids of the containers that run.
   * Restart policies are applied by {@link restartByPolicy}, once networks are there.
   */
  async reconcile(): Promise<Set<string>> {
    const known = new Set(this.ids());
    await Promise.all(
      [...this.#containers.all()].map((container) => this.#lifecycle.recovery.reconcile(container)),
    );
    await this.updates.resume();
    for (const id of this.idsWithTraces()) {
      if (!known.has(id) && /^[0-9a-f]{64}$/.test(id)) await this.#lifecycle.recovery.removeOrphan(id);
    }
    const running = new Set(this.records().flatMap((record) => (isRunning(record) ? [record.id] : [])));
    // systemd removes a scope by itself when it is empty, and a slice is not ours.
    if (this.#deps.cgroupDriver === 'cgroupfs') sweepCgroups(this.#deps.cgroupParent, running);
    return running;
  }

  /**
   * Starts what its policy wants running: `always` also what was stopped by hand, `on-failure` what failed and has tries
   * left. Removes what `--rm` left behind.
   */
  restartByPolicy(): void {
    this.#lifecycle.ready();
    this.health.resume();
    for (const container of [...this.#containers.all()]) {
      if (container.running || container.restartTimer) continue;
      const { record } = container;
      const always = record.hostConfig.RestartPolicy?.Name === 'always';
      const wanted =
        record.state.status === 'exited' &&
        policyRestarts(record) &&
        (always || !record.state.manuallyStopped);
      const work = wanted
        ? this.#lifecycle.start(container)
        : record.hostConfig.AutoRemove && record.state.status === 'exited'
          ? this.#lifecycle.remove(container, { force: false, volumes: true })
          : undefined;
      work?.catch((err: unknown) => this.#deps.log.warn(`container ${record.id}: ${messageOf(err)}`));
    }
  }

  create(request: { name?: string; config: ContainerCreateRequest }): Promise<ContainerCreateResponse> {
    return this.#creation.create(request);
  }

  start(id: string): Promise<void> {
    return this.#lifecycle.start(this.#containers.get(id));
  }

  stop(id: string, options: StopRequest): Promise<void> {
    return this.#lifecycle.stop(this.#containers.get(id), options);
  }

  restart(id: string, options: StopRequest): Promise<void> {
    return this.#lifecycle.restart(this.#containers.get(id), options);
  }

  kill(id: string, signal: string, client?: string): Promise<void> {
    return this.#lifecycle.kill(this.#containers.get(id), signal, client);
  }

  async remove(
    id: string,
    options: { force: boolean; volumes: boolean; link?: boolean; client?: string },
  ): Promise<void> {
    if (options.link) return new Links(this.#deps, this.#containers).remove(id);
    return this.#lifecycle.remove(this.#containers.get(id), options);
  }

  async rename(id: string, name: string): Promise<void> {
    renameContainer(this.#deps, this.#containers, this.#containers.get(id), name);
  }

  async pause(id: string): Promise<void> {
    await pauseContainer(this.#deps, this.#containers, this.#containers.get(id), id);
  }

  async unpause(id: string): Promise<void> {
    await unpauseContainer(this.#deps, this.#containers, this.#containers.get(id));
  }

  wait(
    id: string,
    condition: WaitCondition,
    signal: AbortSignal,
  ): { result: Promise<ContainerWaitResponse> } {
    return { result: waitFor(this.health, this.#containers.get(id), condition, signal) };
  }

  attach(id: string, request: AttachRequest): Promise<{ stream: Duplex; tty: boolean }> {
    return attach(this.#deps, this.#lifecycle, this.#containers.get(id), request);
  }

  logs(id: string, request: LogRequest): { stream: Readable; tty: boolean } {
    const container = this.#containers.get(id);
    return this.#lifecycle.logs.read(container.record, {
      ...request,
      isRunning: () => container.running,
      onStopped: (cb) => container.onNextExit(cb),
    });
  }

  /** @returns the new image's id */
  commit(request: CommitRequest): Promise<string> {
    return commitContainer(this.#deps, this.#containers, request);
  }

  async resize(id: string, size: { height: number; width: number }): Promise<void> {
    const container = this.#containers.get(id);
    if (!container.running || !container.shim) throw conflict(`container ${container.id} is not running`);
    await container.shim.resize(null, size.height, size.width);
    this.#deps.onEvent('resize', container.record, {
      height: String(size.height),
      width: String(size.width),
    });
  }

  top(id: string, psArgs: string): Promise<ContainerTopResponse> {
    return top(this.#deps, () => this.#containers.get(id), psArgs);
  }

  async inspect(id: string, options: { size: boolean }): Promise<ContainerInspect> {
    const container = this.#containers.get(id);
    const inspect = inspectContainer(this.#deps, container, this.#paths(container.id), (linked) =>
      this.#containers.find(linked),
    );
    return options.size ? { ...inspect, ...(await containerSizes(this.#deps, container.record)) } : inspect;
  }

  /** @param imageName how an image is called now; @param imageMatches for the filter `ancestor` */
  async list(
    request: ListRequest & { size: boolean },
    imageName: (record: ContainerRecord) => string,
    imageMatches: (imageId: string, ancestor: string) => boolean,
  ): Promise<ContainerSummary[]> {
    const found = listContainers(this.#deps, this.#containers, request, imageMatches);
    const linked = linkedNames(this.#containers.all());
    return Promise.all(
      found.map(async (container) => {
        const summary = summarize(this.#deps, container, imageName(container.record));
        summary.Names?.push(...(linked.get(container.id) ?? []));
        return request.size
          ? { ...summary, ...(await containerSizes(this.#deps, container.record)) }
          : summary;
      }),
    );
  }

  prune(filters: Filters): Promise<ContainerPruneResponse> {
    return pruneContainers(this.#deps, this.#containers, this.#lifecycle, filters);
  }

  /** The record of a container. @throws NotFound */
  record(id: string): ContainerRecord {
    return this.#containers.get(id).record;
  }

  /**
   * Runs `task` while the container is neither started, paused nor removed.
   * @throws NotFound, also when it was removed while this waited
   */
  exclusively(id: string, task: (record: ContainerRecord, running: boolean) => void): Promise<void> {
    const container = this.#containers.get(id);
    return container.lock.run(() => {
      if (!this.#containers.has(container)) throw notFound(`No such container: ${id}`);
      task(container.record, container.running);
    });
  }

  /** Remembers a network for the container's next start (or forgets it with `undefined`). */
  setEndpoint(id: string, network: string, endpoint: EndpointSettings | undefined): void {
    rememberEndpoint(this.#deps, this.#containers, this.#containers.get(id), network, endpoint);
  }

  /** Stops all running containers, as a daemon that goes down does. */
  async shutdown(): Promise<void> {
    this.#lifecycle.prepareShutdown();
    // What is being started now is stopped, too.
    await Promise.all([...this.#containers.all()].map((container) => container.lock.run(() => undefined)));
    const running = [...this.#containers.all()].filter((container) => container.running);
    const manual = new Map(
      running.map((container) => [container.id, container.record.state.manuallyStopped]),
    );
    await Promise.allSettled(running.map((container) => this.#lifecycle.stop(container, { by: 'daemon' })));
    await Promise.all(running.map((container) => container.gone));
    if (this.#deps.cgroupDriver === 'cgroupfs') removeEmptyParent(this.#deps.cgroupParent);
    for (const container of running) {
      // It was the daemon that stopped it, not the user: `unless-stopped` starts it again.
      container.record.state.manuallyStopped = manual.get(container.id) ?? false;
      this.#containers.save(container);
    }
  }

  /** Lets go of the containers; they run on. */
  close(): void {
    this.health.close();
    this.execs.close();
    this.stats.close();
    this.#lifecycle.close();
  }
}

function isRunning(record: ContainerRecord): boolean {
  return record.state.status === 'running' || record.state.status === 'paused';
}
