import { conflict, isKind, messageOf, notModified, unavailable, WharfError } from '../errdefs/index.ts';
import { bootId, signalNumber } from '../linux/index.ts';
import type { ExitRecord, ShimHandle } from '../runtime/index.ts';
import type { Container } from './container.ts';
import { ContainerLogs } from './container-logs.ts';
import type { ContainerStore } from './container-store.ts';
import type { ContainerDeps } from './deps.ts';
import { Links } from './links.ts';
import { concludeOom, followOom } from './oom.ts';
import { openShim } from './open-shim.ts';
import { freeze } from './pause.ts';
import { Recovery } from './recovery.ts';
import { Remains } from './remains.ts';
import { policyRestarts, RestartBackoff, restartsUnhealthy } from './restart-backoff.ts';
import { announceUnmounts, prepareRun, type Run } from './run.ts';
import { explainStartFailure } from './start-failure.ts';
import { stopSignal } from './stop-signal.ts';
import { timestamp } from './time.ts';
import type { ContainerRecord, Sender } from './types.ts';
import { within } from './within.ts';

/** Seconds between SIGTERM and SIGKILL when neither request nor container says. */
const STOP_TIMEOUT = 10;
const KILL_PATIENCE = 10_000;

/** What a stop asks for. */
export interface StopRequest {
  signal?: string;
  /** Seconds; negative: never SIGKILL. */
  timeout?: number;
  /** Default: `stop`. */
  by?: Sender['by'];
  /** See {@link Sender}. */
  client?: string;
}

/** Start, end and removal of containers: the order in which the outside is made and unmade. */
export class Lifecycle {
  readonly #deps: ContainerDeps;
  readonly #containers: ContainerStore<Container>;
  readonly #remains: Remains;
  readonly #links: Links;
  readonly recovery: Recovery;
  readonly logs: ContainerLogs;
  readonly #runs = new Map<string, Run>();
  readonly #backoff = new RestartBackoff();
  /** False until the daemon has reconciled all: till then an exit that is learnt of restarts and removes nothing. */
  #ready = false;
  #closed = false;

