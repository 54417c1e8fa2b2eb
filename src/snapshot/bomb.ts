/** Bounds against decompression bombs. */
import { Transform, type TransformCallback } from 'node:stream';
import { invalidParameter, type WharfError } from '../errdefs/index.ts';
import type { ApplyLimits } from './types.ts';

/** Up to here no ratio is too much: small archives of zeros are common. */
const RATIO_FROM = 1 << 26;

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
