/** Puts a container's root file system and its mounts together, where nobody else sees it. */
import fs from 'node:fs';
import {
  attachMount,
  cloneMount,
  closeFd,
  type IdMap,
  idmapMount,
  inMountNamespace,
  inPrivateMountNamespace,
  isErrno,
  isKernelFilesystem,
  O,
  openAt,
  openInRoot,
  RootedDir,
  setMountReadOnly,
  toOutside,
  withFsIds,
} from '../linux/index.ts';

/** A mount the user asked for. */
export interface ViewMount {
  /** Absolute, in the container. */
  destination: string;
  /** What to show there: an `O_PATH` descriptor in the host's namespace; undefined: what the container has there. */
  source: number | undefined;
  /** With the mounts below the source. */
  recursive: boolean;
  readOnly: boolean;
  /** Read-only is the mount itself only, not what is mounted below it. */
  readOnlyTop: boolean;
  /** Show `source` with the ids of this user namespace, by descriptor. */
  userNamespace?: number | undefined;
}

/** What a view is made of. The descriptors stay the caller's. */
export interface ViewPlan {
  /** A detached clone of the root file system's mount, which is used up. */
  root: number;
  readOnlyRoot: boolean;
  /** In the order of their depth. */
  mounts: readonly ViewMount[];
  /** The mount namespace of the container while it runs. */
  namespace: number | undefined;
  /** A directory of the host's that exists; nothing is seen or left there. */
  scratch: string;
  /** The ids of the container's user namespace: archives have those inside, the view has those outside. */
  ids?: IdMap | undefined;
}

/** Runs `fn` with the view's root, which is gone afterwards. */
export async function withView<T>(plan: ViewPlan, fn: (root: RootedDir) => Promise<T> | T): Promise<T> {
  const make = (): number => (plan.mounts.length === 0 ? cloneless(plan) : assemble(plan));
  const root = RootedDir.fromFd(asContainersRoot(plan.ids, make));
  try {
    return await fn(root);
  } finally {
    root.close();
  }
}

/**
 * Runs the synchronous `fn` with this thread making files as the container's root: what the machine's root makes would
 * have no owner in an idmapped mount (EOVERFLOW). Only that long: while one copy waits, this thread goes on with another.
 */
export function asContainersRoot<T>(ids: IdMap | undefined, fn: () => T): T {
  if (ids === undefined) return fn();
  return withFsIds(toOutside(ids.uids, 0) ?? 0, toOutside(ids.gids, 0) ?? 0, fn);
}

/** The root file system alone: its own clone will do. */
function cloneless(plan: ViewPlan): number {
  if (plan.readOnlyRoot) setMountReadOnly(plan.root, false);
  return openAt(plan.root, '.', O.PATH | O.DIRECTORY);
}

function assemble(plan: ViewPlan): number {
  const clones = sources(plan);
  try {
    return inPrivateMountNamespace(() => {
      attachMount(plan.root, plan.scratch);
      const root = RootedDir.fromFd(openAt(plan.root, '.', O.PATH | O.DIRECTORY));
      try {
        plan.mounts.forEach((mount, i) => {
          const clone = clones[i];
          if (clone !== undefined) attach(root, mount, clone);
        });
        if (plan.readOnlyRoot) setMountReadOnly(plan.root, false);
        return cloneMount(root.fd, true);
      } finally {
        root.close();
      }
    });
  } finally {
    for (const clone of clones) if (clone !== undefined) closeFd(clone);
  }
}

function attach(root: RootedDir, mount: ViewMount, clone: number): void {
  const isDirectory = fs.fstatSync(clone).isDirectory();
  if (mount.readOnly) setMountReadOnly(clone, mount.recursive && !mount.readOnlyTop);
  let target: number;
  try {
    makeMountPoint(root, mount.destination, isDirectory);
    target = root.open(mount.destination, O.PATH);
  } catch (err) {
    // The container has put something there by now on which nothing can be mounted: its files can be had all the same.
    if (isErrno(err, 'ENOENT', 'ENOTDIR', 'ELOOP', 'EISDIR', 'ENXIO')) return;
    throw err;
  }
  if (fs.fstatSync(target).isDirectory() !== isDirectory) {
    closeFd(target);
    return;
  }
  try {
    attachMount(clone, target);
  } finally {
    closeFd(target);
  }
}

/** As for a start of the container: what is missing is made. */
function makeMountPoint(root: RootedDir, destination: string, isDirectory: boolean): void {
  if (root.exists(destination)) return;
  if (isDirectory) {
    root.mkdirAll(destination);
    return;
  }
  root.mkdirAll(destination.slice(0, destination.lastIndexOf('/')) || '/');
  closeFd(root.open(destination, O.WRONLY | O.CREAT | O.NOCTTY, 0o755));
}

/** Detached clones of what is to be mounted; undefined where there is nothing (any more). */
function sources(plan: ViewPlan): (number | undefined)[] {
  const clones: (number | undefined)[] = plan.mounts.map(() => undefined);
  try {
    plan.mounts.forEach((mount, i) => {
      if (mount.source === undefined) return;
      const { userNamespace } = mount;
      const clone = cloneMount(mount.source, mount.recursive && userNamespace === undefined);
      clones[i] = clone;
      if (userNamespace !== undefined) idmapMount(clone, userNamespace);
    });
    const { namespace } = plan;
    if (namespace !== undefined && plan.mounts.some((mount) => mount.source === undefined)) {
      const device = fs.fstatSync(plan.root).dev;
      inMountNamespace(namespace, () => fromContainer(plan.mounts, device, clones));
    }
    return clones;
  } catch (err) {
    for (const clone of clones) if (clone !== undefined) closeFd(clone);
    throw err;
  }
}

/** Called in the container's namespace, whose root must be the root file system we know: process ids are used again. */
function fromContainer(mounts: readonly ViewMount[], device: number, clones: (number | undefined)[]): void {
  const root = openAt(-100, '/', O.PATH | O.DIRECTORY);
  try {
    if (fs.fstatSync(root).dev !== device) return;
    mounts.forEach((mount, i) => {
      if (mount.source === undefined) clones[i] = cloneInContainer(root, mount);
    });
  } finally {
    closeFd(root);
  }
}

function cloneInContainer(root: number, mount: ViewMount): number | undefined {
  let fd: number;
  try {
    fd = openInRoot(root, mount.destination, O.PATH);
  } catch (err) {
    if (isErrno(err, 'ENOENT', 'ENOTDIR', 'ELOOP')) return undefined;
    throw err;
  }
  try {
    // No user's files: whoever may mount in the container has put it over them.
    if (isKernelFilesystem(fd)) return undefined;
    return cloneMount(fd, mount.recursive);
  } catch (err) {
    // Something that cannot be cloned lies over it: leave it out.
    if (isErrno(err, 'EINVAL')) return undefined;
    throw err;
  } finally {
    closeFd(fd);
  }
}
