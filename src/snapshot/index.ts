/**
 * Layers and the writable snapshots on top of them, with overlayfs.
 *
 * A *layer* is one archive of an image unpacked into a directory of its own, named by its *diffID* (the digest of
 * the uncompressed archive) and never changed afterwards. It is unpacked without its parents, in overlayfs' own
 * form: a deleted file is a character device 0/0, an opaque directory has the attribute `trusted.overlay.opaque`.
 * A *chain* is an image's diffIDs, base first. A *snapshot* is the writable directory of one container over a
 * chain; its *key* is the container's id. Its life: `prepare` makes it, `mount` and `unmount` any number of times,
 * `remove` ends it. Between chain and snapshot may be
 * a *base*: a directory, shared by all containers of an image, with what every container needs (`dockerInitFiles`)
 * and with the true looks of directories that layers only imply. A *view* is a chain mounted without anything to write to.
 *
 * Everything is made under a temporary name and renamed when complete, so that a crash at any moment leaves
 * either the whole thing or something that `reconcile` clears away at the next start.
 */
export { GrowingFile } from './growing-file.ts';
export type { MountOwner } from './idmapped-overlay.ts';
export { dockerInitFiles } from './init-layer.ts';
export type { LentMount } from './lending.ts';
export { Snapshotter } from './snapshotter.ts';
export type * from './types.ts';
