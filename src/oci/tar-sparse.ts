/** Maps of sparse files: the check that they make sense, and the map that pax format 1.0 puts before the data. */
import { BLOCK, badArchive } from './tar-header.ts';
import { addSegment } from './tar-pax.ts';
import type { SparseSegment } from './tar-types.ts';

/** Refuses segments out of order, overlapping, beyond `size`, or not adding up to the `stored` bytes. */
export function checkSparse(segments: readonly SparseSegment[], size: number, stored: number): void {
  let end = 0;
  let sum = 0;
  for (const { offset, length } of segments) {
    if (offset < end || length < 0) throw badArchive('sparse segments overlap');
    end = offset + length;
    sum += length;
  }
  if (end > size || sum !== stored) throw badArchive('sparse segments do not fit the file');
}

const NEWLINE = 0x0a;
const ZERO = 0x30;

/** Reads `count\n` and then `offset\nlength\n` pairs, padded to whole blocks. */
export class SparseMapReader {
  readonly segments: SparseSegment[] = [];
  #count: number | undefined;
  #digits = 0;
  #value = 0;
  #offset: number | undefined;

  /** Takes a block; true when the map is complete. */
  block(buf: Buffer, at: number): boolean {
    for (let i = at; i < at + BLOCK; i++) {
      const c = buf[i]!;
      if (c === NEWLINE) {
        if (this.#number()) return true;
        continue;
      }
      const digit = c - ZERO;
      if (digit < 0 || digit > 9 || ++this.#digits > 16) throw badArchive('bad sparse map');
      this.#value = this.#value * 10 + digit;
    }
    return false;
  }

  #number(): boolean {
    const value = this.#value;
    if (this.#digits === 0 || !Number.isSafeInteger(value)) throw badArchive('bad sparse map');
    this.#digits = 0;
    this.#value = 0;
    if (this.#count === undefined) this.#count = value;
    else if (this.#offset === undefined) this.#offset = value;
    else {
      addSegment(this.segments, this.#offset, value);
      this.#offset = undefined;
    }
    return this.segments.length === this.#count;
  }
}
