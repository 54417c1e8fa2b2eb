/** Where the mounts of a container's files are, opened for the one who puts them together. */
import fs from 'node:fs';
import type { ViewMount } from '../archive/index.ts';
import { isErrno, O, openAt, RootedDir } from '../linux/index.ts';
import type { VolumeService } from '../volume/index.ts';
import type { MountRecord } from './types.ts';

export class OpenSources {
  readonly #volumes: VolumeService;
  readonly #user: string;
  readonly #fds: number[] = [];
  readonly #mounted: string[] = [];

  readonly #userNamespace: number | undefined;

  /**
   * @param container the id of the container the mounts belong to
   * @param userNamespace by descriptor, when it has one: a plain volume is shown with its ids
   */
  constructor(volumes: VolumeService, container: string, userNamespace?: number) {
    this.#volumes = volumes;
    this.#userNamespace = userNamespace;
    this.#user = `files:${container}:${OpenSources.#next++}`;
  }

  static #next = 0;

  /** The mount namespace of a process; undefined when it has ended. */
  namespace(pid: number): number | undefined {
    return pid > 0 ? this.#open(`/proc/${pid}/ns/mnt`, O.RDONLY) : undefined;
  }

  /**
   * A mount as the view wants it; undefined where its source is not there.
   * @param running the container has it mounted: what it sees is taken, not what is at the source by now
   */
  mount(mount: MountRecord, running: boolean): ViewMount | undefined {
    const source = running ? undefined : this.#source(mount);
    if (!running && source === undefined) return undefined;
    return {
      destination: mount.destination,
      source,
      recursive: !mount.nonRecursive,
      readOnly: mount.readOnly,
      readOnlyTop: mount.readOnlyTop ?? false,
      userNamespace: source !== undefined && this.#isPlain(mount) ? this.#userNamespace : undefined,
    };
  }

  #isPlain({ type, name = '' }: MountRecord): boolean {
    return type === 'volume' && this.#volumes.isPlain(name);
  }

  #source(mount: MountRecord): number | undefined {
    switch (mount.type) {
      case 'tmpfs':
        return undefined; // it is empty until the container runs
      case 'bind':
        return this.#open(mount.source ?? '', O.PATH);
      case 'volume':
        return this.#volume(mount);
    }
  }

  #volume({ name = '', subpath }: MountRecord): number | undefined {
    if (!this.#volumes.exists(name)) return undefined;
    const data = this.#volumes.mount(name, this.#user);
    this.#mounted.push(name);
    if (!subpath) return this.#open(data, O.PATH);
    const root = RootedDir.open(data);
    try {
      return this.#keep(root.open(subpath, O.PATH));
    } catch (err) {
      if (isErrno(err, 'ENOENT', 'ENOTDIR')) return undefined;
      throw err;
    } finally {
      root.close();
    }
  }

  #open(path: string, flags: number): number | undefined {
    try {
      return this.#keep(openAt(-100, path, flags));
    } catch (err) {
      if (isErrno(err, 'ENOENT', 'ENOTDIR')) return undefined;
      throw err;
    }
  }

  #keep(fd: number): number {
    this.#fds.push(fd);
    return fd;
  }

  /** Closes everything; once. */
  close(): void {
    for (const fd of this.#fds.splice(0)) fs.close(fd, () => {});
    for (const name of this.#mounted.splice(0)) this.#volumes.unmount(name, this.#user);
  }
}
