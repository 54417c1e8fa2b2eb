/**
 * Directory trees as tar archives and back, in trees that somebody else may be changing meanwhile: a container that is
 * running, perhaps a hostile one.
 *
 * A *view* is a root directory that paths are resolved in by the kernel (`openat2` with `RESOLVE_IN_ROOT`), put together
 * of a container's root file system and the mounts its user asked for; nothing else is in it: no /proc, /sys, /dev of
 * the container's, no mounts it made for itself by other means. *Packing* walks a tree by descriptors, downward only;
 * *extracting* makes files relative to their directory's descriptor, never through a symlink at the end. Files are opened
 * for reading only after they turned out to be regular files, by the descriptor that told.
 *
 * All of it may block (a FUSE file system, a slow disk) and happens in worker threads; the main thread only hands
 * descriptors over and streams on.
 */
export {
  createDecompressor,
  detectCompression,
  explainDecompression,
  peekSource,
} from './compression.ts';
export { type ArchiveJob, ArchiveWorkers, type PutOptions } from './jobs.ts';
export { joinMember, type MemberPath, parseMemberPath } from './member-path.ts';
export { type EntryHooks, joinBytes, type PackOptions, type Sink, TreePacker } from './pack.ts';
export type { PathStat } from './path-stat.ts';
export type { ViewMount, ViewPlan } from './view.ts';
export { isOverlayXattr } from './xattrs.ts';
