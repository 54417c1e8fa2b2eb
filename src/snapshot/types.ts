/** The public types of the room; see `index.ts` for the vocabulary. */
import type { Readable } from 'node:stream';
import type { Digest } from '../oci/index.ts';
import type { GrowingFile } from './growing-file.ts';

/** A layer archive in a file: a blob of the content store, or one that is still being downloaded. */
export interface LayerFile {
  path: string;
  /** Where the archive begins in the file, in bytes; 0 by default. */
  offset?: number;
  /** Its length in bytes; up to the end of the file by default. */
  length?: number;
  /** Given when the file is still being written: reading follows it. */
  growing?: GrowingFile;
}

/** Bounds on what one layer may make of this machine. Beyond one of them the archive is refused. */
export interface ApplyLimits {
  /** Bytes of the uncompressed archive. */
  maxBytes: number;
  /** Entries of the archive. */
  maxEntries: number;
  /** Uncompressed bytes for each compressed byte, once beyond 64 MiB (gzip cannot reach more than 1032). */
  maxRatio: number;
  /** Bytes that stay free on the file system. */
  minFreeBytes: number;
}

export interface ApplyOptions {
  /** Gives the archive: a file (fastest: the worker reads it itself) or any stream. Called once, when work begins. */
  open: () => LayerFile | Readable | Promise<LayerFile | Readable>;
  /** Told by the first bytes: gzip, zstd or plain. */
  compression?: 'auto';
  /** The digest of the uncompressed archive; when given it is verified, and work already done is not repeated. */
  diffId?: Digest;
  signal?: AbortSignal;
  /** Compressed bytes taken so far. */
  onProgress?: (bytes: number) => void;
  limits?: Partial<ApplyLimits>;
}

export interface AppliedLayer {
  diffId: Digest;
  /** Bytes of the regular files in the layer: what Docker calls a layer's size. */
  size: number;
}

/** Something every container needs in its root, made in a layer between image and container as Docker does. */
export interface InitFile {
  /** Absolute in the container. */
  path: string;
  type: 'file' | 'directory' | 'symlink';
  /** Of a symlink. */
  target?: string;
}

export interface PrepareOptions {
  /** Mount points and files to be there, out of sight of `changes` and `diff`; `dockerInitFiles` when `true`. */
  initFiles?: boolean | readonly InitFile[];
}

export interface SnapshotUsage {
  /** Bytes of the files written, hard links counted once, directories not counted (Docker's `SizeRw`). */
  bytes: number;
  inodes: number;
}

/** Docker's kinds: 0 modified, 1 added, 2 deleted. */
export type ChangeKind = 0 | 1 | 2;

/** A line of `docker diff`. */
export interface Change {
  Path: string;
  Kind: ChangeKind;
}

export interface SnapshotterOptions {
  /** The directory of all snapshots, e.g. `/var/lib/wharf/snapshots`; made when missing. */
  root: string;
  limits?: Partial<ApplyLimits>;
  /** Told about what goes wrong in the background. */
  log?: (message: string) => void;
}
