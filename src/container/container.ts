import type { ShimHandle, Spec } from '../runtime/index.ts';
import type { HealthState } from './health-state.ts';
import { Lock } from './lock.ts';
import type { ContainerRecord } from './types.ts';

/** An exec: a further process in a running container. Its id outlives its end by some minutes. */
export interface Exec {
  readonly id: string;
  readonly container: Container;
  readonly config: ExecRequest;
  state: 'created' | 'running' | 'exited';
  pid: number;
  exitCode: number | null;
  /** Milliseconds since the epoch. */
  endedAt?: number;
  /** Settles when the exit code is known. */
  readonly exited: Promise<void>;
  readonly settle: () => void;
}

/** What an exec runs, from the API's ExecConfig. */
export interface ExecRequest {
  argv: string[];
  env: string[];
  user: string;
  workingDir: string;
  privileged: boolean;
  tty: boolean;
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  detachKeys?: string;
  consoleSize?: readonly [number, number];
}

type ExitListener = (exitCode: number) => void;

/** A container in memory: its record, the lock that serialises what is done to it, its shim while it has one. */
export class Container {
  readonly record: ContainerRecord;
  readonly lock = new Lock();
  /** The monitor: from the first attach or the start until runtime state and cgroup are gone. */
  shim: ShimHandle | undefined;
  /** Settles when the last run's shim has cleaned up; the next start waits for it. */
  gone: Promise<void> = Promise.resolve();
  /** The OCI config of the run, of which execs are made; read when first needed. Of its annotations only the names are kept. */
  spec: Spec | undefined;
  readonly execs = new Map<string, Exec>();
  /** Since its first start with a health check. */
  health: HealthState | undefined;
  /** Set when removal began; no further operation starts. */
  removing = false;
  /** A restart by policy, from the exit until the new run has begun or failed; stop, kill, start and remove call it off. */
  restartTimer: NodeJS.Timeout | undefined;
  /** When it is due, in milliseconds since the epoch. */
  restartAt = 0;
  /** How many restarts are stopping it now: `--rm` does not mean their exit. */
  keepAtExit = 0;
  readonly #onExit = new Set<ExitListener>();
  readonly #onRemoved = new Set<ExitListener>();

  constructor(record: ContainerRecord) {
    this.record = record;
  }

  get id(): string {
    return this.record.id;
  }

  get running(): boolean {
    return this.record.state.status === 'running' || this.record.state.status === 'paused';
  }

  /** Calls `listener` at the next exit; returns how to take that back. */
  onNextExit(listener: ExitListener): () => void {
    this.#onExit.add(listener);
    return () => this.#onExit.delete(listener);
  }

  /** Resolves at the next exit, at once when nothing runs. */
  nextExit(): Promise<void> {
    if (!this.running) return Promise.resolve();
    return new Promise((resolve) => this.onNextExit(() => resolve()));
  }

  onRemoved(listener: ExitListener): () => void {
    this.#onRemoved.add(listener);
    return () => this.#onRemoved.delete(listener);
  }

  /** Tells those who wait for the exit. */
  exited(): void {
    notify(this.#onExit, this.record.state.exitCode);
  }

  /** Tells those who wait for the removal; an exit will not come any more either. */
  removed(): void {
    notify(this.#onExit, this.record.state.exitCode);
    notify(this.#onRemoved, this.record.state.exitCode);
  }
}

function notify(listeners: Set<ExitListener>, exitCode: number): void {
  const all = [...listeners];
  listeners.clear();
  for (const listener of all) listener(exitCode);
}
