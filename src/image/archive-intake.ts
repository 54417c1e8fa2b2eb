/**
 * The first half of `load`: an archive read once, from front to back. Layers go to the content store and are
 * unpacked while they come; the small documents that say what belongs together are kept until the end, as they may
 * stand anywhere.
 */
import { closeSync, openSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { throwIfAborted } from '../distribution/index.ts';
import { cancelled, dataLoss, invalidParameter } from '../errdefs/index.ts';
import { type Digest, isDigest, readTar, type TarMember } from '../oci/index.ts';
import { GrowingFile } from '../snapshot/index.ts';
import type { Hold } from './collect.ts';
import type { Room } from './room.ts';

/** Documents kept in memory: each, and all together, in bytes. */
const DOCUMENT_MAX = 8 << 20;
const DOCUMENTS_MAX = 64 << 20;
const MAX_MEMBERS = 100_000;
const SNIFF = 512;

/** A member that went to the content store. */
export interface IntakeBlob {
  readonly digest: Digest;
  readonly size: number;
  readonly compression: 'none' | 'gzip' | 'zstd';
  /** The layer it is unpacked to; undefined when it does not look like one. */
  readonly layer: Promise<Digest> | undefined;
}

/** What an archive held, by normalised path. */
export interface Intake {
  readonly documents: ReadonlyMap<string, Buffer>;
  readonly blobs: ReadonlyMap<string, IntakeBlob>;
}

export interface IntakeOptions {
  input: Readable;
  hold: Hold;
  signal?: AbortSignal;
  /** A layer is coming: bytes so far, and in all. */
  onLayer?: (path: string, bytes: number, total: number) => void;
}

let counter = 0;

/** Reads the archive. On failure everything begun is ended first. */
export async function takeIn(room: Room, options: IntakeOptions): Promise<Intake> {
  const intake = new ArchiveIntake(room, options);
  try {
    await intake.read();
    return intake;
  } catch (err) {
    await intake.settle();
    throw options.signal?.aborted ? cancelled('context canceled', { cause: err }) : err;
  }
}

class ArchiveIntake implements Intake {
  readonly documents = new Map<string, Buffer>();
  readonly blobs = new Map<string, IntakeBlob>();
  readonly #room: Room;
  readonly #options: IntakeOptions;
  readonly #links = new Map<string, string>();
  readonly #commits: Promise<void>[] = [];
  readonly #layers: Promise<Digest>[] = [];
  #documentBytes = 0;

  constructor(room: Room, options: IntakeOptions) {
    this.#room = room;
    this.#options = options;
  }

  async read(): Promise<void> {
    const { input, signal } = this.#options;
    const stop = (): void => void input.destroy(cancelled('context canceled'));
    signal?.addEventListener('abort', stop, { once: true });
    try {
      let members = 0;
      for await (const member of readTar(decompressed(input))) {
        throwIfAborted(signal);
        if (++members > MAX_MEMBERS) throw invalidParameter('invalid archive: too many members');
        await this.#member(member);
      }
    } finally {
      signal?.removeEventListener('abort', stop);
    }
    await Promise.all(this.#commits);
    this.#followLinks();
  }

  /** Waits for whatever is under way, however it ends. */
  async settle(): Promise<void> {
    await Promise.allSettled([...this.#commits, ...this.#layers]);
  }

  async #member(member: TarMember): Promise<void> {
    const { entry } = member;
    const path = normalise(entry.name.toString());
    if (entry.type === 'symlink') this.#links.set(path, normalise(`${path}/../${entry.linkName.toString()}`));
    if (entry.type === 'link') this.#links.set(path, normalise(entry.linkName.toString()));
    if (entry.type !== 'file') return;
    const body = member.body();
    const head: Buffer[] = [];
    let size = 0;
    while (size < SNIFF) {
      const { value, done } = await body.next();
      if (done) break;
      head.push(value);
      size += value.length;
    }
    const kind = sniff(path, Buffer.concat(head));
    if (kind === 'document' && entry.size > DOCUMENT_MAX) return; // nothing of ours
    if (kind === 'document') this.#document(path, await rest(head, body, DOCUMENT_MAX));
    else await this.#blob(path, entry.size, kind, head, body);
  }

  #document(path: string, bytes: Buffer): void {
    this.#documentBytes += bytes.length;
    if (this.#documentBytes > DOCUMENTS_MAX) throw invalidParameter('invalid archive: too many documents');
    this.documents.set(path, bytes);
  }

  async #blob(
    path: string,
    size: number,
    kind: 'none' | 'gzip' | 'zstd' | 'blob',
    head: readonly Buffer[],
    body: AsyncIterable<Buffer>,
  ): Promise<void> {
    const { content, records } = this.#room;
    const { hold } = this.#options;
    const named = /^blobs\/sha256\/([0-9a-f]{64})$/.exec(path)?.[1];
    const expected = named === undefined ? undefined : `sha256:${named}`;
    const writer = await content.writer(`load:${process.pid}:${Date.now()}:${counter++}`);
    const looksLikeLayer = kind !== 'blob';
    const known = isDigest(expected) ? records.diffIdOf(expected) : undefined;
    const unpack = looksLikeLayer && !(known !== undefined && this.#room.snapshots.hasLayer(known));
    if (known !== undefined) hold.layers.add(known);
    const growing = new GrowingFile();
    const layer = unpack ? this.#unpack(writer.path, growing) : known && Promise.resolve(known);
    layer?.catch(() => {});
    writer.onGrow = (total) => growing.grow(total);
    try {
      let seen = 0;
      const write = async (chunk: Buffer): Promise<void> => {
        seen += chunk.length;
        if (looksLikeLayer) this.#options.onLayer?.(path, seen, size);
        const wait = writer.write(chunk);
        if (wait !== undefined) await wait;
      };
      for (const chunk of head) await write(chunk);
      for await (const chunk of body) await write(chunk);
      if (seen !== size) throw dataLoss(`unexpected EOF: ${path} ended after ${seen} of ${size} bytes`);
      await writer.flush();
      growing.end();
    } catch (err) {
      growing.fail();
      await writer.abort();
      await layer?.catch(() => {});
      throw err;
    }
    // Making it durable takes a while: the next member is read meanwhile.
    const committed = writer.commit(isDigest(expected) ? { digest: expected } : {}).then((info) => {
      hold.blobs.add(info.digest);
      this.blobs.set(path, { ...info, compression: kind === 'blob' ? 'none' : kind, layer });
    });
    committed.catch(() => {});
    this.#commits.push(committed);
    if (layer !== undefined) this.#layers.push(layer);
  }

  async #unpack(path: string, growing: GrowingFile): Promise<Digest> {
    // By descriptor: the file is renamed when it is complete.
    const fd = openSync(path, 'r');
    const { signal, hold } = this.#options;
    try {
      const { diffId } = await this.#room.snapshots.applyLayer({
        open: () => ({ path: `/proc/self/fd/${fd}`, growing }),
        compression: 'auto',
        ...(signal && { signal }),
      });
      hold.layers.add(diffId);
      return diffId;
    } finally {
      closeSync(fd);
    }
  }

  /** Old `docker save` archives hold a layer once and link to it from the other places. */
  #followLinks(): void {
    for (const [path, target] of this.#links) {
      const blob = this.blobs.get(target);
      const document = this.documents.get(target);
      if (blob !== undefined && !this.blobs.has(path)) this.blobs.set(path, blob);
      else if (document !== undefined && !this.documents.has(path)) this.documents.set(path, document);
    }
  }
}

