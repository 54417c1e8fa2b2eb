/** From the decoder's frames with time stamps to messages: lines without their feed, pieces of long lines numbered. */
import { randomBytes } from 'node:crypto';
import type { LogMessage, PartialLine } from './sender.ts';

const HEADER = 8;
/** `2026-11-24T01:34:47.123456789Z` and a blank. */
const TIME = 30;
const FEED = 0x0a;
/** The shim cuts a longer line into pieces of this size; a shorter one without a feed is what was left at the end. */
const LOG_PIECE = 16 * 1024;

export class MessageReader {
  /** Of the long line that each stream is in. */
  readonly #open: Partial<Record<'stdout' | 'stderr', { id: string; ordinal: number }>> = {};

  read(frames: Buffer): LogMessage[] {
    const messages: LogMessage[] = [];
    for (let at = 0; at + HEADER <= frames.length; ) {
      const length = frames.readUInt32BE(at + 4);
      const body = frames.subarray(at + HEADER, at + HEADER + length);
      messages.push(this.#message(frames[at] === 2 ? 'stderr' : 'stdout', body));
      at += HEADER + length;
    }
    return messages;
  }

  #message(stream: 'stdout' | 'stderr', body: Buffer): LogMessage {
    const time = body.toString('latin1', 0, TIME);
    const whole = body.at(-1) === FEED;
    const text = body.subarray(TIME + 1, whole ? -1 : undefined);
    const partial = this.#partial(stream, !whole && text.length >= LOG_PIECE);
    return { stream, time, text, ...(partial && { partial }) };
  }

  #partial(stream: 'stdout' | 'stderr', goesOn: boolean): PartialLine | undefined {
    const open = this.#open[stream];
    if (open === undefined && !goesOn) return undefined;
    const line = open ?? { id: randomBytes(32).toString('hex'), ordinal: 0 };
    line.ordinal++;
    this.#open[stream] = goesOn ? line : undefined;
    return { id: line.id, ordinal: line.ordinal, last: !goesOn };
  }
}
