/**
 * Reading an archive member by member from a stream, for whoever wants contents rather than files on disk (image
 * archives, uploads). The stream is only read as fast as the members are.
 */
import { invalidParameter } from '../errdefs/index.ts';
import { type TarLimits, TarParser } from './tar-parser.ts';
import type { TarEntry } from './tar-types.ts';

/** One member of an archive. Its body must be read before the next member is asked for; else it is skipped. */
export interface TarMember {
  entry: TarEntry;
  /** The content as it is stored, in order; of a sparse file only the data, without its holes. Once only. */
  body(): AsyncGenerator<Buffer, void, void>;
  /** The whole content; throws InvalidParameter when it is more than `max` bytes. */
  bytes(max: number): Promise<Buffer>;
}

type Event = TarEntry | Buffer | 'end';

/**
 * The members of the tar archive in `source` (not compressed). Throws InvalidParameter for what is no archive and
 * DataLoss for one that is cut off. Leaving the loop early ends the stream.
 *
 * ```ts
 * for await (const member of readTar(stream)) {
 *   if (member.entry.name.toString() === 'manifest.json') manifest = await member.bytes(1 << 20);
 * }
 * ```
 */
export async function* readTar(
  source: AsyncIterable<Uint8Array>,
  limits: Partial<TarLimits> = {},
): AsyncGenerator<TarMember, void, void> {
  const events: Event[] = [];
  const parser = new TarParser(
    {
      entry: (entry) => void events.push(entry),
      data: (chunk) => void events.push(chunk), // a stream's chunks are not reused: the view stays good
      endEntry: () => void events.push('end'),
    },
    limits,
  );
  const chunks = source[Symbol.asyncIterator]();
  let next = 0;
  let exhausted = false;
  const take = async (): Promise<Event | undefined> => {
    while (next === events.length) {
      if (exhausted) return undefined;
      events.length = 0;
      next = 0;
      const { value, done } = await chunks.next();
      if (done) {
        exhausted = true;
        parser.end();
      } else {
        parser.write(Buffer.from(value.buffer, value.byteOffset, value.byteLength));
      }
    }
    return events[next++];
  };

  try {
    for (;;) {
      let event = await take();
      if (event === undefined) return;
      if (event === 'end' || Buffer.isBuffer(event)) throw new Error('unreachable: data without an entry');
      let open = true;
      const body = async function* (): AsyncGenerator<Buffer, void, void> {
        while (open) {
          const event = await take();
          if (Buffer.isBuffer(event)) yield event;
          else open = false;
        }
      };
      yield { entry: event, body, bytes: (max) => collect(body(), max) };
      while (open) {
        event = await take();
        if (!Buffer.isBuffer(event)) open = false;
      }
    }
  } finally {
    await chunks.return?.();
  }
}

async function collect(body: AsyncIterable<Buffer>, max: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > max) throw invalidParameter(`archive member is larger than ${max} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}