/** A path as a key: no `./`, no `..`, no leading slash. It never names a file of ours. */
export function normalise(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return parts.join('/');
}

function sniff(path: string, head: Buffer): 'none' | 'gzip' | 'zstd' | 'blob' | 'document' {
  const magic = head.length >= 4 ? head.readUInt32BE(0) : 0;
  if (magic >>> 16 === 0x1f8b) return 'gzip';
  if (magic === 0x28b52ffd) return 'zstd';
  if (head.length >= 262 && head.toString('latin1', 257, 262) === 'ustar') return 'none';
  if (path.startsWith('blobs/')) return head[0] === 0x7b /* { */ ? 'document' : 'blob';
  // An empty layer is nothing but zeros.
  return path.endsWith('.tar') ? 'none' : 'document';
}

async function rest(head: readonly Buffer[], body: AsyncIterable<Buffer>, max: number): Promise<Buffer> {
  const chunks = [...head];
  let size = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  for await (const chunk of body) {
    size += chunk.length;
    if (size > max) throw invalidParameter('invalid archive: a document is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The archive's bytes, whatever it was compressed with. Throws InvalidParameter for bzip2 and xz. */
async function* decompressed(input: Readable): AsyncGenerator<Uint8Array, void, void> {
  const chunks = input[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  const head: Uint8Array[] = [];
  let size = 0;
  try {
    while (size < 6) {
      const { value, done } = await chunks.next();
      if (done) break;
      head.push(value);
      size += value.length;
    }
    const start = Buffer.concat(head);
    const all = async function* (): AsyncGenerator<Uint8Array, void, void> {
      yield* head;
      for (;;) {
        const { value, done } = await chunks.next();
        if (done) return;
        yield value;
      }
    };
    const magic = start.length >= 4 ? start.readUInt32BE(0) : 0;
    if (magic >>> 8 === 0x425a68) throw invalidParameter('archives compressed with bzip2 are not supported');
    if (magic === 0xfd377a58) throw invalidParameter('archives compressed with xz are not supported');
    if (magic >>> 16 === 0x1f8b) yield* through(createGunzip({ chunkSize: 1 << 18 }), all());
    else if (magic === 0x28b52ffd) yield* through(createZstdDecompress({ chunkSize: 1 << 18 }), all());
    else yield* all();
  } finally {
    await chunks.return?.();
  }
}

async function* through(
  codec: NodeJS.ReadWriteStream & AsyncIterable<unknown>,
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, void> {
  const { pipeline } = await import('node:stream/promises');
  const piped = pipeline(source, codec);
  piped.catch(() => {}); // told by the reading side
  try {
    for await (const chunk of codec) {
      if (chunk instanceof Uint8Array) yield chunk;
    }
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause);
    throw dataLoss(`the archive is damaged: ${text}`, { cause });
  }
}
