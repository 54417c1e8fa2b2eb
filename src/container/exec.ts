import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import type { ExecConfig, ExecInspectResponse } from '@docker/node-sdk';
import { conflict, invalidParameter, notFound } from '../errdefs/index.ts';
import { execPlan } from '../runtime/index.ts';
import type { Container, Exec } from './container.ts';
import type { ContainerStore } from './container-store.ts';
import type { ContainerDeps } from './deps.ts';
import { DetachableStream, parseDetachKeys } from './detach-keys.ts';
import { containerPaths } from './paths.ts';
import { execSpec, runSpec } from './spec-input.ts';
import { explainExecFailure } from './start-failure.ts';

/** Milliseconds that a client has to ask for the exit code; Docker takes 5 to 10 minutes. */
const REMEMBERED = 5 * 60_000;
const SWEEP_INTERVAL = 60_000;

export interface ExecStartRequest {
  detach: boolean;
  tty: boolean;
  consoleSize?: readonly [number, number];
  signal: AbortSignal;
}

/** Execs: further processes in running containers. */
export class ExecService {
  readonly #deps: ContainerDeps;
  readonly #containers: ContainerStore<Container>;
  readonly #byId = new Map<string, Exec>();
  readonly #sweeper = setInterval(() => this.forgetEnded(), SWEEP_INTERVAL).unref();

  constructor(deps: ContainerDeps, containers: ContainerStore<Container>) {
    this.#deps = deps;
    this.#containers = containers;
  }

  /** Registers an exec; nothing runs yet. @throws NotFound, Conflict when the container does not run */
  create(containerId: string, config: ExecConfig): string {
    const container = this.#containers.get(containerId);
    requireRunning(container);
    const argv = config.Cmd ?? [];
    if (argv.length === 0) throw invalidParameter('No exec command specified');
    if (config.WorkingDir && !config.WorkingDir.startsWith('/')) {
      throw invalidParameter(
        `the working directory '${config.WorkingDir}' is invalid, it needs to be an absolute path`,
      );
    }
    if (config.DetachKeys) parseDetachKeys(config.DetachKeys);
    const { promise, resolve } = Promise.withResolvers<void>();
    const exec: Exec = {
      id: randomBytes(32).toString('hex'),
      container,
      config: {
        argv,
        env: config.Env ?? [],
        user: config.User ?? '',
        workingDir: config.WorkingDir ?? '',
        privileged: config.Privileged ?? false,
        tty: config.Tty ?? false,
        stdin: config.AttachStdin ?? false,
        stdout: config.AttachStdout ?? false,
        stderr: config.AttachStderr ?? false,
        ...(config.DetachKeys ? { detachKeys: config.DetachKeys } : {}),
        ...(config.ConsoleSize?.length === 2
          ? { consoleSize: [config.ConsoleSize[0]!, config.ConsoleSize[1]!] as const }
          : {}),
      },
      state: 'created',
      pid: 0,
      exitCode: null,
      exited: promise,
      settle: resolve,
    };
    container.execs.set(exec.id, exec);
    this.#byId.set(exec.id, exec);
    this.#deps.onEvent(`exec_create: ${commandText(argv)}`, container.record, { execID: exec.id });
    return exec.id;
  }

  /**
   * Runs an exec. Detached: null once it runs; else its session.
   * @throws NotFound; Conflict when it ran already or the container does not run; what the runtime refuses
   */
  async start(id: string, request: ExecStartRequest): Promise<{ stream: Duplex; tty: boolean } | null> {
    const exec = this.#get(id);
    const { container, config } = exec;
    if (exec.state !== 'created') throw conflict(`Error: Exec command ${id} has already run`);
    requireRunning(container);
    const shim = container.shim;
    if (!shim) throw conflict(`container ${container.id} is not running`);
    exec.state = 'running';
    const consoleSize = request.consoleSize ?? config.consoleSize;
    this.#deps.onEvent(`exec_start: ${commandText(config.argv)}`, container.record, { execID: id });
    try {
      const { config: configPath } = containerPaths(this.#deps.dataRoot, this.#deps.execRoot, container.id);
      const process = execSpec(container, configPath, config);
      const { pid, stream } = await shim.exec({
        execId: id,
        process,
        plan: config.tty ? undefined : execPlan(runSpec(container, configPath), process, shim.runtime),
        tty: config.tty,
        stdin: config.stdin,
        stdout: config.stdout,
        stderr: config.stderr,
        detach: request.detach,
        ...(consoleSize ? { consoleSize } : {}),
      });
      exec.pid = pid;
      if (!stream) return null;
      if (!config.tty || !config.stdin) return { stream, tty: config.tty };
      const keys = parseDetachKeys(config.detachKeys);
      const detached = (): void => this.#deps.onEvent('exec_detach', container.record, { execID: id });
      return { stream: new DetachableStream({ sources: [stream], sink: stream }, keys, detached), tty: true };
    } catch (err) {
      const failure = explainExecFailure(err, container, config);
      exec.state = 'exited';
      exec.exitCode = failure.exitCode;
      exec.endedAt = Date.now();
      exec.settle();
      throw failure.error;
    }
  }

  inspect(id: string): ExecInspectResponse {
    const { container, config, state, exitCode, pid } = this.#get(id);
    const response = {
      ID: id,
      Running: state === 'running',
      // Null until it ended, as clients that poll expect.
      ExitCode: exitCode as number | undefined,
      ProcessConfig: {
        tty: config.tty,
        entrypoint: config.argv[0]!,
        arguments: config.argv.slice(1),
        privileged: config.privileged,
        ...(config.user ? { user: config.user } : {}),
      },
      OpenStdin: config.stdin,
      OpenStderr: config.stderr,
      OpenStdout: config.stdout,
      CanRemove: false,
      ContainerID: container.id,
      // Go's JSON for bytes.
      DetachKeys: config.detachKeys ? parseDetachKeys(config.detachKeys).toString('base64') : '',
      Pid: pid,
    };
    return response;
  }

  async resize(id: string, size: { height: number; width: number }): Promise<void> {
    const exec = this.#get(id);
    if (exec.state !== 'running' || !exec.container.shim) {
      throw conflict(`exec ${id} is not running`);
    }
    await exec.container.shim.resize(id, size.height, size.width);
  }

  #get(id: string): Exec {
    const exec = this.#byId.get(id);
    if (!exec) throw notFound(`No such exec instance: ${id}`);
    return exec;
  }

  /**
   * Forgets the execs that ended more than {@link REMEMBERED} before `now` (ms), those of removed containers, and those
   * that never ran in a container that has stopped.
   */
  forgetEnded(now = Date.now()): void {
    for (const [id, exec] of this.#byId) {
      const { container, state, endedAt } = exec;
      const useless = state === 'created' && !container.running;
      if (
        useless ||
        !this.#containers.has(container) ||
        (endedAt !== undefined && now - endedAt > REMEMBERED)
      ) {
        this.#byId.delete(id);
        container.execs.delete(id);
      }
    }
  }

  close(): void {
    clearInterval(this.#sweeper);
  }
}

/** The command as events tell it: Docker has a space behind the program, whether arguments follow or not. */
export const commandText = ([program, ...args]: readonly string[]): string => `${program} ${args.join(' ')}`;

function requireRunning(container: Container): void {
  const { id, state } = container.record;
  if (state.status === 'paused')
    throw conflict(`Container ${id} is paused, unpause the container before exec`);
  if (container.restartTimer !== undefined) {
    throw conflict(`Container ${id} is restarting, wait until the container is running`);
  }
  if (!container.running) throw conflict(`container ${id} is not running`);
}
