import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import type { ContainerCreateRequest, ContainerCreateResponse } from '@docker/node-sdk';
import { invalidParameter } from '../errdefs/index.ts';
import { cgroupMode } from '../linux/index.ts';
import { MASKED_PATHS, READONLY_PATHS } from '../runtime/index.ts';
import { Container } from './container.ts';
import type { ContainerStore } from './container-store.ts';
import { makeVolumes } from './copy-up.ts';
import { checkJoins, joinById, makeRecord } from './create.ts';
import type { ContainerDeps } from './deps.ts';
import { healthWarnings } from './health.ts';
import type { Lifecycle } from './lifecycle.ts';
import { resolveLinks } from './links.ts';
import { generateName } from './names.ts';
import { containerPaths } from './paths.ts';
import { checkResources } from './resource-checks.ts';
import { createWarnings } from './spec-input.ts';
import { checkUserNamespace } from './user-namespace.ts';

/** Makes containers: a record from the request and the image, then directory, layer and volumes, then the row. */
export class Creation {
  readonly #deps: ContainerDeps;
  readonly #containers: ContainerStore<Container>;
  readonly #lifecycle: Lifecycle;

  constructor(deps: ContainerDeps, containers: ContainerStore<Container>, lifecycle: Lifecycle) {
    this.#deps = deps;
    this.#containers = containers;
    this.#lifecycle = lifecycle;
  }

  /** @throws InvalidParameter and Conflict in Docker's words, NotFound for an unknown image */
  async create(request: { name?: string; config: ContainerCreateRequest }): Promise<ContainerCreateResponse> {
    const { config } = request;
    if (!config.Image && Object.keys(config).length === 0) {
      throw invalidParameter('Config cannot be empty in order to create a container');
    }
    const deps = this.#deps;
    const name = request.name?.replace(/^\//, '') || generateName((taken) => this.#containers.hasName(taken));
    this.#containers.checkName(name);
    const limits = checkResources(config.HostConfig ?? {}, { update: false });
    const image = deps.resolveImage(config.Image ?? '');
    const record = makeRecord(
      { ...config, HostConfig: limits.config },
      image,
      name,
      {
        runtime: deps.defaultRuntime,
        runtimes: Object.keys(deps.runtimes),
        cgroupns: cgroupMode() === 'v2' ? 'private' : 'host',
        maskedPaths: MASKED_PATHS,
        readonlyPaths: READONLY_PATHS,
        log: deps.logDefaults,
      },
      (from) => this.#containers.get(from).record.mounts,
    );
    joinById(record.hostConfig, (joined) => this.#containers.find(joined)?.id);
    const links = resolveLinks(record.hostConfig, (linked) => this.#containers.find(linked));
    if (links.length > 0) record.links = links;
    checkJoins(record.hostConfig, (joined) => this.#containers.find(joined) !== undefined);
    checkUserNamespace(deps, record.hostConfig);
    this.#lifecycle.logs.check(record);
    if ((record.hostConfig.StorageOpt && Object.keys(record.hostConfig.StorageOpt).length) || 0) {
      throw invalidParameter(
        "--storage-opt is supported only for overlay over xfs with 'pquota' mount option",
      );
    }
    const warnings = [...limits.warnings, ...createWarnings(deps, record), ...healthWarnings(record)];
    const container = new Container(record);
    this.#containers.claim(container);
    // Who finds it by its name meanwhile waits until it is complete.
    await container.lock.run(() => this.#make(container));
    deps.onEvent('create', record);
    return { Id: record.id, Warnings: warnings };
  }

  /** The row is written last: what a daemon that dies before it leaves has none, and is swept by the next one. */
  async #make(container: Container): Promise<void> {
    const { record } = container;
    const paths = containerPaths(this.#deps.dataRoot, this.#deps.execRoot, record.id);
    const made: string[] = [];
    try {
      mkdirSync(paths.data, { mode: 0o710 });
      this.#deps.snapshots.prepare(record.id, record.diffIds);
      const anonymous = record.mounts.flatMap((mount) => (mount.anonymous ? [mount.name] : []));
      if (anonymous.length > 0) writeFileSync(paths.unfinished, JSON.stringify(anonymous));
      await makeVolumes(this.#deps, record, paths, made);
      this.#containers.insert(container);
      if (anonymous.length > 0) rmSync(paths.unfinished);
    } catch (err) {
      container.removing = true;
      this.#containers.delete(container);
      await this.#lifecycle.discard(container);
      for (const name of made) this.#deps.volumes.remove(name, true);
      container.removed();
      throw err;
    }
  }
}
