/**
 * Getting a layer: downloaded into the content store and unpacked while it comes. Two pulls that want the same
 * layer share one download; it is broken off when the last of them goes away.
 */
import { setMaxListeners } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { blobRef, fetchBlob, type Repository, throwIfAborted } from '../distribution/index.ts';
import { cancelled } from '../errdefs/index.ts';
import type { Descriptor, Digest } from '../oci/index.ts';
import { shortId } from '../oci/index.ts';
import { GrowingFile } from '../snapshot/index.ts';
import type { Gate } from './gate.ts';
import type { Progress } from './progress.ts';
import type { Room } from './room.ts';

export interface LayerRequest {
  readonly repository: Repository;
  readonly descriptor: Descriptor;
  readonly diffId: Digest;
  readonly progress: Progress;
  readonly gate: Gate;
  readonly signal?: AbortSignal;
}

/** Is the layer unpacked, and is there a blob to push or save it from? */
export function layerIsComplete(room: Room, diffId: Digest): boolean {
  return (
    room.snapshots.hasLayer(diffId) &&
    room.records.layerBlobs(diffId).some((blob) => room.content.has(blob.digest))
  );
}

export class LayerFetcher {
  readonly #room: Room;
  readonly #jobs = new Map<string, LayerJob>();

  constructor(room: Room) {
    this.#room = room;
  }

  /** Resolves when the layer is unpacked and its blob is in the content store. */
  async fetch(request: LayerRequest): Promise<void> {
    throwIfAborted(request.signal);
    const key = `${request.descriptor.digest} ${request.diffId}`;
    let job = this.#jobs.get(key);
    if (job === undefined || job.abandoned) {
      // One that nobody wants any more must have let go of its files before the next begins.
      const fresh = new LayerJob(this.#room, request, job?.result);
      job = fresh;
      this.#jobs.set(key, fresh);
      const forget = (): void => {
        if (this.#jobs.get(key) === fresh) this.#jobs.delete(key);
      };
      fresh.result.then(forget, forget);
    }
    return job.join(request.progress, request.signal);
  }
}

class LayerJob {
  readonly result: Promise<void>;
  /** All who wanted it went away: it is being broken off. */
  abandoned = false;
  readonly #room: Room;
  readonly #request: LayerRequest;
  readonly #id: string;
  readonly #listeners = new Set<Progress>();
  readonly #abort = new AbortController();
  #downloaded = false;
  #status = '';

  constructor(room: Room, request: LayerRequest, after?: Promise<void>) {
    this.#room = room;
    this.#request = request;
    this.#id = shortId(request.descriptor.digest);
    setMaxListeners(0, this.#abort.signal);
    this.result = this.#run(after);
    this.result.catch(() => {});
  }

  async join(progress: Progress, signal: AbortSignal | undefined): Promise<void> {
    this.#listeners.add(progress);
    if (this.#status !== '') progress.update(this.#id, this.#status);
    const left = Promise.withResolvers<never>();
    left.promise.catch(() => {});
    const leave = (): void => left.reject(cancelled('context canceled'));
    signal?.addEventListener('abort', leave, { once: true });
    try {
      await Promise.race([this.result, left.promise]);
      progress.update(this.#id, 'Pull complete');
    } finally {
      signal?.removeEventListener('abort', leave);
      this.#listeners.delete(progress);
      if (this.#listeners.size === 0) {
        this.abandoned = true;
        this.#abort.abort();
      }
    }
  }

  #say(status: string): void {
    this.#status = status;
    for (const progress of this.#listeners) progress.update(this.#id, status);
  }

  #bytes(status: string, current: number): void {
    const { size } = this.#request.descriptor;
    for (const progress of this.#listeners) progress.bytes(this.#id, status, current, size);
  }

  async #run(after: Promise<void> | undefined): Promise<void> {
    // The first listener joins before anything is said.
    await after?.catch(() => {});
    await Promise.resolve();
    throwIfAborted(this.#abort.signal);
    const { content } = this.#room;
    const { descriptor, gate } = this.#request;
    this.#say('Pulling fs layer');
    if (content.has(descriptor.digest)) {
      this.#say('Download complete');
      this.#downloaded = true;
      await this.#apply({ path: content.path(descriptor.digest) });
    } else {
      if (gate.busy) this.#say('Waiting');
      await gate.run(() => this.#download());
    }
    // What was unpacked is written down at once: a pull that fails later need not do it again.
    this.#room.records.addLayerBlob(this.#request.diffId, descriptor);
  }

  /** Downloads, with the unpacking running behind in the file that grows. */
  async #download(): Promise<void> {
    const { repository, descriptor, diffId } = this.#request;
    const { content, snapshots } = this.#room;
    const growing = new GrowingFile();
    let fd: number | undefined;
    let applied: Promise<unknown> | undefined;
    let restarted = false;
    try {
      await fetchBlob({
        repository,
        content,
        descriptor,
        signal: this.#abort.signal,
        onProgress: (bytes) => this.#bytes('Downloading', bytes),
        onRetry: (delay) => {
          if (delay >= 1000) this.#say(`Retrying in ${Math.round(delay / 1000)} seconds`);
        },
        onStart: (writer) => {
          if (snapshots.hasLayer(diffId)) return;
          // By descriptor: the file is renamed when it is complete.
          fd = openSync(writer.path, 'r');
          growing.grow(writer.offset);
          writer.onGrow = (total) => {
            if (restarted) return;
            growing.grow(total);
            if (total === descriptor.size) growing.end();
          };
          if (writer.offset === descriptor.size) growing.end();
          applied = this.#apply({ path: `/proc/self/fd/${fd}`, growing });
          // A layer that cannot be unpacked is not downloaded to its end; a restart has its own second try.
          applied.catch(() => restarted || this.#abort.abort());
        },
        onRestart: () => {
          restarted = true;
          growing.fail();
        },
      });
      this.#say('Verifying Checksum');
      this.#downloaded = true;
      this.#say('Download complete');
      if (!restarted) await applied;
      else {
        await applied?.catch(() => {});
        await this.#apply({ path: content.path(descriptor.digest) });
      }
    } catch (err) {
      growing.fail();
      // Which failed first? An error of the unpacking broke the download off, not the other way round.
      const cause = await applied?.then(
        () => undefined,
        (failure: unknown) => failure,
      );
      if (cause === undefined || restarted || this.#listeners.size === 0 || !this.#abort.signal.aborted)
        throw err;
      // What cannot be unpacked is of no use to a later attempt either.
      content.discard(blobRef(descriptor.digest));
      throw cause;
    } finally {
      if (fd !== undefined) closeSync(fd);
    }
  }

  async #apply(file: { path: string; growing?: GrowingFile }): Promise<void> {
    await this.#room.snapshots.applyLayer({
      open: () => file,
      compression: 'auto',
      diffId: this.#request.diffId,
      signal: this.#abort.signal,
      onProgress: (bytes) => {
        if (!this.#downloaded) return;
        this.#status = 'Extracting';
        this.#bytes('Extracting', bytes);
      },
    });
  }
}
