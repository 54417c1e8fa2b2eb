/** Downloads a blob into the content store, going on by Range where a connection broke. */
import type { BlobInfo, ContentStore, ContentWriter } from '../content/index.ts';
import { dataLoss, isKind } from '../errdefs/index.ts';
import type { Descriptor, Digest } from '../oci/index.ts';
import { pause, throwIfAborted } from './backoff.ts';
import { isTransient, networkError } from './errors.ts';
import type { Repository } from './repository.ts';
import { discard, type HttpResponse } from './transport.ts';

/** Attempts that may fail one after another without a single new byte. */
const MAX_BARREN = 5;

export interface FetchBlobOptions {
  repository: Repository;
  content: ContentStore;
  descriptor: Descriptor;
  signal?: AbortSignal;
  /** Bytes so far, those of an earlier, broken download included. */
  onProgress?: (bytes: number) => void;
  /** A pause before the next attempt begins; in milliseconds. */
  onRetry?: (delay: number, err: unknown) => void;
  /** Called with the ingest's writer before the first byte, for readers that follow the file. */
  onStart?: (writer: ContentWriter) => void;
  /** The bytes written so far are void: the server could not resume. Readers that follow must begin again. */
  onRestart?: () => void;
}

/** The ingest a blob is downloaded under: what a broken download leaves is found by it. */
export const blobRef = (digest: Digest): string => `blob:${digest}`;

/**
 * Downloads and verifies. What came before a failure or an abort stays for the next attempt, in this process or
 * a later one. Throws DataLoss when the bytes are not those of the descriptor.
 */
export async function fetchBlob(options: FetchBlobOptions): Promise<Pick<BlobInfo, 'digest' | 'size'>> {
  const { content, descriptor } = options;
  const writer = await content.writer(blobRef(descriptor.digest));
  try {
    if (writer.offset > descriptor.size) await writer.restart();
    options.onStart?.(writer);
    await download(options, writer);
    return await writer.commit(descriptor);
  } finally {
    await writer.suspend();
  }
}

async function download(options: FetchBlobOptions, writer: ContentWriter): Promise<void> {
  const { descriptor, signal } = options;
  for (let barren = 0; writer.offset < descriptor.size || descriptor.size === 0; ) {
    throwIfAborted(signal);
    const before = writer.offset;
    try {
      await attempt(options, writer);
      if (descriptor.size === 0) return;
      if (writer.offset < descriptor.size) throw broken(descriptor, writer);
    } catch (err) {
      if (signal?.aborted) throwIfAborted(signal);
      barren = writer.offset > before ? 1 : barren + 1;
      if (barren >= MAX_BARREN || !(isTransient(err) || isTruncated(err))) throw err;
      const delay = Math.min(100 * 4 ** (barren - 1), 10_000);
      options.onRetry?.(delay, err);
      await pause(delay, signal);
    }
  }
}

const broken = (d: Descriptor, w: ContentWriter): Error =>
  dataLoss(`unexpected EOF: blob ${d.digest} ended after ${w.offset} of ${d.size} bytes`, {
    code: 'truncated',
  });
const isTruncated = (err: unknown): boolean => isKind(err, 'DataLoss') && err.code === 'truncated';

async function attempt(options: FetchBlobOptions, writer: ContentWriter): Promise<void> {
  const { repository, descriptor, signal } = options;
  const session = await repository.session(signal);
  const from = writer.offset;
  const response = await session.request({
    method: 'GET',
    url: `${repository.base}/blobs/${descriptor.digest}`,
    scopes: repository.scopes,
    // Layers are compressed already, and their digest is that of the bytes as stored.
    headers: { 'accept-encoding': 'identity', ...(from > 0 ? { range: `bytes=${from}-` } : {}) },
    accept: (status) => status === 200 || status === 206 || (status === 416 && from > 0),
    ...(signal && { signal }),
  });
  if (!continues(response, from)) {
    if (from > 0) {
      await writer.restart();
      options.onRestart?.();
    }
    if (response.status === 416) return discard(response.body);
  }
  try {
    for await (const chunk of response.body) {
      const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
      if (writer.offset + bytes.length > descriptor.size) {
        await writer.restart();
        throw dataLoss(
          `blob ${descriptor.digest} is longer than the ${descriptor.size} bytes its descriptor says`,
        );
      }
      const wait = writer.write(bytes);
      options.onProgress?.(writer.offset);
      if (wait !== undefined) await wait;
    }
  } catch (err) {
    if (isKind(err, 'DataLoss') || (err instanceof Error && 'syscall' in err && err.syscall === 'write'))
      throw err;
    throw networkError(err, 'GET', response.url);
  }
}

/** Does the answer go on where we are? A server may ignore Range (200), or answer another one. */
function continues(response: HttpResponse, from: number): boolean {
  if (response.status !== 206) return false;
  return Number(/^bytes (\d+)-/.exec(response.headers['content-range'] ?? '')?.[1] ?? Number.NaN) === from;
}
