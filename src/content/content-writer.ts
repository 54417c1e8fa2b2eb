/** One ingest: bytes on their way to becoming a blob. */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, rename, statfs, unlink } from 'node:fs/promises';
import { conflict, dataLoss, system } from '../errdefs/index.ts';
import { type Digest, digestOf } from '../oci/index.ts';

/** Beyond this many bytes not yet written, `write` asks the caller to wait. */
const HIGH_WATER = 4 << 20;

/** Free space is looked at each time this much was written; below the minimum nothing more is taken. Bytes. */
const SPACE_CHECK = 32 << 20;
const MIN_FREE = 64 << 20;

/** What the caller knows beforehand about the blob. */
export interface Expected {
  digest?: Digest;
  /** Bytes. */
  size?: number;
}

export interface WriterOptions {
  ref: string;
  path: string;
  /** Where the blob of a digest goes. */
  target: (digest: Digest) => string;
  /** The directory of the blobs, synced after the rename. */
  blobsDir: string;
  onClose: () => void;
}

/**
 * Writes in order and hashes as it goes; the file system's work happens behind the caller's back, one vectored
 * write at a time. End it with exactly one of `commit`, `suspend` (the bytes stay for a later writer of the
 * same ref) and `abort`.
 */
export class ContentWriter {
  readonly ref: string;
  /** The file that is being written, for readers that follow it. It is renamed by `commit`. */
  readonly path: string;
  /** Told the length of the file whenever more of it can be read. */
  onGrow: ((total: number) => void) | undefined;
  readonly #options: WriterOptions;
  #file: FileHandle | undefined;
  #hash: Hash = createHash('sha256');
  #offset = 0; // accepted
  #written = 0; // in the file
  #checked = 0; // in the file when free space was looked at
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #flushing: Promise<void> | undefined;
  #failure: unknown;

  private constructor(options: WriterOptions, file: FileHandle) {
    this.#options = options;
    this.ref = options.ref;
    this.path = options.path;
    this.#file = file;
  }

  /** Opens the ingest, with what an earlier writer of the same ref left. */
  static async open(options: WriterOptions): Promise<ContentWriter> {
    const file = await open(options.path, 'a+', 0o600);
    const writer = new ContentWriter(options, file);
    try {
      await writer.#rehash();
    } catch (err) {
      await file.close();
      throw err;
    }
    return writer;
  }

  /** Bytes accepted so far, those of earlier writers included: where a resumed download goes on. */
  get offset(): number {
    return this.#offset;
  }

  /** Takes a chunk (which must not change afterwards). A promise means: wait for it before the next one. */
  write(chunk: Uint8Array): Promise<void> | undefined {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#file === undefined) throw conflict(`ingest ${this.ref} is closed`);
    this.#hash.update(chunk);
    this.#offset += chunk.length;
    this.#pending.push(chunk);
    this.#pendingBytes += chunk.length;
    if (this.#flushing === undefined) {
      this.#flushing = this.#flush();
      // The next write, flush or commit tells of a failure; nobody need wait for this one.
      this.#flushing.catch(() => {});
    }
    return this.#pendingBytes > HIGH_WATER ? this.#flushing : undefined;
  }

  /** Resolves when everything accepted is in the file (not yet on the disk). */
  flush(): Promise<void> {
    return this.#drain();
  }

  /** Throws away what there is and begins again (a server that cannot resume). */
  async restart(): Promise<void> {
    await this.#drain();
    await this.#file?.truncate(0);
    this.#hash = createHash('sha256');
    this.#offset = 0;
    this.#written = 0;
    this.#checked = 0;
  }

  /**
   * Checks the bytes and makes them a blob. Throws DataLoss when digest or size are not as expected; the
   * ingest is then gone.
   */
  async commit(expected: Expected = {}): Promise<{ digest: Digest; size: number }> {
    try {
      await this.#drain();
      const digest: Digest = `sha256:${this.#hash.digest('hex')}`;
      const size = this.#offset;
      if (expected.size !== undefined && expected.size !== size) {
        throw dataLoss(`unexpected size: got ${size} bytes, want ${expected.size}: failed size validation`);
      }
      if (expected.digest !== undefined && expected.digest !== digest) {
        throw dataLoss(
          `unexpected digest: got ${digest}, want ${expected.digest}: failed digest verification`,
        );
      }
      await this.#file?.datasync();
      await rename(this.path, this.#options.target(digest));
      await syncDirectory(this.#options.blobsDir);
      await this.#close();
      return { digest, size };
    } catch (err) {
      await this.abort();
      throw err;
    }
  }

  /** Ends without a blob and keeps the bytes for a later writer of the same ref. */
  async suspend(): Promise<void> {
    await this.#flushing?.catch(() => {});
    await this.#close();
  }

  /** Ends without a blob and leaves nothing. Idempotent; no effect after `commit`. */
  async abort(): Promise<void> {
    if (this.#file === undefined) return;
    await this.#flushing?.catch(() => {});
    await unlink(this.path).catch(() => {});
    await this.#close();
  }

  async #flush(): Promise<void> {
    try {
      // Gather what arrives in the same turn of the event loop.
      await Promise.resolve();
      while (this.#pending.length > 0) {
        const batch = this.#pending.splice(0, 512);
        if (this.#written - this.#checked >= SPACE_CHECK) await this.#checkSpace();
        await this.#writeAll(batch);
        this.onGrow?.(this.#written);
      }
    } catch (err) {
      this.#failure = err;
      throw err;
    } finally {
      this.#flushing = undefined;
    }
  }

  /** A file system filled to the last byte stops more than this download. */
  async #checkSpace(): Promise<void> {
    this.#checked = this.#written;
    const { bavail, bsize } = await statfs(this.path);
    if (bavail * bsize >= MIN_FREE) return;
    throw system(`write ${this.path}: no space left on device`, {
      code: 'ENOSPC',
      hint: 'remove unused images or containers (docker system prune)',
    });
  }

  async #writeAll(batch: Uint8Array[]): Promise<void> {
    const total = batch.reduce((sum, chunk) => sum + chunk.length, 0);
    const file = this.#file;
    if (file === undefined) throw conflict(`ingest ${this.ref} is closed`);
    let { bytesWritten: done } = await file.writev(batch);
    if (done < total) {
      // A short write (a signal, a nearly full disk): the rest in one piece, which reports ENOSPC as such.
      const rest = Buffer.concat(batch).subarray(done);
      while (done < total) done += (await file.write(rest, rest.length - (total - done))).bytesWritten;
    }
    this.#written += total;
    this.#pendingBytes -= total;
  }

  async #drain(): Promise<void> {
    while (this.#flushing !== undefined) await this.#flushing;
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #rehash(): Promise<void> {
    const file = this.#file;
    if (file === undefined || (await file.stat()).size === 0) return;
    for await (const chunk of createReadStream(this.path, { highWaterMark: 1 << 20 })) {
      if (!(chunk instanceof Uint8Array)) continue;
      this.#hash.update(chunk);
      this.#offset += chunk.length;
    }
    this.#written = this.#offset;
  }

  async #close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    if (file === undefined) return;
    await file.close();
    this.#options.onClose();
  }
}

/** Makes the names in a directory durable (fsync(2): the entry of a new file needs its own sync). */
export async function syncDirectory(path: string): Promise<void> {
  const dir = await open(path, 'r');
  try {
    await dir.sync();
  } finally {
    await dir.close();
  }
}

/** The file name of an ingest: refs may hold anything. */
export function ingestName(ref: string): string {
  return digestOf(ref).slice(7);
}
