/** Unpacking one layer archive: decompress, hash, parse and write, in one pass over a stream. */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createDecompressor, detectCompression, explainDecompression, peekSource } from '../archive/index.ts';
import { cancelled, dataLoss, invalidParameter, WharfError } from '../errdefs/index.ts';
import { type Digest, TarParser } from '../oci/index.ts';
import { exceeded, Meter } from './bomb.ts';
import { LayerWriter } from './layer-writer.ts';
import type { ApplyLimits } from './types.ts';

/** What is written down about a layer next to its files. */
export interface LayerMeta {
  diffId: Digest;
  /** Bytes of the regular files. */
  size: number;
  entries: number;
  /** It hides all layers below it. */
  opaqueRoot: boolean;
  /** Its directories that the archive only implies (byte strings; empty is the root): see `implied-dirs.ts`. */
  implied: string[];
  /** The boot it was made in: until it is known to be on the disk, it is only believed during this boot. */
  bootId: string;
}

export type UnpackResult = Omit<LayerMeta, 'bootId'>;

export interface UnpackOptions {
  /** The archive, perhaps compressed. */
  source: AsyncIterable<Buffer>;
  /** An empty directory: the layer's root. */
  target: string;
  limits: ApplyLimits;
  diffId: Digest | undefined;
  /** Told of chunks of the source that are no longer needed. */
  recycle?: (chunk: Buffer) => void;
  /** Asked between chunks. */
  isCancelled: () => boolean;
  /** Compressed bytes so far; called for every chunk. */
  onProgress: (bytes: number) => void;
}

/** Bytes between two looks at the free space. */
const SPACE_STEP = 1 << 26;
/** What may follow the end of the archive: tar pads to its record size. */
const MAX_TRAILER = 1 << 26;

function umask(): number {
  const line = /^Umask:\s*([0-7]+)$/m.exec(fs.readFileSync('/proc/self/status', 'latin1'));
  return line === null ? 0o777 : Number.parseInt(line[1]!, 8);
}

/**
 * Unpacks into `target`. Throws InvalidParameter for a hostile or malformed archive, DataLoss for a truncated or
 * corrupt one or one that is not `diffId`, Cancelled; `target` is then in any state, but nothing outside it changed.
 */
export async function unpackLayer(options: UnpackOptions): Promise<UnpackResult> {
  const { target, limits, diffId } = options;
  const writer = new LayerWriter(target, { maxEntries: limits.maxEntries, umask: umask() });
  const parser = new TarParser(writer);
  const hash = createHash('sha256');
  const meter = new Meter({ highWaterMark: 1 << 21 });
  let plain = 0;
  let trailer = 0;
  let spaceCheck = 0;

  const check = (): void => {
    if (options.isCancelled()) throw cancelled('unpacking the layer was cancelled');
  };
  const take = (chunk: Buffer, compressed: number): void => {
    check();
    plain += chunk.length;
    const bomb = exceeded(limits, compressed, plain);
    if (bomb) throw bomb;
    if (plain >= spaceCheck) {
      spaceCheck = plain + SPACE_STEP;
      checkSpace(target, limits);
    }
    hash.update(chunk);
    if (parser.ended) {
      trailer += chunk.length;
      if (trailer > MAX_TRAILER)
        throw invalidParameter('invalid layer: too much data after the end of the archive');
    } else parser.write(chunk);
  };

  try {
    // Empty chunks come while a growing file does not grow: they only give the chance to stop.
    const source = async function* (): AsyncGenerator<Buffer> {
      for await (const chunk of options.source) {
        check();
        if (chunk.length > 0) yield chunk;
      }
    };
    const { head, all } = await peekSource(source());
    const decompressor = createDecompressor(detectCompression(head));
    if (decompressor === undefined) {
      let bytes = 0;
      for await (const chunk of all) {
        bytes += chunk.length;
        take(chunk, bytes);
        options.recycle?.(chunk);
        options.onProgress(bytes);
      }
    } else {
      await pipeline(
        Readable.from(all, { objectMode: false, highWaterMark: 1 << 21 }),
        meter,
        decompressor,
        async (chunks: AsyncIterable<Buffer>) => {
          for await (const chunk of chunks) {
            take(chunk, meter.bytes);
            options.onProgress(meter.bytes);
          }
        },
      );
    }
    parser.end();
    const actual: Digest = `sha256:${hash.digest('hex')}`;
    if (diffId !== undefined && actual !== diffId) {
      throw dataLoss(`layer does not match its diffID: expected ${diffId}, got ${actual}`, {
        code: 'digest_mismatch',
      });
    }
    writer.finish();
    const { size, entries, opaqueRoot, implied } = writer;
    return { diffId: actual, size, entries, opaqueRoot, implied };
  } catch (err) {
    throw explainDecompression(err);
  } finally {
    writer.close();
  }
}

function checkSpace(target: string, limits: ApplyLimits): void {
  const { bavail, bsize } = fs.statfsSync(target);
  if (bavail * bsize >= limits.minFreeBytes) return;
  throw new WharfError('System', 'failed to unpack the layer: no space left on device', {
    code: 'ENOSPC',
    hint: `less than ${Math.round(limits.minFreeBytes / 1e6)} MB are free; remove unused images or containers`,
  });
}
