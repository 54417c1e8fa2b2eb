import { mkdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { conflict, isKind, messageOf, notFound, notModified, WharfError } from '../errdefs/index.ts';
import { signalNumber } from '../linux/index.ts';
import {
  connectShim,
  deleteRuntimeState,
  type ExitRecord,
  readExit,
  type ShimHandle,
  startShim,
} from '../runtime/index.ts';
import { containerCgroup } from './cgroup.ts';
import type { Container } from './container.ts';
import type { ContainerStore } from './container-store.ts';
import type { ContainerDeps } from './deps.ts';
import { logSettings } from './log-config.ts';
import { type ContainerPaths, containerPaths } from './paths.ts';
import { prepareRun, type Run } from './run.ts';
import { explainStartFailure } from './start-failure.ts';
import { timestamp } from './time.ts';
import type { ContainerRecord } from './types.ts';

/** Seconds between SIGTERM and SIGKILL when neither request nor container says. */
const STOP_TIMEOUT = 10;
const RESTART_DELAY_MIN = 100;
const RESTART_DELAY_MAX = 60_000;
/** A run longer than this starts the back-off anew, as in Docker. */
const RESTART_RESET = 10_000;
const KILL_PATIENCE = 10_000;

/** Start, end and removal of containers: the order in which the outside is made and unmade. */
export class Lifecycle {
  readonly #deps: ContainerDeps;
  readonly #containers: ContainerStore<Container>;
  readonly #runs = new Map<string, Run>();
  readonly #restartDelays = new Map<string, number>();
  #closed = false;

  constructor(deps: ContainerDeps, containers: ContainerStore<Container>) {
    this.#deps = deps;
    this.#containers = containers;
  }

  paths(id: string): ContainerPaths {
    return containerPaths(this.#deps.dataRoot, this.#deps.execRoot, id);
  }

  /**
   * Starts a container and returns when its program was executed.
   * @throws NotModified when it runs; what the network, the mounts or the runtime refuse
   */
  start(container: Container): Promise<void> {
    return container.lock.run(() => this.#start(container));
  }

  async #start(container: Container): Promise<void> {
    const { record } = container;
    if (container.removing) {
      throw conflict(`container is marked for removal and cannot be started`);
    }
    if (record.state.status === 'paused') {
      throw conflict('cannot start a paused container, try unpause instead');
    }
    if (container.running) throw notModified(`container ${record.id} is already running`);
    clearTimeout(container.restartTimer);
    await container.gone;
    const paths = this.paths(record.id);
    let run: Run | undefined;
    try {
      const shim = this.shim(container);
      run = prepareRun(this.#deps, record, paths, (id) => this.#containers.find(id));
      const { pid, startedAt } = await shim.start();
      this.#runs.set(record.id, run);
      this.#running(container, shim, pid, startedAt);
    } catch (err) {
      const failure = explainStartFailure(err, record, paths);
      run?.undo();
      this.#dropShim(container);
      record.state.error = failure.error.message;
      record.state.exitCode = failure.exitCode;
      this.#containers.save(container);
      this.#deps.log.debug(`container ${record.id} did not start: ${messageOf(err)}`);
      if (record.hostConfig.AutoRemove) void this.#removeUnlocked(container, { volumes: true });
      throw failure.error;
    }
  }

  #running(container: Container, shim: ShimHandle, pid: number, startedAt: string): void {
    const { record } = container;
    Object.assign(record.state, {
      status: 'running',
      pid,
      exitCode: 0,
      error: '',
      oomKilled: false,
      startedAt,
      manuallyStopped: false,
    });
    this.#containers.save(container);
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
      exec.settle();
      this.#deps.onEvent('exec_die', container.record, { execID: execId, exitCode: String(exitCode) });
    });
    shim.onExit((exit) => this.#exited(container, exit));
    // After onExit: what happened already is told at once, and the bundle holds the mount that the exit takes down.
    container.gone = new Promise((resolve) => {
      shim.onGone(() => {
        if (container.shim === shim) container.shim = undefined;
        shim.close();
        void this.#removeBundle(container.id).then(resolve);
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
      oomKilled: exit.oomKilled,
      finishedAt: exit.exitedAt,
    });
    if (exit.unknown) record.state.error = 'the monitor of the container ended before the container did';
    if (container.shim?.state !== 'idle') container.shim = undefined;
    container.process = undefined;
    for (const exec of container.execs.values()) {
      if (exec.state !== 'running') continue;
      exec.state = 'exited';
      exec.exitCode ??= 137;
      exec.settle();
    }
    this.#endRun(record);
    this.#containers.save(container);
    if (exit.oomKilled) this.#deps.onEvent('oom', record);
    this.#deps.onEvent('die', record, {
      exitCode: String(exit.exitCode),
      execDuration: String(Math.max(0, Math.round(ranFor / 1000))),
    });
    const restart = this.#restartDelay(container, ranFor);
    container.exited();
    if (restart !== undefined) {
      container.restartTimer = setTimeout(() => this.#restartNow(container), restart);
    } else if (record.hostConfig.AutoRemove && !this.#closed) {
      this.remove(container, { force: false, volumes: true }).catch((err: unknown) =>
        this.#deps.log.error(`container ${record.id}: not removed: ${messageOf(err)}`),
      );
    }
  }

  #endRun(record: ContainerRecord): void {
    const run = this.#runs.get(record.id);
    this.#runs.delete(record.id);
    if (run) run.undo();
    else this.#sweep(record);
  }

  /** Milliseconds until the restart that the policy wants; undefined for none. */
  #restartDelay(container: Container, ranFor: number): number | undefined {
    const { record } = container;
    const { Name: policy, MaximumRetryCount: max = 0 } = record.hostConfig.RestartPolicy ?? {};
    if (this.#closed || container.removing || record.state.manuallyStopped) return undefined;
    if (policy === 'on-failure' && (record.state.exitCode === 0 || (max > 0 && record.restartCount >= max))) {
      return undefined;
    }
    if (policy !== 'always' && policy !== 'unless-stopped' && policy !== 'on-failure') return undefined;
    const last = ranFor > RESTART_RESET ? undefined : this.#restartDelays.get(record.id);
    const delay = last === undefined ? RESTART_DELAY_MIN : Math.min(last * 2, RESTART_DELAY_MAX);
    this.#restartDelays.set(record.id, delay);
    return delay;
  }

  #restartNow(container: Container): void {
    container.restartTimer = undefined;
    container.record.restartCount++;
    this.start(container).catch((err: unknown) => {
      if (isKind(err, 'NotModified')) return;
      this.#deps.log.warn(`container ${container.id}: not restarted: ${messageOf(err)}`);
    });
  }

  /** The container's shim; a stopped container gets an idle one, so that clients can attach before the start. */
  shim(container: Container): ShimHandle {
    if (container.shim) return container.shim;
    const { record } = container;
    const paths = this.paths(record.id);
    mkdirSync(paths.rootfs, { recursive: true, mode: 0o711 });
    const runtime = this.#deps.runtimes[record.hostConfig.Runtime ?? this.#deps.defaultRuntime];
    if (!runtime) throw notFound(`unknown or invalid runtime name: ${record.hostConfig.Runtime}`);
    const { config } = record;
    container.shim = startShim({
      shimPath: this.#deps.shimPath,
      id: record.id,
      bundle: paths.bundle,
      runtimePath: runtime.path,
      runtimeArgs: runtime.args,
      runtimeRoot: `${this.#deps.execRoot}/runtime`,
      socketPath: paths.socket,
      ...logSettings(record, paths.log),
      exitPath: paths.exit,
      cgroupPaths: containerCgroup(this.#deps, record).directories(),
      tty: config.Tty ?? false,
      openStdin: config.OpenStdin ?? false,
      stdinOnce: config.StdinOnce ?? false,
    });
    return container.shim;
  }

  #dropShim(container: Container): void {
    const shim = container.shim;
    container.shim = undefined;
    shim?.close();
    container.gone = this.#removeBundle(container.id);
  }

  #removeBundle(id: string): Promise<void> {
    return this.#removeTree(this.paths(id).bundle);
  }

  /** Off the main thread: on a journaling file system each unlink may take a millisecond. */
  async #removeTree(path: string): Promise<void> {
    try {
      await rm(path, { recursive: true, force: true });
    } catch (err) {
      this.#deps.log.error(`not removed: ${messageOf(err)}`);
    }
  }

  /** Sends a signal. @throws Conflict when it does not run; InvalidParameter for a bad signal */
  async kill(container: Container, signal: string, asked = container.id): Promise<void> {
    const number = signalNumber(signal || 'KILL');
    const { record } = container;
    if (!container.running || !container.shim) {
      throw conflict(`cannot kill container: ${asked}: container ${record.id} is not running`);
    }
    const stopSignal = signalNumber(record.config.StopSignal || 'TERM');
    if (number === 9 || number === stopSignal) {
      record.state.manuallyStopped = true;
      this.#containers.save(container);
    }
    await container.shim.signal(null, number);
    this.#deps.onEvent('kill', record, { signal: String(number) });
  }

  /**
   * Stops a container: its stop signal, then after `timeout` seconds SIGKILL (negative: never).
   * @throws NotModified when it is stopped
   */
  async stop(container: Container, options: { signal?: string; timeout?: number } = {}): Promise<void> {
    const { record } = container;
    await container.lock.run(() => undefined);
    clearTimeout(container.restartTimer);
    if (!container.running) throw notModified(`container ${record.id} is already stopped`);
    const signal = options.signal || record.config.StopSignal || 'TERM';
    const timeout = options.timeout ?? record.config.StopTimeout ?? STOP_TIMEOUT;
    signalNumber(signal);
    record.state.manuallyStopped = true;
    const ended = exitOf(container);
    await this.kill(container, signal).catch((err: unknown) => {
      if (container.running) throw err;
    });
    if (!(await within(ended, timeout < 0 ? undefined : timeout * 1000)) && container.running) {
      await this.#killNow(container, ended);
    }
    this.#deps.onEvent('stop', record);
  }

  async #killNow(container: Container, ended: Promise<void>): Promise<void> {
    await this.kill(container, 'KILL').catch((err: unknown) => {
      if (container.running) throw err;
    });
    if (!(await within(ended, KILL_PATIENCE))) {
      throw new WharfError('System', `tried to kill container, but did not receive an exit event`, {
        hint: 'A process of it hangs in the kernel (state D), for instance on a dead network file system',
      });
    }
  }

  async restart(container: Container, options: { signal?: string; timeout?: number }): Promise<void> {
    await this.stop(container, options).catch((err: unknown) => {
      if (!isKind(err, 'NotModified')) throw err;
    });
    await this.start(container).catch((err: unknown) => {
      if (!isKind(err, 'NotModified')) throw err;
    });
    this.#deps.onEvent('restart', container.record);
  }

  /** Removes a container, its writable layer and, with `volumes`, its anonymous volumes. */
  remove(container: Container, options: { force: boolean; volumes: boolean }): Promise<void> {
    const { record } = container;
    if (container.removing) {
      throw conflict(`removal of container ${record.id} is already in progress`);
    }
    if (container.running && !options.force) {
      const state = record.state.status;
      throw conflict(
        `cannot remove container "/${record.name}": container is ${state}: ${
          state === 'paused' ? 'unpause and ' : ''
        }stop the container before removing or force remove`,
      );
    }
    container.removing = true;
    return container.lock.run(async () => {
      try {
        clearTimeout(container.restartTimer);
        if (container.running) await this.#killNow(container, exitOf(container));
        await this.#removeUnlocked(container, options);
      } catch (err) {
        container.removing = false;
        throw err;
      }
    });
  }

  async #removeUnlocked(container: Container, options: { volumes: boolean }): Promise<void> {
    const { record } = container;
    container.removing = true;
    // The row goes first: what is left without one is swept when a daemon starts.
    this.#containers.delete(container);
    if (container.shim?.state === 'idle') this.#dropShim(container);
    await this.#deps.snapshots.remove(record.id);
    void this.#removeTree(this.paths(record.id).data);
    this.#restartDelays.delete(record.id);
    if (options.volumes) this.#removeVolumes(record);
    this.#deps.onEvent('destroy', record);
    container.removed();
  }

  #removeVolumes(record: ContainerRecord): void {
    for (const mount of record.mounts) {
      if (mount.type !== 'volume' || !mount.anonymous || mount.name === undefined) continue;
      try {
        this.#deps.volumes.remove(mount.name);
      } catch (err) {
        if (!isKind(err, 'Conflict', 'NotFound')) this.#deps.log.warn(messageOf(err));
      }
    }
  }

  // ---- a daemon starts ------------------------------------------------------------------------------

  /** Finds the shim of a container that an earlier daemon started, or learns how it ended. */
  async reconcile(container: Container): Promise<void> {
    const { record } = container;
    const paths = this.paths(record.id);
    const shim = await connectShim(paths.socket).catch((err: unknown) => {
      if (!isKind(err, 'NotFound')) this.#deps.log.warn(`container ${record.id}: ${messageOf(err)}`);
      return undefined;
    });
    if (shim?.state === 'running' || shim?.state === 'exited') {
      if (!container.running) {
        // The daemon died between the start and writing it down.
        Object.assign(record.state, { status: 'running', pid: shim.initPid ?? 0, startedAt: timestamp() });
        this.#containers.save(container);
      }
      record.state.pid = shim.initPid ?? record.state.pid;
      this.#watch(container, shim);
      return;
    }
    shim?.close();
    if (container.running) await this.#endedUnseen(container);
    else this.#sweep(record);
    // Nothing runs from the bundle any more; the daemon may have died while it made or removed it.
    await this.#removeBundle(record.id);
  }

  /** A run that ended while there was no daemon: by its monitor's record, or for reasons unknown. */
  async #endedUnseen(container: Container): Promise<void> {
    const { record } = container;
    const exit = readExit(this.paths(record.id).exit);
    const fresh = exit !== undefined && exit.pid === record.state.pid;
    const runtime = this.#deps.runtimes[record.hostConfig.Runtime ?? this.#deps.defaultRuntime];
    if (!fresh && runtime) {
      // Its monitor was killed: the container itself may still be there, without its streams.
      await deleteRuntimeState({
        id: record.id,
        runtimePath: runtime.path,
        runtimeArgs: runtime.args,
        runtimeRoot: `${this.#deps.execRoot}/runtime`,
      }).catch(() => false);
    }
    this.#exited(
      container,
      fresh
        ? exit
        : {
            id: record.id,
            exitCode: 255,
            oomKilled: false,
            startedAt: record.state.startedAt,
            exitedAt: timestamp(),
            pid: record.state.pid,
          },
    );
  }

  /** Takes down what a run of `record` may have left, whoever made it. */
  #sweep(record: ContainerRecord): void {
    const paths = this.paths(record.id);
    this.#deps.snapshots.unmount(paths.rootfs);
    this.#deps.network.release(record.id);
    for (const mount of record.mounts) {
      if (mount.type === 'volume' && mount.name) this.#deps.volumes.unmount(mount.name, record.id);
    }
  }

  /** Removes the traces of containers that have no record, of a daemon that died while it made or removed them. */
  async removeOrphan(id: string): Promise<void> {
    const paths = this.paths(id);
    const shim = await connectShim(paths.socket).catch(() => undefined);
    if (shim?.state === 'running') {
      const gone = new Promise<void>((resolve) => shim.onGone(resolve));
      await shim.signal(null, 9).catch(() => undefined);
      await within(gone, KILL_PATIENCE);
    }
    shim?.close();
    this.#deps.snapshots.unmount(paths.rootfs);
    this.#deps.network.release(id);
    await rm(paths.bundle, { recursive: true, force: true });
    await rm(paths.data, { recursive: true, force: true });
  }

  /** Lets go of all shims; containers run on. No restart is begun any more. */
  close(): void {
    this.#closed = true;
    for (const container of this.#containers.all()) {
      clearTimeout(container.restartTimer);
      container.shim?.close();
    }
  }

  /** From now on an exit removes and restarts nothing: the daemon is going down and stops its containers. */
  prepareShutdown(): void {
    this.#closed = true;
  }
}

function exitOf(container: Container): Promise<void> {
  if (!container.running) return Promise.resolve();
  return new Promise((resolve) => container.onNextExit(() => resolve()));
}

/** True when `promise` settles within `ms`; undefined waits for ever. */
async function within(promise: Promise<void>, ms: number | undefined): Promise<boolean> {
  if (ms === undefined) return promise.then(() => true);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  try {
    return await Promise.race([promise.then(() => true as const), late]);
  } finally {
    clearTimeout(timer);
  }
}
