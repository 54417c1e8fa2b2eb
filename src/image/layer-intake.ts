/** A layer archive that comes as a stream: from a client (`import`) or from a container (`commit`). */
import { closeSync, openSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { throwIfAborted } from '../distribution/index.ts';
import { conflict } from '../errdefs/index.ts';
import { type Descriptor, type Digest, MEDIA } from '../oci/index.ts';
import { GrowingFile } from '../snapshot/index.ts';
import type { Room } from './room.ts';

/**
 * Stores an archive as a blob, as it came, while it comes, and unpacks it at the same time into a layer. Nothing refers
 * to either yet: the caller holds off the collector. After a crash nothing is left of a broken one.
 */
export async function takeLayer(
  room: Room,
  input: Readable,
  signal?: AbortSignal,
): Promise<{ diffId: Digest; blob: Descriptor }> {
  const writer = await room.content.onceWriter('layer');
  const fd = openSync(writer.path, 'r');
  const growing = new GrowingFile();
  writer.onGrow = (total) => growing.grow(total);
  const applied = room.snapshots.applyLayer({
    open: () => ({ path: `/proc/self/fd/${fd}`, growing }),
    compression: 'auto',
    ...(signal && { signal }),
  });
  // What is no archive need not be read to its end.
  applied.catch((err: unknown) => input.destroy(err instanceof Error ? err : conflict(String(err))));
  const stop = (): void => void input.destroy();
  signal?.addEventListener('abort', stop, { once: true });
  try {
    let head: Buffer = Buffer.alloc(0);
    for await (const chunk of input) {
      const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
      if (head.length < 4) head = Buffer.concat([head, bytes.subarray(0, 4)]);
      const wait = writer.write(bytes);
      if (wait !== undefined) await wait;
    }
    throwIfAborted(signal);
    await writer.flush();
    growing.end();
    const [{ diffId }, { digest, size }] = await Promise.all([applied, writer.commit()]);
    return { diffId, blob: { mediaType: typeOf(head), digest, size } };
  } catch (err) {
    growing.fail();
    await writer.abort();
    await applied.catch(() => {});
    throwIfAborted(signal);
    throw err;
  } finally {
    signal?.removeEventListener('abort', stop);
    closeSync(fd);
  }
}

function typeOf(head: Buffer): string {
  if (head[0] === 0x1f && head[1] === 0x8b) return MEDIA.dockerLayerGzip;
  return head.length >= 4 && head.readUInt32BE(0) === 0x28b52ffd ? MEDIA.ociLayerZstd : MEDIA.dockerLayer;
}
