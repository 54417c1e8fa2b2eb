/** Decompression by magic number. */
import type { Transform } from 'node:stream';
import zlib from 'node:zlib';
import { dataLoss, messageOf, notImplemented } from '../errdefs/index.ts';

export type Compression = 'none' | 'gzip' | 'zstd';

const CHUNK = 1 << 19;

/** What the first bytes (six are enough) say. Throws NotImplemented for what Docker knows and we do not. */
export function detectCompression(head: Buffer): Compression {
  const starts = (...bytes: number[]): boolean => bytes.every((b, i) => head[i] === b);
  if (starts(0x1f, 0x8b)) return 'gzip';
  if (starts(0x28, 0xb5, 0x2f, 0xfd)) return 'zstd';
  // A skippable frame may come first (RFC 8878, 3.1.2).
  if (head.length >= 4 && (head[0]! & 0xf0) === 0x50 && starts(head[0]!, 0x2a, 0x4d, 0x18)) return 'zstd';
  if (starts(0x42, 0x5a, 0x68)) throw notImplemented('bzip2 compressed archives are not supported');
  if (starts(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0))
    throw notImplemented('xz compressed archives are not supported');
  return 'none';
}

/** The decompressor, or undefined for plain data. It runs in libuv's threads and reads some chunks ahead. */
export function createDecompressor(compression: Compression): Transform | undefined {
  const options = { chunkSize: CHUNK, highWaterMark: 4 * CHUNK };
  if (compression === 'gzip') return zlib.createGunzip(options);
  if (compression === 'zstd') return zlib.createZstdDecompress(options);
  return undefined;
}

/** zlib's and zstd's errors in our terms; others as they are. */
export function explainDecompression(err: unknown): unknown {
  const code = err instanceof Error && 'code' in err ? String(err.code) : '';
  if (!/^(Z_|ZSTD_|ERR_ZSTD)/.test(code)) return err;
  if (code === 'Z_BUF_ERROR') {
    return dataLoss('unexpected EOF: the compressed archive is truncated', { code: 'truncated', cause: err });
  }
  return dataLoss(`the compressed archive is corrupt: ${messageOf(err)}`, { code: 'corrupt', cause: err });
}

/** Cuts off the first bytes of an archive for the look at the magic number, and puts them back. */
export async function peekSource(
  source: AsyncIterable<Buffer>,
): Promise<{ head: Buffer; all: AsyncGenerator<Buffer> }> {
  const iterator = source[Symbol.asyncIterator]();
  let head: Buffer = Buffer.alloc(0);
  while (head.length < 6) {
    const { value, done } = await iterator.next();
    if (done) break;
    head = head.length === 0 ? value : Buffer.concat([head, value]);
  }
  const all = async function* (): AsyncGenerator<Buffer> {
    try {
      yield head;
      for (;;) {
        const { value, done } = await iterator.next();
        if (done) return;
        yield value;
      }
    } finally {
      await iterator.return?.();
    }
  };
  return { head, all: all() };
}
