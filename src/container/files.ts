/** Files in and out of containers: `docker cp` and `docker export`. */
import type { Readable } from 'node:stream';
import { ArchiveWorkers, type PathStat, type ViewPlan } from '../archive/index.ts';
import { conflict, isKind, messageOf, notFound, system } from '../errdefs/index.ts';
import { isErrno, RootedDir } from '../linux/index.ts';
import { resolveUser } from '../runtime/index.ts';
import type { LentMount } from '../snapshot/index.ts';
import type { Container } from './container.ts';
import type { ContainerStore } from './container-store.ts';
import type { ContainerDeps } from './deps.ts';
import { type ContainerPaths, containerPaths } from './paths.ts';
import type { ContainerRecord, MountRecord } from './types.ts';
import { viewUserNamespace } from './user-namespace.ts';
import { OpenSources } from './view-sources.ts';

export interface PutRequest {
  allowOverwriteDirWithFile: boolean;
  copyUidGid: boolean;
  signal: AbortSignal;
}

/**
 * Reads and writes the files of containers, running or not, as the container sees them: its root file system and the
 * mounts its user asked for. Which files those are is the kernel's to resolve, in `archive/`.
 */
export class FileService {
  readonly #deps: ContainerDeps;
  readonly #containers: ContainerStore<Container>;
  readonly #workers = new ArchiveWorkers();

  constructor(deps: ContainerDeps, containers: ContainerStore<Container>) {
    this.#deps = deps;
    this.#containers = containers;
  }

  /** `HEAD /containers/{id}/archive`. @throws NotFound in Docker's words */
  async stat(id: string, path: Buffer): Promise<PathStat> {
    const container = this.#containers.get(id);
    using view = this.#view(container, true);
    try {
      return await this.#workers.stat(view.plan, path);
    } catch (err) {
      throw inDockersWords(err, path, id);
    }
  }

  /** `GET /containers/{id}/archive`. */
  async get(
    id: string,
    path: Buffer,
    { signal }: { signal: AbortSignal },
  ): Promise<{ stat: PathStat; stream: Readable }> {
    const container = this.#containers.get(id);
    const view = this.#view(container, true);
    try {
      const { head, stream } = await this.#workers.get(view.plan, path, signal);
      stream.once('close', () => view[Symbol.dispose]());
      this.#deps.onEvent('archive-path', container.record);
      return { stat: head, stream };
    } catch (err) {
      view[Symbol.dispose]();
      throw inDockersWords(err, path, id);
    }
  }

  /** `PUT /containers/{id}/archive`: resolves when everything is extracted. */
  async put(id: string, path: Buffer, input: Readable, request: PutRequest): Promise<void> {
    const container = this.#containers.get(id);
    using view = this.#view(container, true);
    try {
      await this.#workers.put(view.plan, path, input, {
        noOverwriteDirNonDir: !request.allowOverwriteDirWithFile,
        owner: request.copyUidGid ? ownerFor(container, view.plan.root) : undefined,
        signal: request.signal,
      });
    } catch (err) {
      throw inDockersWords(err, path, id);
    }
    this.#deps.onEvent('extract-to-dir', container.record);
  }

  /** `GET /containers/{id}/export`: the root file system, without what is mounted in it. */
  async export(id: string, { signal }: { signal: AbortSignal }): Promise<Readable> {
    const container = this.#containers.get(id);
    const view = this.#view(container, false);
    try {
      const { stream } = await this.#workers.export(view.plan, signal);
      stream.once('close', () => view[Symbol.dispose]());
      this.#deps.onEvent('export', container.record);
      return stream;
    } catch (err) {
      view[Symbol.dispose]();
      throw err;
    }
  }

  /** Ends what is under way. */
  close(): Promise<void> {
    return this.#workers.close();
  }

  /** What a worker needs to see the container's files; held until it is disposed of. */
  #view(container: Container, withMounts: boolean): Disposable & { plan: ViewPlan } {
    const { record } = container;
    if (container.removing) throw conflict(`container ${record.id} is marked for removal and cannot be used`);
    const paths = containerPaths(this.#deps.dataRoot, this.#deps.execRoot, record.id);
    const userns = viewUserNamespace(this.#deps, record);
    const sources = new OpenSources(this.#deps.volumes, record.id, userns?.owner.userNamespace);
    let lent: LentMount | undefined;
    const dispose = (): void => {
      sources.close();
      lent?.release();
      userns?.close();
    };
    try {
      const at = container.running ? paths.rootfs : undefined;
      lent = this.#deps.snapshots.lend(record.id, at, userns?.owner);
      const namespace = withMounts && container.running ? sources.namespace(record.state.pid) : undefined;
      const asked = withMounts ? [...record.mounts, ...engineFiles(record, paths)] : [];
      const mounts = asked
        .map((mount) => sources.mount(mount, namespace !== undefined))
        .filter((mount) => mount !== undefined)
        .sort((a, b) => depth(a.destination) - depth(b.destination));
      const plan: ViewPlan = {
        root: lent.fd,
        readOnlyRoot: record.hostConfig.ReadonlyRootfs ?? false,
        mounts,
        namespace,
        scratch: this.#deps.execRoot,
        ids: userns?.map,
      };
      return { plan, [Symbol.dispose]: dispose };
    } catch (err) {
      dispose();
      throw err;
    }
  }
}

/** The files that the engine mounts into each container, where the user has not mounted something else. */
function engineFiles(record: ContainerRecord, paths: ContainerPaths): MountRecord[] {
  const files: [destination: string, source: string][] = [
    ['/etc/resolv.conf', paths.resolvConf],
    ['/etc/hostname', paths.hostname],
    ['/etc/hosts', paths.hosts],
  ];
  return files
    .filter(([destination]) => record.mounts.every((mount) => mount.destination !== destination))
    .map(([destination, source]) => ({
      type: 'bind',
      source,
      destination,
      readOnly: record.hostConfig.ReadonlyRootfs ?? false,
      mode: '',
    }));
}

const depth = (path: string): number => path.split('/').length;

/** With `copyUIDGID` files belong to the user the container runs as, as in Docker: `-a` of the command line. */
function ownerFor({ record }: Container, root: number): { uid: number; gid: number } | undefined {
  const user = record.config.User;
  if (!user) return undefined;
  const { uid, gid } = resolveUser(RootedDir.fromFd(root), user);
  return { uid, gid };
}

/** Paths that lead nowhere are told with the container's name; other errors of the kernel's are 500, as in Docker. */
function inDockersWords(err: unknown, path: Buffer, id: string): unknown {
  if (isErrno(err, 'ENOENT')) {
    return notFound(`Could not find the file ${path} in container ${id}`, { cause: err });
  }
  if (isKind(err, 'InvalidParameter', 'Cancelled', 'NotImplemented')) return err;
  return system(messageOf(err), { cause: err });
}
