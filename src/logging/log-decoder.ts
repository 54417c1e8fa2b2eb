/**
 * From json-file lines to what the Engine API's `logs` gives. Lines of the exact shape that the shim writes,
 *
 *     {"log":"…\n","stream":"stdout","time":"2026-…Z"}
 *
 * are taken apart as bytes; any other goes through JSON.parse, and what is not a log line at all (a torn one after a
 * crash) is left out.
 */

export interface LogDecoderOptions {
  stdout: boolean;
  stderr: boolean;
  /** Nanoseconds since 1970. */
  since?: bigint;
  until?: bigint;
  timestamps: boolean;
  details?: boolean;
  tty: boolean;
}

/** What one piece of a log gave. */
export interface Decoded {
  output: Buffer;
  /** A line later than `until` was met: nothing that follows is wanted. */
  ended: boolean;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const FEED = 0x0a;
const DIGIT_0 = 0x30;
const START = Buffer.from('{"log":"');
const STDOUT = Buffer.from(',"stream":"stdout","time":"');
const STDERR = Buffer.from(',"stream":"stderr","time":"');
/** Where the two differ first. */
const STREAM_AT = 14;
const HEADER = 8;
/** `2026-11-24T01:34:47.123456789Z`: fixed width, so that times compare as bytes. */
const TIME = 30;
const SECONDS = 19;
/** A line longer than this is none of ours: 16 KiB of output, sixfold, and attributes. */
const MAX_LINE = 1024 * 1024;

/** RFC 3339 in UTC with nine digits of the second. */
export function fixedTime(ns: bigint): string {
  const seconds = ns / 1_000_000_000n;
  const rest = ns % 1_000_000_000n;
  return `${new Date(Number(seconds) * 1000).toISOString().slice(0, SECONDS)}.${String(rest).padStart(9, '0')}Z`;
}

/** Room before the first line, so that what is written never overtakes what is still to be read. */
const SLACK = Buffer.alloc(64);
const NONE = Buffer.alloc(0);

/**
 * Works in place: what a line becomes (header, time, text) is shorter than the line, and is put where earlier lines
 * were. Text is found and moved by native calls (about 20 ns each), byte by byte only where escapes are in its midst.
 */
export class LogDecoder {
  readonly #options: LogDecoderOptions;
  readonly #since: Buffer | undefined;
  readonly #until: Buffer | undefined;
  readonly #time = Buffer.alloc(TIME);
  #rest: Buffer = NONE;
  #bytes: Buffer = NONE;
  #used = 0;
  #ended = false;
  /** Output that did not fit in its line's place: attributes may grow when they are escaped. */
  #done: Buffer[] = [];

  constructor(options: LogDecoderOptions) {
    this.#options = options;
    if (options.since !== undefined) this.#since = Buffer.from(fixedTime(options.since));
    if (options.until !== undefined) this.#until = Buffer.from(fixedTime(options.until));
  }

