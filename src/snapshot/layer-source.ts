/** Where a worker gets the bytes of a layer archive from, when not from messages: a file, or one that still grows. */
import fs from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { dataLoss } from '../errdefs/index.ts';
import { GrowthReader } from './growing-file.ts';

/** Small enough to stay in the processor's cache between being read, hashed and written. */
const CHUNK = 1 << 18;
/** Bytes between two turns of the event loop. */
const TURN = 1 << 21;

/** Buffers that were read from and are free again: fresh memory costs the kernel as much as a copy. */
export class ChunkPool {
  readonly #free: Buffer[] = [];

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(CHUNK);
  }

  /** Takes back a chunk that nobody looks at any more; others than ours are ignored. */
  give(chunk: Buffer): void {
    if (chunk.buffer.byteLength === CHUNK && this.#free.length < 8)
      this.#free.push(Buffer.from(chunk.buffer));
  }
}

export interface FileSource {
  path: string;
  offset: number;
  /** To the end of the file when undefined. */
  length: number | undefined;
  /** `GrowingFile.shared`, for a file that another thread is writing. */
  growing: SharedArrayBuffer | undefined;
}

/**
 * The file's bytes in pieces, which may be given back to `pool`. It lets the event loop turn between them, so that a cancellation is heard.
 * Throws DataLoss when the file ends before `length`, or its writer gave up.
 */
export async function* readLayerFile(
  source: FileSource,
  pool: ChunkPool = new ChunkPool(),
): AsyncGenerator<Buffer, void, void> {
  const fd = fs.openSync(source.path, 'r');
  try {
    const growth = source.growing === undefined ? undefined : new GrowthReader(source.growing);
    const end = source.length === undefined ? Number.POSITIVE_INFINITY : source.offset + source.length;
    let at = source.offset;
    let turn = at + TURN;
    while (at < end) {
      let available = end - at;
      if (growth) {
        const { written, state } = growth.now();
        available = Math.min(written, end) - at;
        if (available <= 0) {
          if (state === 'failed')
            throw dataLoss('the layer could not be read to its end', { code: 'truncated' });
          if (state === 'complete') break;
          await growth.change(at);
          yield Buffer.alloc(0); // the consumer looks whether it was cancelled
          continue;
        }
      }
      const buffer = pool.take();
      const n = fs.readSync(fd, buffer, 0, Math.min(CHUNK, available), at);
      if (n === 0) break;
      at += n;
      yield n === CHUNK ? buffer : buffer.subarray(0, n);
      if (at >= turn) {
        turn = at + TURN;
        await setImmediate();
      }
    }
    if (source.length !== undefined && at < end) {
      throw dataLoss(`unexpected EOF: ${end - at} bytes of the layer are missing`, { code: 'truncated' });
    }
  } finally {
    fs.closeSync(fd);
  }
}
