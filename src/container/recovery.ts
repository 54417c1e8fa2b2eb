/** A daemon starts: what an earlier one left is found, and records and kernel are brought together. */
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isKind, messageOf } from '../errdefs/index.ts';
import { bootId } from '../linux/index.ts';
import {
  connectShim,
  deleteRuntimeState,
  type ExitRecord,
  readExit,
  type ShimHandle,
} from '../runtime/index.ts';
import { containerCgroup, driverArguments } from './cgroup.ts';
import type { Container } from './container.ts';
import type { ContainerStore } from './container-store.ts';
import type { ContainerDeps, RuntimeConfig } from './deps.ts';
import { freeze } from './pause.ts';
import type { Remains } from './remains.ts';
import { unfinishedVolumes, unmountBelow } from './sweep.ts';
import { timestamp } from './time.ts';
import type { ContainerRecord, Ending } from './types.ts';
import { within } from './within.ts';

/** Milliseconds that the end of a killed container may take. */
const KILL_PATIENCE = 10_000;

/** What the life cycle does with what is found. */
export interface FoundRun {
  /** It runs: follow its monitor. */
  watch(container: Container, shim: ShimHandle): void;
  /** It has ended. */
  exited(container: Container, exit: ExitRecord): void;
}

/** Why nobody saw the end of a run. */
const unseenEnding = ({ state }: ContainerRecord): Ending => ({
  by: state.bootId !== undefined && state.bootId !== bootId() ? 'reboot' : 'lost',
  at: timestamp(),
});

export class Recovery {
  readonly #deps: ContainerDeps;
  readonly #containers: ContainerStore<Container>;
  readonly #remains: Remains;
  readonly #run: FoundRun;

  constructor(deps: ContainerDeps, containers: ContainerStore<Container>, remains: Remains, run: FoundRun) {
    this.#deps = deps;
    this.#containers = containers;
    this.#remains = remains;
    this.#run = run;
  }

  /** Finds the shim of a container that an earlier daemon started, or learns how it ended. */
  async reconcile(container: Container): Promise<void> {
    const { record } = container;
    const paths = this.#remains.paths(record.id);
    rmSync(paths.unfinished, { force: true }); // it is in the database, and so complete
    const shim = await connectShim(paths.socket).catch((err: unknown) => {
      if (!isKind(err, 'NotFound')) this.#deps.log.warn(`container ${record.id}: ${messageOf(err)}`);
      return undefined;
    });
    if (shim?.state === 'running' || shim?.state === 'exited') {
      if (!container.running) {
        if (shim.state === 'exited' && !this.#missedRun(record)) {
          this.#cleanedUp(container, shim);
          return;
        }
        // The daemon died between the start and writing it down.
        Object.assign(record.state, { status: 'running', pid: shim.initPid ?? 0, startedAt: timestamp() });
        this.#containers.save(container);
      }
      record.state.pid = shim.initPid ?? record.state.pid;
      this.#thaw(container);
      this.#run.watch(container, shim);
      return;
    }
    shim?.close();
    const missed = container.running ? undefined : this.#missedRun(record);
    if (missed) {
      // The daemon died between the start and writing it down, and the container ended meanwhile.
      record.state.startedAt = missed.startedAt;
      this.#run.exited(container, missed);
    } else if (container.running) await this.#endedUnseen(container);
    else this.#remains.sweep(record);
    // Nothing runs from the bundle any more; the daemon may have died while it made or removed it.
    await this.#remains.removeBundle(record.id);
  }

  /** The daemon died while it held a container still, for a commit. */
  #thaw({ record }: Container): void {
    if (record.state.status !== 'running' || !containerCgroup(this.#deps, record).frozen()) return;
    freeze(this.#deps, record, false);
  }

  /** The exit is known; its monitor has still to clean up. */
  #cleanedUp(container: Container, shim: ShimHandle): void {
    container.gone = new Promise((resolve) => {
      shim.onGone(() => {
        shim.close();
        this.#remains.sweep(container.record);
        void this.#remains.removeBundle(container.id).then(resolve);
      });
    });
  }

  /** The monitor's account of a run that no record knows of: it takes away that of the run before when it starts one. */
  #missedRun(record: ContainerRecord): ExitRecord | undefined {
    try {
      const exit = readExit(this.#remains.paths(record.id).exit);
      return exit?.exitedAt === record.state.finishedAt ? undefined : exit;
    } catch (err) {
      this.#deps.log.warn(`container ${record.id}: ${messageOf(err)}`);
      return undefined;
    }
  }

  /** A run that ended while there was no daemon: by its monitor's record, or for reasons unknown. */
  async #endedUnseen(container: Container): Promise<void> {
    const { record } = container;
    const exit = this.#missedRun(record);
    const fresh = exit !== undefined && exit.pid === record.state.pid;
    const runtime = this.#deps.runtimes[record.hostConfig.Runtime ?? this.#deps.defaultRuntime];
    if (!fresh && runtime) {
      // Its monitor was killed: the container itself may still be there, without its streams.
      await this.#deleteRuntimeState(record.id, runtime);
    }
    if (!fresh) record.state.ending = unseenEnding(record);
    this.#run.exited(
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

  async #deleteRuntimeState(id: string, { path, args }: RuntimeConfig): Promise<void> {
    await deleteRuntimeState({
      id,
      runtimePath: path,
      runtimeArgs: [...args, ...driverArguments(this.#deps.cgroupDriver)],
      runtimeRoot: this.#remains.runtimeRoot,
    }).catch((err: unknown) => this.#deps.log.warn(`container ${id}: ${messageOf(err)}`));
  }

  /** Removes the traces of containers that have no record, of a daemon that died while it made or removed them. */
  async removeOrphan(id: string): Promise<void> {
    const paths = this.#remains.paths(id);
    const shim = await connectShim(paths.socket).catch(() => undefined);
    if (shim?.state === 'running' || shim?.state === 'exited') {
      const gone = new Promise<void>((resolve) => shim.onGone(resolve));
      await shim.signal(null, 9).catch(() => undefined);
      await within(gone, KILL_PATIENCE);
    }
    shim?.close();
    const runtime = this.#deps.runtimes[this.#deps.defaultRuntime];
    if (runtime && existsSync(join(this.#remains.runtimeRoot, id)))
      await this.#deleteRuntimeState(id, runtime);
    unmountBelow(paths.bundle);
    this.#deps.network.release(id);
    await this.#remains.removeBundle(id);
    for (const name of unfinishedVolumes(paths)) this.#deps.volumes.remove(name, true);
    await this.#remains.removeTree(paths.data);
  }
}
