/** Reads the bytes of a rotated log, oldest first, through rotation and compression. */
import fs from 'node:fs';
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import {
  closeLogFiles,
  findTail,
  inodeOf,
  type LogFile,
  openLogFiles,
  openNextLogFile,
} from './log-files.ts';

export interface LogCursorOptions {
  /** The current log file. */
  path: string;
  /** How many files there may be, the current one included. */
  maxFiles: number;
  /** Goes on with what is written; else the log is what it was when it was opened. */
  follow: boolean;
  /** What is read next is of another file: a line that the one before has not finished will not be finished. */
  onNewFile: () => void;
}

/** A place in a log: a file and the bytes of it that come before. */
export interface LogPlace {
  inode: bigint;
  /** When the file was made (nanoseconds): inodes are given again. */
  born: bigint;
  offset: number;
}

/** Where to begin and where to end. */
export interface LogRange {
  /** With the last so many lines. */
  tail?: number;
  /** Files last written before (milliseconds since 1970) are left out. */
  sinceMs?: number;
  /** From there on; when it is not there any more, from the oldest line. */
  from?: LogPlace;
  /** Up to there; nothing when it is not there. */
  end?: { inode: bigint; size: number };
}

/** Read at once. */
export const PIECE = 256 * 1024;
/** Less than this is read synchronously: it takes less time than going to another thread. */
const SMALL = 64 * 1024;
const FEED = 0x0a;
const NOTHING = Buffer.alloc(0);

export class LogCursor {
  readonly #o: LogCursorOptions;
  /** Files still to be read, the one at hand first. */
  #files: LogFile[] = [];
  #offset = 0;
  /** Lines and bytes to leave out of a compressed file. */
  #skipLines = 0;
  #skipBytes = 0;
  #unpacked: AsyncIterator<Buffer> | undefined;
  #busy = false;
  #closed = false;

  constructor(options: LogCursorOptions) {
    this.#o = options;
  }