  constructor(deps: ContainerDeps, containers: ContainerStore<Container>) {
    this.#deps = deps;
    this.#containers = containers;
    this.#remains = new Remains(deps);
    this.#links = new Links(deps, containers);
    this.logs = new ContainerLogs(deps);
    this.recovery = new Recovery(deps, containers, this.#remains, {
      watch: (container, shim) => this.#watch(container, shim),
      exited: (container, exit) => this.#exited(container, exit),
    });
  }

  /**
   * Starts a container and returns when its program was executed.
   * @throws NotModified when it runs; what the network, the mounts or the runtime refuse
   */
  start(container: Container): Promise<void> {
    return container.lock.run(() => this.#start(container, { byPolicy: false }));
  }

  async #start(container: Container, { byPolicy }: { byPolicy: boolean }): Promise<void> {
    const { record } = container;
    if (container.removing) throw conflict('container is marked for removal and cannot be started');
    if (this.#closed) throw unavailable('the daemon is shutting down');
    if (record.state.status === 'paused') {
      throw conflict('cannot start a paused container, try unpause instead');
    }
    if (container.running) throw notModified(`container ${record.id} is already running`);
    clearTimeout(container.restartTimer);
    if (!byPolicy) {
      // Whoever starts it by hand gives `on-failure:N` all its tries again.
      record.restartCount = 0;
      this.#backoff.forget(record.id);
    }
    await container.gone;
    const paths = this.#remains.paths(record.id);
    let run: Run | undefined;
    try {
      await this.logs.prepare(record);
      const shim = this.shim(container);
      run = prepareRun(this.#deps, record, paths, (id) => this.#containers.find(id));
      const { pid, startedAt } = await shim.start();
      run.started();
      this.#runs.set(record.id, run);
      this.#running(container, shim, pid, startedAt);
    } catch (err) {
      const failure = explainStartFailure(err, record, paths);
      run?.undo();
      this.#dropShim(container);
      container.restartTimer = undefined;
      record.state.error = failure.error.message;
      record.state.exitCode = failure.exitCode;
      this.#containers.save(container);
      this.#deps.log.debug(`container ${record.id} did not start: ${messageOf(err)}`);
      if (record.hostConfig.AutoRemove) await this.#removeUnlocked(container, { volumes: true });
      throw failure.error;
    }
  }

  #running(container: Container, shim: ShimHandle, pid: number, startedAt: string): void {
    const { record } = container;
    container.restartTimer = undefined;
    Object.assign(record.state, {
      status: 'running',
      pid,
      exitCode: 0,
      error: '',
      oomKilled: false,
      oom: undefined,
      startedAt,
      manuallyStopped: false,
      ending: undefined,
      bootId: bootId(),
    });
    this.#containers.save(container);
    this.#links.announce(container);
    this.#deps.onEvent('start', record);
    this.#watch(container, shim);
  }

  /** Follows a shim whose container runs. Also what an exit in between did is told here, not missed. */
  #watch(container: Container, shim: ShimHandle): void {
    container.shim = shim;
    shim.onExecExit((execId, exitCode) => {
      const exec = container.execs.get(execId);
      if (!exec) return;
      exec.state = 'exited';
      exec.exitCode = exitCode;
      exec.endedAt = Date.now();
      exec.settle();
      this.#deps.onEvent('exec_die', container.record, { execID: execId, exitCode: String(exitCode) });
    });
    followOom(this.#deps, this.#containers, container, shim);
    this.logs.follow(container, shim);
    shim.onExit((exit) => this.#exited(container, exit));
    // After onExit: what happened already is told at once, and the bundle holds the mount that the exit takes down.
    container.gone = new Promise((resolve) => {
      shim.onGone(() => {
        if (container.shim === shim) container.shim = undefined;
        shim.close();
        void this.#remains.removeBundle(container.id).then(resolve);
      });
    });
  }

  /** Everything here is synchronous: whoever is told of the exit finds nothing of the run left. */
  #exited(container: Container, exit: ExitRecord): void {
    const { record } = container;
    const ranFor = Date.parse(exit.exitedAt) - Date.parse(record.state.startedAt);
    Object.assign(record.state, {
      status: 'exited',
      pid: 0,
      exitCode: exit.exitCode,
      signal: exit.signal,
      finishedAt: exit.exitedAt,
    });
    if (exit.unknown) record.state.ending = { by: 'lost', at: exit.exitedAt };
    if (exit.unknown) record.state.error = 'the monitor of the container ended before the container did';
    if (container.shim?.state !== 'idle') container.shim = undefined;
    container.spec = undefined;
    this.logs.ended(container);
    for (const exec of container.execs.values()) {
      if (exec.state !== 'running') continue;
      exec.state = 'exited';
      exec.exitCode ??= 137;
      exec.endedAt = Date.now();
      exec.settle();
    }
    // Before what follows from it: the disconnect from networks, the unmounting of volumes.
    concludeOom(this.#deps, container, exit);
    this.#deps.onEvent('die', record, {
      exitCode: String(exit.exitCode),
      execDuration: String(Math.max(0, Math.round(ranFor / 1000))),
    });
    this.#endRun(record);
    this.#containers.save(container);
    const ends = !this.#ready || this.#closed || container.removing || record.state.manuallyStopped;
    const restart = ends ? undefined : this.#backoff.delay(record, ranFor);
    container.exited();
    if (restart !== undefined) {
      container.restartAt = Date.now() + restart;
      container.restartTimer = setTimeout(() => this.#restartNow(container), restart);
    } else if (this.#goesAtExit(container)) {
      this.remove(container, { force: false, volumes: true }).catch((err: unknown) =>
        this.#deps.log.error(`container ${record.id}: not removed: ${messageOf(err)}`),
      );
    }
  }

  /** `--rm`: unless somebody removes it already, or restarts it. */
  #goesAtExit(container: Container): boolean {
    if (!this.#ready || this.#closed || container.removing || container.keepAtExit > 0) return false;
    return container.record.hostConfig.AutoRemove ?? false;
  }

  #endRun(record: ContainerRecord): void {
    const run = this.#runs.get(record.id);
    this.#runs.delete(record.id);
    if (run) {
      run.undo();
      return;
    }
    this.#remains.sweep(record);
    announceUnmounts(this.#deps, record);
  }

  /** The timer stays in its place until the start has ended: to clients the container is restarting until then. */
  #restartNow(container: Container): void {
    const due = container.restartTimer;
    const restart = async (): Promise<void> => {
      // Stopped, started or removed while it waited for its turn.
      if (container.restartTimer !== due || due === undefined) return;
      if (!policyRestarts(container.record)) {
        // The policy is another one by now.
        container.restartTimer = undefined;
        container.exited();
        return;
      }
      container.record.restartCount++;
      await this.#start(container, { byPolicy: true });
    };
    container.lock.run(restart).catch((err: unknown) => {
      container.restartTimer = undefined;
      container.exited();
      if (isKind(err, 'NotModified')) return;
      this.#deps.log.warn(`container ${container.id}: not restarted: ${messageOf(err)}`);
    });
  }

  /** True when a restart was waiting. */
  #cancelRestart(container: Container): boolean {
    const waiting = container.restartTimer !== undefined;
    clearTimeout(container.restartTimer);
    container.restartTimer = undefined;
    return waiting;
  }

  /** The container's shim; a stopped container gets an idle one, so that clients can attach before the start. */
  shim(container: Container): ShimHandle {
    if (container.shim) return container.shim;
    container.shim = openShim(this.#deps, this.logs, container.record);
    return container.shim;
  }

  #dropShim(container: Container): void {
    const shim = container.shim;
    container.shim = undefined;
    shim?.close();
    container.gone = this.#remains.removeBundle(container.id);
  }

  /**
   * Sends a signal; one that means the end calls off a restart, and wakes a paused container as in Docker.
   * @throws Conflict when it does not run; InvalidParameter for a bad signal
   */
  async kill(container: Container, signal: string, client?: string): Promise<void> {
    const sender: Sender = { by: 'kill', ...(client ? { client } : {}) };
    signalNumber(signal || 'KILL');
    // A start under way: there is something to signal when it has ended.
    await container.lock.run(() => undefined);
    if (!container.running && this.#cancelRestart(container)) {
      this.#markStopped(container);
      container.exited();
      return;
    }
    // As Docker does: after SIGKILL it is gone.
    const ended = container.nextExit();
    if (signalNumber(signal || 'KILL') === 9 && container.running)
      await this.#killNow(container, ended, sender);
    else await this.#signal(container, signal, sender);
  }

  /** @param killedAfter seconds that a first signal was given */
  async #signal(container: Container, signal: string, sender: Sender, killedAfter?: number): Promise<void> {
    const number = signalNumber(signal || 'KILL');
    const { record } = container;
    if (!container.running || !container.shim) {
      throw conflict(`container ${record.id} is not running`);
    }
    const ends = number === 9 || number === signalNumber(stopSignal(record.config));
    record.state.ending = {
      ...sender,
      signal: number,
      at: timestamp(),
      ...(killedAfter === undefined ? {} : { killedAfter }),
    };
    if (ends && sender.by !== 'health') record.state.manuallyStopped = true;
    this.#containers.save(container);
    await container.shim.signal(null, number);
    this.#deps.onEvent('kill', record, { signal: String(number) });
    if (ends) this.#thaw(container);
  }

  #markStopped(container: Container): void {
    container.record.state.manuallyStopped = true;
    this.#containers.save(container);
  }

  /** A frozen process does not even take SIGKILL where the freezer is of cgroup v1. */
  #thaw(container: Container): void {
    const { record } = container;
    if (record.state.status !== 'paused') return;
    freeze(this.#deps, record, false);
    record.state.status = 'running';
    this.#containers.save(container);
    this.#deps.onEvent('unpause', record);
  }

  /**
   * Stops a container: its stop signal, then after `timeout` seconds SIGKILL (negative: never).
   * @throws NotModified when it is stopped
   */
  async stop(container: Container, options: StopRequest = {}): Promise<void> {
    const { record } = container;
    const signal = options.signal || stopSignal(record.config);
    signalNumber(signal);
    await container.lock.run(() => undefined);
    if (!container.running) {
      if (!this.#cancelRestart(container)) throw notModified(`container ${record.id} is already stopped`);
      this.#markStopped(container);
      container.exited();
      this.#deps.onEvent('stop', record);
      return;
    }
    const timeout = options.timeout ?? record.config.StopTimeout ?? STOP_TIMEOUT;
    const { by = 'stop', client } = options;
    this.#markStopped(container);
    await this.#end(container, signal, timeout, { by, ...(client ? { client } : {}) });
    this.#deps.onEvent('stop', record);
  }

  /** Sends `signal`, and SIGKILL when that has not ended it after `timeout` seconds (negative: never). */
  async #end(container: Container, signal: string, timeout: number, sender: Sender): Promise<void> {
    const ended = container.nextExit();
    await this.#signal(container, signal, sender).catch((err: unknown) => {
      if (container.running) throw err;
    });
    this.#thaw(container);
    if (!(await within(ended, timeout < 0 ? undefined : timeout * 1000)) && container.running) {
      await this.#killNow(container, ended, sender, timeout);
    }
  }

  /** Ends a container whose probes fail, if its policy then starts it anew. */
  async endUnhealthy(container: Container): Promise<void> {
    const { record } = container;
    if (!container.running || container.removing || !restartsUnhealthy(record)) return;
    const timeout = record.config.StopTimeout ?? STOP_TIMEOUT;
    await this.#end(container, stopSignal(record.config), timeout, { by: 'health' });
  }

  async #killNow(
    container: Container,
    ended: Promise<void>,
    sender: Sender,
    killedAfter?: number,
  ): Promise<void> {
    await this.#signal(container, 'KILL', sender, killedAfter).catch((err: unknown) => {
      if (container.running) throw err;
    });
    if (!(await within(ended, KILL_PATIENCE))) {
      throw new WharfError('System', `tried to kill container, but did not receive an exit event`, {
        hint: 'A process of it hangs in the kernel (state D), for instance on a dead network file system',
      });
    }
  }

  async restart(container: Container, options: StopRequest): Promise<void> {
    container.keepAtExit++;
    try {
      await this.stop(container, { ...options, by: 'restart' });
    } catch (err) {
      if (!isKind(err, 'NotModified')) throw err;
    } finally {
      container.keepAtExit--;
    }
    await this.start(container).catch((err: unknown) => {
      if (!isKind(err, 'NotModified')) throw err;
    });
    this.#deps.onEvent('restart', container.record);
  }

  /** Removes a container, its writable layer and, with `volumes`, its anonymous volumes. */
  async remove(
    container: Container,
    options: { force: boolean; volumes: boolean; client?: string },
  ): Promise<void> {
    const { record } = container;
    if (container.removing) {
      throw conflict(`removal of container ${record.id} is already in progress`);
    }
    const restarting = container.restartTimer !== undefined;
    if ((container.running || restarting) && !options.force) {
      const state = restarting ? 'restarting' : record.state.status;
      throw conflict(
        `cannot remove container "/${record.name}": container is ${state}: ${
          state === 'paused' ? 'unpause and ' : ''
        }stop the container before removing or force remove`,
      );
    }
    container.removing = true;
    return container.lock.run(async () => {
      try {
        this.#cancelRestart(container);
        if (container.running) {
          const { client } = options;
          const sender: Sender = { by: 'remove', ...(client ? { client } : {}) };
          await this.#killNow(container, container.nextExit(), sender);
        }
        await this.#removeUnlocked(container, options);
      } catch (err) {
        container.removing = false;
        throw err;
      }
    });
  }

  async #removeUnlocked(container: Container, options: { volumes: boolean }): Promise<void> {
    const { record } = container;
    // A start that failed has removed its `--rm` container before this removal had its turn.
    if (!this.#containers.has(container)) return;
    container.removing = true;
    // The row goes first: what is left without one is swept when a daemon starts.
    this.#containers.delete(container);
    if (options.volumes) this.#remains.removeVolumes(record);
    await this.discard(container);
    this.#deps.onEvent('destroy', record);
    container.removed();
  }

  /** Takes away what a container that does not run has on the disk. A failure is logged: a later daemon sweeps. */
  async discard(container: Container): Promise<void> {
    const { id } = container;
    if (container.shim?.state === 'idle') this.#dropShim(container);
    this.#backoff.forget(id);
    await this.logs.finish(container);
    await this.#remains.removeLayer(id);
    void this.#remains.removeTree(this.#remains.paths(id).data);
  }

  /** Lets go of all shims; containers run on. No restart is begun any more. */
  close(): void {
    this.#closed = true;
    this.logs.close();
    for (const container of this.#containers.all()) {
      clearTimeout(container.restartTimer);
      container.shim?.close();
    }
  }

  /** All is reconciled: from now on exits have their consequences. */
  ready(): void {
    this.#ready = true;
    for (const container of this.#containers.all()) if (!container.running) this.logs.ended(container);
  }

  /** From now on an exit removes and restarts nothing: the daemon is going down and stops its containers. */
  prepareShutdown(): void {
    this.#closed = true;
  }
}
