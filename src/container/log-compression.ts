/** Compresses rotated log files in the background, one at a time for all containers. */
import { isKind, messageOf } from '../errdefs/index.ts';
import { isErrno } from '../linux/index.ts';
import { compressLogFile, placeCompressed, uncompressed } from '../logging/index.ts';

/** A log whose rotated files are to be compressed. */
export interface CompressibleLog {
  path: string;
  maxFiles: number;
  /** For messages. */
  name: string;
  /** Only files older than this one, if it says one. */
  before: () => bigint | undefined;
  /** The files may vanish. */
  isGone: () => boolean;
  /** The shim that rotates them: only it may rename, too. */
  owner: () => { logCompressed(inode: bigint): Promise<void> } | undefined;
}

export class LogCompression {
  readonly #log: { warn(message: string): void };
  /** By path: an entry that waits is not needed twice. */
  readonly #waiting = new Map<string, CompressibleLog>();
  #busy = false;
  #closed = false;

  constructor(log: { warn(message: string): void }) {
    this.#log = log;
  }

  compress(log: CompressibleLog): void {
    this.#waiting.set(log.path, log);
    if (!this.#busy) void this.#run();
  }

  close(): void {
    this.#closed = true;
    this.#waiting.clear();
  }

  async #run(): Promise<void> {
    this.#busy = true;
    for (const log of this.#next()) {
      try {
        await this.#compressAll(log);
      } catch (err) {
        if (!log.isGone() && !this.#closed)
          this.#log.warn(`${log.name}: log not compressed: ${messageOf(err)}`);
      }
    }
    this.#busy = false;
  }

  *#next(): Generator<CompressibleLog> {
    for (let first = this.#waiting.keys().next(); !first.done; first = this.#waiting.keys().next()) {
      const log = this.#waiting.get(first.value)!;
      this.#waiting.delete(first.value);
      yield log;
    }
  }

  async #compressAll(log: CompressibleLog): Promise<void> {
    const { path, maxFiles } = log;
    for (const file of uncompressed(path, maxFiles)) {
      if (this.#closed || log.isGone()) return;
      const reading = log.before();
      if (reading === file.inode) return;
      if (!(await compressLogFile(path, file)) || this.#closed) continue;
      const owner = log.owner();
      try {
        if (owner === undefined) placeCompressed(path, maxFiles, file.inode);
        else await owner.logCompressed(file.inode);
      } catch (err) {
        // Rotated away meanwhile; or the shim has ended, and the next round finds the file.
        if (!isKind(err, 'NotFound') && !isErrno(err, 'shim_gone')) throw err;
        if (isErrno(err, 'shim_gone')) placeCompressed(path, maxFiles, file.inode);
      }
    }
  }
}
