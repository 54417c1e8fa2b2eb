/** Configs: small blobs that several operations may want at once. */
import { fetchBlob, type Repository, throwIfAborted } from '../distribution/index.ts';
import type { Descriptor, Digest } from '../oci/index.ts';
import type { Room } from './room.ts';

const running = new Map<Digest, Promise<unknown>>();

/** Makes the content store have the blob. Those who want the same one wait for the first, or try when it fails. */
export async function fetchSmallBlob(
  room: Room,
  repository: Repository,
  descriptor: Descriptor,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { digest } = descriptor;
  for (;;) {
    throwIfAborted(signal);
    if (room.content.has(digest)) return;
    const other = running.get(digest);
    if (other === undefined) break;
    await other.catch(() => {});
  }
  const options = { repository, content: room.content, descriptor, ...(signal && { signal }) };
  const mine = fetchBlob(options).finally(() => running.delete(digest));
  running.set(digest, mine);
  await mine;
}
