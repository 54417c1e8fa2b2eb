/** The store of blobs under one directory. */
import {
  closeSync,
  createReadStream,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { conflict, dataLoss, invalidParameter, notFound } from '../errdefs/index.ts';
import { type Digest, digestOf, hexOf, isDigest } from '../oci/index.ts';
import { ContentWriter, ingestName } from './content-writer.ts';
import { type Lease, Leases } from './leases.ts';

const DAY = 86_400_000;

export interface ContentStoreOptions {
  /** The directory, e.g. `/var/lib/wharf/content`; made when missing. */
  root: string;
  /** Ingests broken off longer ago than this are cleared away at start; milliseconds, a day by default. */
  ingestMaxAge?: number;
}

export interface BlobInfo {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  /** When it came, milliseconds since 1970. */
  readonly modified: number;
}

export class ContentStore {
  readonly #blobs: string;
  readonly #ingest: string;
  readonly #trash: string;
  readonly #leases = new Leases();
  readonly #active = new Set<string>();
  #counter = 0;

  constructor(options: ContentStoreOptions) {
    this.#blobs = join(options.root, 'blobs', 'sha256');
    this.#ingest = join(options.root, 'ingest');
    this.#trash = join(options.root, 'trash');
    rmSync(this.#trash, { recursive: true, force: true });
    for (const dir of [this.#blobs, this.#ingest, this.#trash])
      mkdirSync(dir, { recursive: true, mode: 0o700 });
    this.cleanIngests(options.ingestMaxAge ?? DAY);
  }

  has(digest: Digest): boolean {
    return existsSync(this.path(digest));
  }

  info(digest: Digest): BlobInfo | undefined {
    const stat = statSync(this.path(digest), { throwIfNoEntry: false });
    return stat && { digest, size: stat.size, modified: stat.mtimeMs };
  }

  /** Where the blob's file is (or would be). It is never changed once there. */
  path(digest: Digest): string {
    if (!isDigest(digest)) throw invalidParameter('invalid checksum digest format');
    return join(this.#blobs, hexOf(digest));
  }

  /** Streams a blob, or the bytes `start` to `end` (inclusive) of it. Throws NotFound. */
  open(digest: Digest, range: { start?: number; end?: number } = {}): Readable {
    if (!this.has(digest)) throw notFound(`content ${digest}: not found`);
    return createReadStream(this.path(digest), { ...range, highWaterMark: 256 << 10 });
  }

  /** A small blob whole, checked again. Throws NotFound, InvalidParameter beyond `limit` bytes, DataLoss when damaged. */
  readBytes(digest: Digest, limit: number = 8 << 20): Buffer {
    const info = this.info(digest);
    if (info === undefined) throw notFound(`content ${digest}: not found`);
    if (info.size > limit) throw invalidParameter(`content ${digest}: larger than ${limit} bytes`);
    const bytes = readFileSync(this.path(digest));
    if (digestOf(bytes) !== digest) throw dataLoss(`content ${digest}: the file is damaged`);
    return bytes;
  }

  /** Stores small bytes, durably. */
  put(bytes: Uint8Array): Digest {
    const digest = digestOf(bytes);
    if (this.has(digest)) return digest;
    const temp = join(this.#ingest, `put-${process.pid}-${this.#counter++}`);
    const fd = openSync(temp, 'w', 0o600);
    try {
      writeFileSync(fd, bytes);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temp, this.path(digest));
    const dir = openSync(this.#blobs, 'r');
    fsyncSync(dir);
    closeSync(dir);
    return digest;
  }

  /** Begins an ingest or takes it up again. Throws Conflict while another writer has the same ref. */
  writer(ref: string): Promise<ContentWriter> {
    return this.#open(ref, ingestName(ref));
  }

  /** Begins an ingest that nobody will take up again: after a crash nothing is left of it. */
  onceWriter(label: string): Promise<ContentWriter> {
    const name = `put-${process.pid}-${this.#counter++}`;
    return this.#open(`${label}:${name}`, name);
  }

  async #open(ref: string, name: string): Promise<ContentWriter> {
    if (this.#active.has(name)) throw conflict(`ingest ${ref} is being written`);
    this.#active.add(name);
    try {
      return await ContentWriter.open({
        ref,
        path: join(this.#ingest, name),
        target: (digest) => this.path(digest),
        blobsDir: this.#blobs,
        onClose: () => this.#active.delete(name),
      });
    } catch (err) {
      this.#active.delete(name);
      throw err;
    }
  }

  /** Throws away what a suspended ingest left. */
  discard(ref: string): void {
    const name = ingestName(ref);
    if (!this.#active.has(name)) rmSync(join(this.#ingest, name), { force: true });
  }

  /** Stores a stream; `ref` should be one of a kind. Throws as {@link ContentWriter.commit}. */
  async ingest(
    input: AsyncIterable<Uint8Array>,
    ref: string,
    expected: { digest?: Digest; size?: number } = {},
  ): Promise<{ digest: Digest; size: number }> {
    const writer = await this.writer(ref);
    try {
      if (writer.offset > 0) await writer.restart();
      for await (const chunk of input) await writer.write(chunk);
      return await writer.commit(expected);
    } finally {
      await writer.abort();
    }
  }

  /** Deletes a blob, leased or not; false when it was not there. */
  delete(digest: Digest): boolean {
    const trash = join(this.#trash, `${this.#counter++}`);
    try {
      renameSync(this.path(digest), trash);
    } catch (err) {
      if (err instanceof Error && 'code' in err && err.code === 'ENOENT') return false;
      throw err;
    }
    // Freeing the space of a large file takes long; its name is gone at once.
    rm(trash, { force: true }).catch(() => {});
    return true;
  }

  list(): Digest[] {
    return readdirSync(this.#blobs)
      .map((name) => `sha256:${name}`)
      .filter(isDigest);
  }

  lease(): Lease {
    return this.#leases.take();
  }

  /** Does any lease hold the blob? */
  isLeased(digest: Digest): boolean {
    return this.#leases.holds(digest);
  }

  /**
   * Deletes every blob that `live` does not know and no lease holds. Returns what went and the bytes freed.
   * `minAge` (milliseconds) spares what came lately.
   */
  collect(live: (digest: Digest) => boolean, minAge = 0): { deleted: Digest[]; bytes: number } {
    const deleted: Digest[] = [];
    let bytes = 0;
    for (const digest of this.list()) {
      if (live(digest) || this.#leases.holds(digest)) continue;
      const info = this.info(digest);
      if (info === undefined || Date.now() - info.modified < minAge) continue;
      if (!this.delete(digest)) continue;
      deleted.push(digest);
      bytes += info.size;
    }
    return { deleted, bytes };
  }

  /** Clears away ingests that nobody writes and that are older than `maxAge` milliseconds. */
  cleanIngests(maxAge: number): void {
    for (const name of readdirSync(this.#ingest)) {
      if (this.#active.has(name)) continue;
      const path = join(this.#ingest, name);
      const stat = statSync(path, { throwIfNoEntry: false });
      // What `put` leaves after a crash is of no use to anybody.
      const stale = name.startsWith('put-') || (stat !== undefined && Date.now() - stat.mtimeMs > maxAge);
      if (stale) rmSync(path, { force: true });
    }
  }
}
