/** The logs of containers: where each is, who may read it, its delivery to a server, its compression. */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Readable } from 'node:stream';
import { messageOf, notImplemented, system } from '../errdefs/index.ts';
import {
  checkLogInfo,
  createSender,
  LogForwarder,
  type LogInfo,
  type LogPlan,
  planLog,
  type ReadLogsOptions,
  readLogs,
} from '../logging/index.ts';
import type { ShimHandle, ShimOptions } from '../runtime/index.ts';
import type { Container } from './container.ts';
import type { ContainerDeps } from './deps.ts';
import { LogCompression } from './log-compression.ts';
import { containerPaths } from './paths.ts';
import { type ContainerRecord, NEVER } from './types.ts';

/** How long a removal waits for a log server to take what is left. */
const REMOVAL_PATIENCE = 5000;

export class ContainerLogs {
  readonly #deps: ContainerDeps;
  /** Of the containers whose log is not delivered completely. */
  readonly #forwarders = new Map<string, LogForwarder>();
  readonly #compression: LogCompression;

  constructor(deps: ContainerDeps) {
    this.#deps = deps;
    this.#compression = new LogCompression(deps.log);
  }

  /** @throws InvalidParameter for options that cannot be met */
  plan(record: ContainerRecord): LogPlan {
    return planLog(driverOf(record), logInfo(record), this.#paths(record.id).logs);
  }

  /** What of its log driver can only be checked against the container. @throws InvalidParameter */
  check(record: ContainerRecord): void {
    this.plan(record);
    checkLogInfo(logInfo(record));
  }

  #paths(id: string): ReturnType<typeof containerPaths> {
    return containerPaths(this.#deps.dataRoot, this.#deps.execRoot, id);
  }

  /** What the shim has to know. Makes the directory of the log. */
  shimOptions(
    record: ContainerRecord,
  ): Pick<ShimOptions, 'logPath' | 'logMaxSize' | 'logMaxFiles' | 'logAttrs' | 'logExact' | 'logHold'> {
    const { path, maxSize, maxFiles, attributes, exact, delivery } = this.plan(record);
    if (path !== null) mkdirSync(dirname(path), { recursive: true, mode: 0o710 });
    return {
      logPath: path,
      logMaxSize: maxSize,
      logMaxFiles: maxFiles,
      ...(Object.keys(attributes).length > 0 ? { logAttrs: attributes } : {}),
      ...(exact ? { logExact: true } : {}),
      ...(delivery ? { logHold: delivery === 'blocking' ? ('block' as const) : ('drop' as const) } : {}),
    };
  }

  /** @throws NotImplemented when there is nothing to read, in Docker's words */
  read(
    record: ContainerRecord,
    options: Omit<ReadLogsOptions, 'path' | 'maxFiles' | 'tty'>,
  ): { stream: Readable; tty: boolean } {
    const tty = record.config.Tty ?? false;
    const { path, maxFiles } = this.readable(record);
    return { stream: readLogs({ ...options, path, maxFiles, tty }), tty };
  }

  /** @throws NotImplemented, in Docker's words */
  readable(record: ContainerRecord): { path: string; maxFiles: number } {
    const { path, maxFiles, readable } = this.plan(record);
    if (path === null || !readable)
      throw notImplemented('configured logging driver does not support reading');
    return { path, maxFiles };
  }

  /** A container is to start: connects to its log server. @throws System, as Docker says it */
  async prepare(record: ContainerRecord): Promise<void> {
    if (this.plan(record).delivery === undefined) return;
    try {
      await this.#forwarder(record).check();
    } catch (err) {
      this.#forget(record.id);
      throw system(`failed to initialize logging driver: ${messageOf(err)}`, {
        cause: err,
        hint: 'Is the log server running, and its address right?',
      });
    }
  }

  #forwarder(record: ContainerRecord): LogForwarder {
    const known = this.#forwarders.get(record.id);
    if (known) return known;
    const { path, maxFiles, delivery } = this.plan(record);
    const forwarder = new LogForwarder({
      path: path ?? '',
      maxFiles,
      positionPath: this.#paths(record.id).logPosition,
      mayDrop: delivery === 'non-blocking',
      sender: createSender(driverOf(record), logInfo(record)),
      warn: (message) => this.#warn(record.id, message),
    });
    this.#forwarders.set(record.id, forwarder);
    return forwarder;
  }

  #warn(id: string, message: string): void {
    this.#deps.log.warn(`container ${id}: ${message}`);
  }

  #forget(id: string): void {
    const forwarder = this.#forwarders.get(id);
    this.#forwarders.delete(id);
    void forwarder?.close();
  }

  /** A container runs, its log is written by `shim`: from now on, or since before this daemon. */
  follow(container: Container, shim: ShimHandle): void {
    const { record } = container;
    shim.onWarning((message) => this.#warn(record.id, message));
    this.#guarded(record.id, () => {
      const plan = this.plan(record);
      if (plan.delivery) this.#forwarder(record).follow(shim);
      if (!plan.compress) return;
      const compress = (): void => this.#compress(container, plan);
      shim.onLogRotated(compress);
      compress();
    });
  }

  /** The options were valid once; meanwhile a socket or a certificate may have gone. That stops no container. */
  #guarded(id: string, work: () => void): void {
    try {
      work();
    } catch (err) {
      this.#warn(id, `log not delivered: ${messageOf(err)}`);
    }
  }

  /** A container does not run: what of its log is undelivered is delivered. */
  ended(container: Container): void {
    this.#guarded(container.id, () => {
      const plan = this.plan(container.record);
      if (plan.delivery) this.#deliverRest(container);
      if (plan.compress) this.#compress(container, plan);
    });
  }

  #deliverRest(container: Container): void {
    const { record } = container;
    // Never started: nothing to deliver.
    if (record.state.startedAt === NEVER) return;
    const forwarder = this.#forwarder(record);
    forwarder.end();
    forwarder.onceDrained(() => {
      if (this.#forwarders.get(record.id) === forwarder && !container.running) this.#forget(record.id);
    });
  }

  #compress(container: Container, { path, maxFiles, delivery }: LogPlan): void {
    if (path === null) return;
    this.#compression.compress({
      path,
      maxFiles,
      name: `container ${container.id}`,
      // What is not delivered is read as it is.
      before: () => (delivery === undefined ? undefined : this.#forwarders.get(container.id)?.inode),
      isGone: () => container.removing,
      owner: () => (container.shim?.state === 'running' ? container.shim : undefined),
    });
  }

  /** A container is being removed: its server gets some seconds for what is left. */
  async finish(container: Container): Promise<void> {
    const forwarder = this.#forwarders.get(container.id);
    if (forwarder === undefined) return;
    forwarder.end();
    if (!(await forwarder.finish(REMOVAL_PATIENCE)))
      this.#warn(container.id, 'removed before its log server had taken the whole log');
    this.#forget(container.id);
  }

  /** Stops all deliveries where they are; the next daemon goes on. */
  close(): void {
    this.#compression.close();
    for (const id of [...this.#forwarders.keys()]) this.#forget(id);
  }
}

const driverOf = (record: ContainerRecord): string => record.hostConfig.LogConfig?.Type || 'json-file';

/** A container as log drivers see it. */
function logInfo(record: ContainerRecord): LogInfo {
  const { config } = record;
  return {
    config: record.hostConfig.LogConfig?.Config ?? {},
    containerId: record.id,
    containerName: record.name,
    path: record.path,
    args: record.args,
    imageId: record.imageId,
    imageName: config.Image ?? '',
    created: record.created,
    env: config.Env ?? [],
    labels: config.Labels ?? {},
  };
}
