/** Decompression by magic number, bounded against bombs. */
import { Transform, type TransformCallback } from 'node:stream';
import zlib from 'node:zlib';
import { dataLoss, invalidParameter, messageOf, notImplemented, type WharfError } from '../errdefs/index.ts';
import type { ApplyLimits } from './types.ts';

export type Compression = 'none' | 'gzip' | 'zstd';

const CHUNK = 1 << 19;
/** Up to here no ratio is too much: small archives of zeros are common. */
const RATIO_FROM = 1 << 26;

/** What the first bytes (six are enough) say. Throws NotImplemented for what Docker knows and we do not. */
export function detectCompression(head: Buffer): Compression {
  const starts = (...bytes: number[]): boolean => bytes.every((b, i) => head[i] === b);
  if (starts(0x1f, 0x8b)) return 'gzip';
  if (starts(0x28, 0xb5, 0x2f, 0xfd)) return 'zstd';
  // A skippable frame may come first (RFC 8878, 3.1.2).
  if (head.length >= 4 && (head[0]! & 0xf0) === 0x50 && starts(head[0]!, 0x2a, 0x4d, 0x18)) return 'zstd';
  if (starts(0x42, 0x5a, 0x68)) throw notImplemented('bzip2 compressed layers are not supported');
  if (starts(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0)) throw notImplemented('xz compressed layers are not supported');
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
    return dataLoss('unexpected EOF: the compressed layer is truncated', { code: 'truncated', cause: err });
  }
  return dataLoss(`the compressed layer is corrupt: ${messageOf(err)}`, { code: 'corrupt', cause: err });
}

/** The error for a layer that grew beyond one of the bounds, or undefined. */
export function exceeded(limits: ApplyLimits, compressed: number, plain: number): WharfError | undefined {
  if (plain > limits.maxBytes) {
    return invalidParameter(`invalid layer: more than ${limits.maxBytes} bytes uncompressed`, {
      code: 'layer_too_large',
    });
  }
  if (plain > RATIO_FROM && plain > compressed * limits.maxRatio) {
    return invalidParameter(
      `invalid layer: ${compressed} bytes became ${plain}, more than ${limits.maxRatio} times as many`,
      { code: 'decompression_bomb' },
    );
  }
  return undefined;
}

/** Counts and hands on. */
export class Meter extends Transform {
  bytes = 0;

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.bytes += chunk.length;
    done(null, chunk);
  }
}