  open({ tail, sinceMs = 0, from, end }: LogRange): void {
    const files = openLogFiles(this.#o.path, this.#o.maxFiles);
    if (end !== undefined) cutAt(files, end);
    let { index, offset, skip } =
      tail === undefined ? { index: 0, offset: 0, skip: 0 } : findTail(files, tail);
    if (from !== undefined) {
      const at = files.findIndex(({ ino, born }) => ino === from.inode && born === from.born);
      if (at !== -1) [index, offset] = [at, from.offset];
    }
    // A file last written before `since` holds nothing of interest.
    while (index < files.length - 1 && files[index]!.mtimeMs < sinceMs) {
      index++;
      offset = skip = 0;
    }
    closeLogFiles(files.splice(0, index));
    this.#files = files;
    this.#offset = offset;
    this.#skipLines = skip;
    this.#skipBytes = files[0]?.note === undefined ? 0 : offset;
  }

  /** Where the next byte comes from; undefined when there is no file. */
  get place(): LogPlace | undefined {
    const file = this.#files[0];
    return file && { inode: file.ino, born: file.born, offset: this.#offset };
  }

  /** Whether the file at hand has been deleted: it was rotated away unread. */
  get deleted(): boolean {
    const file = this.#files[0];
    return file !== undefined && file.note === undefined && fs.fstatSync(file.fd).nlink === 0;
  }

  /** Leaves the rest of the file at hand; {@link refresh} goes on with the next one. */
  abandon(): void {
    const file = this.#files[0];
    if (file !== undefined) this.#offset = fs.fstatSync(file.fd).size;
  }

  /** The next bytes; undefined when there are no more (at the moment: see {@link refresh}). */
  async read(): Promise<Buffer | undefined> {
    this.#busy = true;
    try {
      for (;;) {
        const file = this.#files[0];
        if (file === undefined || this.#closed) return undefined;
        const piece = file.note === undefined ? await this.#readPiece(file) : await this.#unpack(file);
        if (this.#closed) return undefined;
        if (piece.length > 0) return piece;
        if (this.#files.length === 1) return undefined;
        this.#advance();
      }
    } finally {
      this.#busy = false;
      if (this.#closed) this.#release();
    }
  }

  async #readPiece({ fd, size }: LogFile): Promise<Buffer> {
    const open = this.#o.follow && this.#files.length === 1;
    const wanted = Math.min(PIECE, open ? PIECE : size - this.#offset);
    if (wanted <= 0) return NOTHING;
    const small = size - this.#offset < SMALL;
    const buffer = Buffer.allocUnsafeSlow(small ? Math.min(wanted, SMALL) : wanted);
    const position = this.#offset;
    const read = small
      ? fs.readSync(fd, buffer, 0, buffer.length, position)
      : await new Promise<number>((resolve, reject) => {
          fs.read(fd, buffer, 0, buffer.length, position, (err, n) => (err ? reject(err) : resolve(n)));
        });
    this.#offset += read;
    return buffer.subarray(0, read);
  }

  /** A damaged file ends where the damage is. */
  async #unpack({ fd }: LogFile): Promise<Buffer> {
    this.#unpacked ??= unpack(fd);
    for (;;) {
      const { done, value } = await this.#unpacked.next().catch(() => ({ done: true, value: undefined }));
      if (done === true || value === undefined) return NOTHING;
      const piece = this.#leaveOut(value);
      if (piece.length > 0) return piece;
    }
  }

  #leaveOut(piece: Buffer): Buffer {
    let rest = piece.subarray(Math.min(this.#skipBytes, piece.length));
    this.#skipBytes -= piece.length - rest.length;
    this.#offset += rest.length;
    while (this.#skipLines > 0 && rest.length > 0) {
      const feed = rest.indexOf(FEED);
      if (feed === -1) return NOTHING;
      rest = rest.subarray(feed + 1);
      this.#skipLines--;
    }
    return rest;
  }

  #advance(next?: LogFile): void {
    const done = this.#files.shift();
    this.#endUnpacking();
    if (done !== undefined) fs.closeSync(done.fd);
    if (next !== undefined) this.#files.push(next);
    this.#offset = this.#skipBytes = this.#skipLines = 0;
    this.#o.onNewFile();
  }

  #endUnpacking(): void {
    void this.#unpacked?.return?.().catch(() => undefined);
    this.#unpacked = undefined;
  }

  /** Follow mode, all is read: whether there is more now, in this file or the next. */
  refresh(): boolean {
    const { path, maxFiles } = this.#o;
    const file = this.#files[0];
    const size = file === undefined || file.note !== undefined ? 0 : fs.fstatSync(file.fd).size;
    if (file === undefined || inodeOf(path) !== file.ino) {
      const next = openNextLogFile(path, maxFiles, file?.ino ?? 0n);
      if (next === undefined) return size > this.#offset;
      // The writer renames after its last write: one more look at the old file is enough.
      const grown =
        file !== undefined && file.note === undefined && fs.fstatSync(file.fd).size > this.#offset;
      if (grown) fs.closeSync(next.fd);
      else this.#advance(next);
      return true;
    }
    if (size < this.#offset) {
      this.#offset = 0; // cut off, by someone else
      this.#o.onNewFile();
      return true;
    }
    return size > this.#offset;
  }

  /** Closes the files, when a read under way has ended. */
  close(): void {
    this.#closed = true;
    if (!this.#busy) this.#release();
  }

  #release(): void {
    this.#endUnpacking();
    closeLogFiles(this.#files);
    this.#files = [];
  }
}

function cutAt(files: LogFile[], end: { inode: bigint; size: number }): void {
  const index = files.findIndex(({ ino }) => ino === end.inode);
  closeLogFiles(files.splice(index + 1));
  const last = files[index];
  if (last !== undefined) last.size = Math.min(last.size, end.size);
}

/** The descriptor stays its owner's, who may close it when the generator has been left. */
async function* unpack(fd: number): AsyncGenerator<Buffer, undefined> {
  const gunzip = createGunzip({ chunkSize: PIECE });
  pipeline(Readable.from(piecesOf(fd)), gunzip, () => {}); // the loop below sees the error
  try {
    for await (const chunk of gunzip) yield chunk as Buffer;
  } finally {
    gunzip.destroy();
  }
  return undefined;
}

/** Synchronously: no read may be under way when the descriptor is closed. */
function* piecesOf(fd: number): Generator<Buffer> {
  for (let position = 0; ; ) {
    const buffer = Buffer.allocUnsafeSlow(SMALL);
    const read = fs.readSync(fd, buffer, 0, SMALL, position);
    if (read === 0) return;
    position += read;
    yield buffer.subarray(0, read);
  }
}
