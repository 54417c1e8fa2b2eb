/** Tar archives: what an entry is, whatever the dialect it was written in (POSIX.1-2001 pax, GNU, ustar, v7). */

export type TarType = 'file' | 'link' | 'symlink' | 'char' | 'block' | 'directory' | 'fifo';

/** A stretch of a sparse file that holds data; all else is zeros. */
export interface SparseSegment {
  offset: number;
  length: number;
}

/** One entry of an archive. Names are bytes, for they need not be UTF-8; none holds a NUL. */
export interface TarEntry {
  type: TarType;
  /** As in the archive, without slashes at the end; may be absolute or hold `..`: the user of it decides. */
  name: Buffer;
  /** Target of a `link` or `symlink`; empty otherwise. */
  linkName: Buffer;
  /** Permission bits with set-id and sticky: 0 to 0o7777. */
  mode: number;
  uid: number;
  gid: number;
  /** Bytes of the file as it is read, holes included; 0 for everything but `file`. */
  size: number;
  /** Nanoseconds since 1970; negative before. */
  mtime: bigint;
  atime: bigint | undefined;
  ctime: bigint | undefined;
  uname: string;
  gname: string;
  /** Of `char` and `block`. */
  devMajor: number;
  devMinor: number;
  /** Extended attributes, e.g. `security.capability`. */
  xattrs: ReadonlyMap<string, Buffer>;
  /** Where the data of a sparse file lie, in order; undefined for an ordinary one. */
  sparse: readonly SparseSegment[] | undefined;
}

/** What a writer needs of an entry: all but type and name have defaults. */
export type TarEntryInput = Pick<TarEntry, 'type'> & {
  name: string | Buffer;
  linkName?: string | Buffer;
} & Partial<Omit<TarEntry, 'type' | 'name' | 'linkName' | 'sparse'>>;
