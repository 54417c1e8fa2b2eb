/** Health checks: probes the containers that ask for it while they run, keeps and tells what comes of it. */
import { messageOf } from '../errdefs/index.ts';
import type { Container } from './container.ts';
import type { ContainerStore } from './container-store.ts';
import type { ContainerDeps } from './deps.ts';
import type { ExecService } from './exec.ts';
import { type HealthCheck, healthCheck } from './health-config.ts';
import { afterProbe, type HealthState, nextProbe, startingHealth, unprobedHealth } from './health-state.ts';
import { HealthStore } from './health-store.ts';
import { ProbeRunner } from './probe.ts';
import { ON_UNHEALTHY } from './restart-backoff.ts';
import type { ContainerRecord } from './types.ts';

/** Probing one run of a container. */
interface Monitor {
  readonly check: HealthCheck;
  readonly runner: ProbeRunner;
  timer: NodeJS.Timeout | undefined;
  stopped: boolean;
}

/** The check of a container, if it has one. */
export const checkOf = ({ config }: ContainerRecord): HealthCheck | undefined =>
  healthCheck(config.Healthcheck, config.Shell);

/** What a request asks of health checks and cannot have. */
export function healthWarnings(record: ContainerRecord): string[] {
  const policy: string | undefined = record.hostConfig.RestartPolicy?.Name;
  if (policy !== ON_UNHEALTHY || checkOf(record)) return [];
  return [`Restart policy ${ON_UNHEALTHY}: there is no health check, so it restarts as on-failure does.`];
}

export class HealthService {
  readonly #deps: ContainerDeps;
  readonly #containers: ContainerStore<Container>;
  readonly #execs: ExecService;
  readonly #store: HealthStore;
  readonly #monitors = new Map<string, Monitor>();
  readonly #listeners = new Map<string, Set<() => void>>();
  readonly #onUnhealthy: (container: Container) => void;
  #closed = false;

  /** @param onUnhealthy is told when probes have failed often enough in a row */
  constructor(
    deps: ContainerDeps,
    containers: ContainerStore<Container>,
    execs: ExecService,
    onUnhealthy: (container: Container) => void,
  ) {
    this.#deps = deps;
    this.#containers = containers;
    this.#execs = execs;
    this.#store = new HealthStore(deps.store);
    this.#onUnhealthy = onUnhealthy;
    for (const [id, state] of this.#store.load()) {
      const container = containers.find(id);
      if (container?.id === id) container.health = state;
      else this.#store.delete(id);
    }
  }

  /** Goes on probing what runs, when a daemon has found the containers of the one before. */
  resume(): void {
    for (const container of this.#containers.all()) {
      if (container.record.state.status !== 'running') continue;
      if (container.health) this.#probe(container);
      else this.#begin(container);
    }
  }

  /** Follows what happens to containers, by the events that tell of it. */
  onEvent(action: string, record: ContainerRecord): void {
    if (action === 'destroy') this.#forget(record.id);
    if (!['start', 'die', 'pause', 'unpause'].includes(action)) return;
    const container = this.#containers.find(record.id);
    if (!container) return;
    if (action === 'start') this.#begin(container);
    else if (action === 'unpause') this.#probe(container);
    else this.#halt(container);
  }

  /** Calls `listener` whenever the health of a container may be another; returns how to take that back. */
  onChange(container: Container, listener: () => void): () => void {
    const listeners = this.#listeners.get(container.id) ?? new Set();
    this.#listeners.set(container.id, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) this.#listeners.delete(container.id);
    };
  }

  #begin(container: Container): void {
    if (!checkOf(container.record)) return;
    this.#set(container, startingHealth(container.health));
    this.#probe(container);
  }

  /** Begins to probe, an interval from now. */
  #probe(container: Container): void {
    const check = checkOf(container.record);
    this.#stop(container.id);
    if (!check || this.#closed) return;
    const runner = new ProbeRunner(this.#deps, this.#execs, container, check);
    const monitor: Monitor = { check, runner, timer: undefined, stopped: false };
    this.#monitors.set(container.id, monitor);
    this.#schedule(container, monitor);
  }

  #schedule(container: Container, monitor: Monitor): void {
    const runningFor = Date.now() - Date.parse(container.record.state.startedAt);
    const state = container.health ?? startingHealth(undefined);
    monitor.timer = setTimeout(
      () => {
        this.#turn(container, monitor).catch((err: unknown) =>
          this.#deps.log.error(`container ${container.id}: health: ${messageOf(err)}`),
        );
      },
      nextProbe(state, monitor.check, runningFor),
    );
  }

  async #turn(container: Container, monitor: Monitor): Promise<void> {
    const result = await monitor.runner.run();
    // Stopped, paused or restarted meanwhile: it says nothing of the container's health.
    if (monitor.stopped || !container.running) return;
    const before = container.health ?? startingHealth(undefined);
    const { startedAt } = container.record.state;
    const state = afterProbe(before, result, monitor.check, startedAt);
    this.#set(container, state);
    if (state.status !== before.status) {
      this.#deps.onEvent(`health_status: ${state.status}`, container.record);
      if (state.status === 'unhealthy') this.#onUnhealthy(container);
    }
    if (!monitor.stopped) this.#schedule(container, monitor);
  }

  #set(container: Container, state: HealthState): void {
    this.#store.save(container.id, state, container.health);
    container.health = state;
    for (const listener of [...(this.#listeners.get(container.id) ?? [])]) listener();
  }

  #halt(container: Container): void {
    this.#stop(container.id);
    if (container.health) this.#set(container, unprobedHealth(container.health));
  }

  #stop(id: string): boolean {
    const monitor = this.#monitors.get(id);
    if (!monitor) return false;
    monitor.stopped = true;
    clearTimeout(monitor.timer);
    return this.#monitors.delete(id);
  }

  #forget(id: string): void {
    this.#stop(id);
    this.#store.delete(id);
  }

  /** Ends probing; what the containers' health is stays written down. */
  close(): void {
    this.#closed = true;
    for (const id of [...this.#monitors.keys()]) this.#stop(id);
    this.#store.flush();
  }
}
