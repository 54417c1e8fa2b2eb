/**
 * A snapshot for a container in a user namespace. Layers are kept as the images have them, owned by 0 and up; the overlay is laid
 * over an idmapped view of them, so that the container's ids are seen and those of the image written. Nothing is copied or
 * chowned, images are shared with containers that have no user namespace, and what reads the upper directory
 * (commit, diff, export, sizes) finds the image's ids.
 */
import fs from 'node:fs';
import path from 'node:path';
import {
  attachMount,
  closeFd,
  isErrno,
  mountOverlay,
  type OverlayMount,
  openIdmapped,
  unmount,
  withFsIds,
} from '../linux/index.ts';

import { overlayOptions } from './init-layer.ts';

/** Whose ids a mount has. */
export interface MountOwner {
  /** The user namespace whose map holds, by descriptor. */
  userNamespace: number;
  /** What its 0 is outside: overlayfs works in the upper directory by these. */
  rootUid: number;
  rootGid: number;
  /** A directory that may be made and removed: where a kernel before 6.15 has to see the view mounted for a moment. */
  scratch: string;
}

/** Kernels before 6.15 take layers of attached mounts only. */
let takesDetached = true;

/** @param root a directory that holds all layers of `overlay`, on one file system */
export function mountIdmapped(root: string, overlay: OverlayMount, owner: MountOwner): void {
  const view = openIdmapped(root, owner.userNamespace);
  try {
    if (takesDetached) {
      try {
        mountAs(owner, moved(overlay, root, `/proc/self/fd/${view}`));
        return;
      } catch (err) {
        if (!isErrno(err, 'EINVAL')) throw err;
      }
    }
    mountByScratch(root, overlay, owner, view);
    takesDetached = false;
  } finally {
    closeFd(view);
  }
}

/** The way for kernels before 6.15; exported for its test. */
export function mountByScratch(root: string, overlay: OverlayMount, owner: MountOwner, view: number): void {
  fs.mkdirSync(owner.scratch, { recursive: true, mode: 0o700 });
  attachMount(view, owner.scratch);
  try {
    mountAs(owner, moved(overlay, root, owner.scratch));
  } finally {
    // The overlay has references of its own.
    unmount(owner.scratch, { detach: true });
    fs.rmdirSync(owner.scratch);
  }
}

/** overlayfs keeps the ids of who mounts it for its own work: as 0 it could make nothing in the upper directory (EOVERFLOW). */
function mountAs(owner: MountOwner, overlay: OverlayMount): void {
  withFsIds(owner.rootUid, owner.rootGid, () => mountOverlay(overlay));
}

function moved(overlay: OverlayMount, from: string, to: string): OverlayMount {
  const move = (dir: string): string => `${to}/${path.relative(from, dir)}`;
  return {
    ...overlay,
    lower: overlay.lower.map(move),
    ...(overlay.upper === undefined ? {} : { upper: move(overlay.upper) }),
    ...(overlay.work === undefined ? {} : { work: move(overlay.work) }),
  };
}

/** Does in `temp` what a container's start will do, below `root`. @throws SyscallError */
export function tryIdmapped(root: string, temp: string, owner: MountOwner): void {
  const dir = fs.mkdtempSync(path.join(temp, 'try-'));
  try {
    const [lower, upper, work, target] = ['lower', 'upper', 'work', 'mnt'].map(
      (name) => `${dir}/${name}`,
    ) as [string, string, string, string];
    for (const each of [lower, upper, work, target]) fs.mkdirSync(each);
    mountIdmapped(root, { lower: [lower], upper, work, target, options: overlayOptions }, owner);
    try {
      // Writable: where overlayfs can make nothing in the upper directory it is mounted read-only.
      withFsIds(owner.rootUid, owner.rootGid, () => fs.mkdirSync(`${target}/dir`));
    } finally {
      unmount(target, { detach: true });
    }
  } finally {
    fs.rmSync(dir, { recursive: true, force: true });
  }
}