  /** Takes the next piece of the log, which may end within a line; that is kept for the next time. */
  decode(piece: Buffer): Decoded {
    const bytes = Buffer.concat([SLACK, this.#rest, piece]);
    const limit = bytes.lastIndexOf(FEED) + 1;
    const left = bytes.length - Math.max(limit, SLACK.length);
    this.#rest = left > MAX_LINE ? NONE : Buffer.from(bytes.subarray(bytes.length - left));
    this.#bytes = bytes;
    this.#used = 0;
    this.#ended = false;
    for (let at = SLACK.length; at < limit && !this.#ended; ) at = this.#line(at);
    const last = bytes.subarray(0, this.#used);
    const output = this.#done.length === 0 ? last : Buffer.concat([...this.#done, last]);
    this.#done = [];
    this.#bytes = NONE;
    return { output, ended: this.#ended };
  }

  /** Bytes taken that belong to a line which is not whole yet. */
  get pending(): number {
    return this.#rest.length;
  }

  /** A file has ended: the line that it has not finished will not be finished. */
  reset(): void {
    this.#rest = NONE;
  }

  /** Where the text of the next line goes. */
  get #body(): number {
    return this.#used + (this.#options.tty ? 0 : HEADER) + (this.#options.timestamps ? TIME + 1 : 0);
  }

  /** Decodes the line at `start`, which does end with a line feed. Returns where the next begins. */
  #line(start: number): number {
    const bytes = this.#bytes;
    if (this.#options.details === true || bytes[start + 1] !== QUOTE || bytes[start + 2] !== 0x6c) {
      return this.#slowLine(start);
    }
    for (let i = 0; i < START.length; i++) if (bytes[start + i] !== START[i]) return this.#slowLine(start);
    const text = start + START.length;
    let quote = bytes.indexOf(QUOTE, text);
    const backslash = bytes.indexOf(BACKSLASH, text);
    const plain = backslash === -1 || backslash > quote;
    // Mostly the only escape is the line feed at the end.
    const simple = plain || (backslash === quote - 2 && bytes[backslash + 1] === 0x6e);
    if (!simple) quote = endOfString(bytes, text);
    if (quote === -1) return this.#slowLine(start);
    const at = quote + 1;
    const expected = bytes[at + STREAM_AT] === STDOUT[STREAM_AT] ? STDOUT : STDERR;
    for (let i = 0; i < expected.length; i++) if (bytes[at + i] !== expected[i]) return this.#slowLine(start);
    const next = this.#takeTime(bytes, at + expected.length);
    if (next === 0) return this.#slowLine(start);
    if (!this.#isWanted(expected === STDOUT)) return next;

    const body = this.#body;
    let end: number;
    if (!simple) {
      end = decodeString(bytes, text, quote, body);
    } else {
      const stop = plain ? quote : backslash;
      bytes.copyWithin(body, text, stop);
      end = body + stop - text;
      if (!plain) bytes[end++] = FEED;
    }
    this.#finish(end, expected === STDOUT ? 1 : 2);
    return next;
  }

  /** Reads `TIME"}\n` into #time. Returns where the next line begins; 0 when it is not that. */
  #takeTime(bytes: Buffer, start: number): number {
    const time = this.#time;
    let at = start;
    for (let i = 0; i < SECONDS; i++) time[i] = bytes[at++]!;
    if (time[10] !== 0x54) return 0;
    let digits = SECONDS;
    time[digits++] = 0x2e;
    if (bytes[at] === 0x2e) {
      at++;
      for (let byte = bytes[at]!; byte >= DIGIT_0 && byte <= 0x39 && digits < TIME - 1; byte = bytes[++at]!)
        time[digits++] = byte;
    }
    while (digits < TIME - 1) time[digits++] = DIGIT_0;
    time[digits] = 0x5a;
    const isEnd =
      bytes[at] === 0x5a && bytes[at + 1] === QUOTE && bytes[at + 2] === 0x7d && bytes[at + 3] === FEED;
    return isEnd ? at + 4 : 0;
  }

  /** Whether the line with time #time is asked for. */
  #isWanted(isStdout: boolean): boolean {
    if (this.#since !== undefined && Buffer.compare(this.#time, this.#since) < 0) return false;
    if (this.#until !== undefined && Buffer.compare(this.#time, this.#until) > 0) {
      this.#ended = true;
      return false;
    }
    return isStdout ? this.#options.stdout : this.#options.stderr;
  }

  /** Puts header and time before the text that is already in its place and ends at `end`. */
  #finish(end: number, stream: 1 | 2): void {
    const out = this.#bytes;
    let at = this.#used;
    if (!this.#options.tty) {
      const size = end - at - HEADER;
      out[at] = stream;
      out[at + 1] = out[at + 2] = out[at + 3] = 0;
      out[at + 4] = size >>> 24;
      out[at + 5] = size >>> 16;
      out[at + 6] = size >>> 8;
      out[at + 7] = size;
      at += HEADER;
    }
    if (this.#options.timestamps) {
      for (let i = 0; i < TIME; i++) out[at++] = this.#time[i]!;
      out[at] = 0x20;
    }
    this.#used = end;
  }

  #slowLine(start: number): number {
    const next = this.#bytes.indexOf(FEED, start) + 1;
    const line = parseLine(this.#bytes.toString('utf8', start, next));
    if (line === undefined) return next;
    this.#time.write(line.time, 'latin1');
    if (!this.#isWanted(line.stream === 'stdout')) return next;
    const details = this.#options.details === true ? `${detailsOf(line.attrs)} ` : '';
    const text = Buffer.concat([Buffer.from(details), bytesOf(line.log)]);
    const stream = line.stream === 'stdout' ? 1 : 2;
    if (this.#body + text.length <= next) {
      text.copy(this.#bytes, this.#body);
      this.#finish(this.#body + text.length, stream);
      return next;
    }
    const bytes = this.#bytes;
    this.#done.push(Buffer.from(bytes.subarray(0, this.#used)));
    this.#used = 0;
    this.#bytes = Buffer.allocUnsafe(this.#body + text.length);
    text.copy(this.#bytes, this.#body);
    this.#finish(this.#bytes.length, stream);
    this.#done.push(this.#bytes);
    this.#bytes = bytes;
    this.#used = 0;
    return next;
  }
}

/** Where the JSON string that goes on at `start` has its closing quote; -1: there is an escape that the shim does not write. */
function endOfString(bytes: Buffer, start: number): number {
  for (let at = start; ; at++) {
    const byte = bytes[at];
    if (byte === QUOTE) return at;
    if (byte === FEED || byte === undefined) return -1;
    if (byte !== BACKSLASH) continue;
    const escaped = bytes[++at];
    if (escaped === 0x75) {
      if (unicodeAt(bytes, at + 1) === -1) return -1;
      at += 4;
    } else if (escaped !== 0x6e && escaped !== 0x72 && escaped !== QUOTE && escaped !== BACKSLASH) return -1;
  }
}

/** Decodes the JSON string from `start` to `end`, which {@link endOfString} has seen, to `to`, which is not behind it. Returns where that ends. */
function decodeString(bytes: Buffer, start: number, end: number, to: number): number {
  let out = to;
  for (let at = start; at < end; ) {
    const byte = bytes[at++]!;
    if (byte !== BACKSLASH) {
      bytes[out++] = byte;
      continue;
    }
    const escaped = bytes[at++]!;
    if (escaped === 0x75) {
      out = putCharacter(bytes, out, unicodeAt(bytes, at));
      at += 4;
    } else {
      bytes[out++] = escaped === 0x6e ? FEED : escaped === 0x72 ? 0x0d : escaped;
    }
  }
  return out;
}

/** The lone surrogates by which the shim keeps bytes that are no UTF-8: U+DC00 and the byte. */
const isByte = (code: number): boolean => code >= 0xdc80 && code <= 0xdcff;
const LONE_BYTES = /(?<![\ud800-\udbff])([\udc80-\udcff])/;

/** The bytes of a text with such surrogates. */
function bytesOf(text: string): Buffer {
  if (text.isWellFormed()) return Buffer.from(text);
  const parts = text
    .split(LONE_BYTES)
    .map((part, i) => (i % 2 === 0 ? Buffer.from(part) : Buffer.from([part.charCodeAt(0) & 0xff])));
  return Buffer.concat(parts);
}

/** The character of the four hexadecimal digits at `at`; -1: not digits, or a surrogate that is no byte. */
function unicodeAt(bytes: Buffer, at: number): number {
  let code = 0;
  for (let i = 0; i < 4; i++) {
    const byte = bytes[at + i] ?? 0;
    const letter = byte | 0x20;
    const digit = byte >= DIGIT_0 && byte <= 0x39 ? byte - DIGIT_0 : letter - 0x57;
    if (digit < 0 || digit > 15 || (digit > 9 && letter < 0x61)) return -1;
    code = code * 16 + digit;
  }
  const surrogate = code >= 0xd800 && code <= 0xdfff;
  return surrogate && !isByte(code) ? -1 : code;
}

/** Writes a character of the basic plane as UTF-8 at `to`, or the byte it stands for. Returns where it ends. */
function putCharacter(bytes: Buffer, to: number, code: number): number {
  let out = to;
  if (code < 0x80) {
    bytes[out++] = code;
  } else if (isByte(code)) {
    bytes[out++] = code & 0xff;
  } else if (code < 0x800) {
    bytes[out++] = 0xc0 | (code >> 6);
    bytes[out++] = 0x80 | (code & 0x3f);
  } else {
    bytes[out++] = 0xe0 | (code >> 12);
    bytes[out++] = 0x80 | ((code >> 6) & 0x3f);
    bytes[out++] = 0x80 | (code & 0x3f);
  }
  return out;
}

interface LogLine {
  log: string;
  stream: string;
  /** In the fixed form. */
  time: string;
  attrs: Readonly<Record<string, unknown>>;
}

function parseLine(text: string): LogLine | undefined {
  try {
    const line = JSON.parse(text) as Partial<LogLine> | null;
    if (typeof line?.time !== 'string') return undefined;
    const time = normalizeTime(line.time);
    if (time === undefined) return undefined;
    const { log = '', stream = 'stdout', attrs = {} } = line;
    return { log: String(log), stream, time, attrs: typeof attrs === 'object' ? attrs : {} };
  } catch {
    return undefined;
  }
}

/** Any RFC 3339 time in the fixed form. */
function normalizeTime(text: string): string | undefined {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:\d\d)$/.exec(text);
  if (match === null) return undefined;
  const [, whole, fraction = '', zone = 'Z'] = match;
  const ms = Date.parse(`${whole}${zone}`);
  if (Number.isNaN(ms)) return undefined;
  return `${new Date(ms).toISOString().slice(0, SECONDS)}.${fraction.padEnd(9, '0')}Z`;
}

/** `key=value,…` by key, each escaped as in a query string, as the Engine API has `details`. */
function detailsOf(attrs: Readonly<Record<string, unknown>>): string {
  const quote = (text: string): string => new URLSearchParams([['', text]]).toString().slice(1);
  return Object.keys(attrs)
    .sort()
    .map((key) => `${quote(key)}=${quote(String(attrs[key]))}`)
    .join(',');
}
