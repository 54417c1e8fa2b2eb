/**
 * From json-file lines to what the Engine API's `logs` gives. Lines of the exact shape that the shim writes,
 *
 *     {"log":"…\n","stream":"stdout","time":"2026-…Z"}
 *
 * are taken apart byte by byte in one pass (about 1 ns a byte); any other goes through JSON.parse, and what is not a
 * log line at all (a torn one after a crash) is left out.
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

export class LogDecoder {
  readonly #options: LogDecoderOptions;
  readonly #since: Buffer | undefined;
  readonly #until: Buffer | undefined;
  readonly #time = Buffer.alloc(TIME);
  #rest: Buffer | undefined;
  #out = Buffer.alloc(0);
  #used = 0;
  #ended = false;

  constructor(options: LogDecoderOptions) {
    this.#options = options;
    if (options.since !== undefined) this.#since = Buffer.from(fixedTime(options.since));
    if (options.until !== undefined) this.#until = Buffer.from(fixedTime(options.until));
  }

  /** Takes the next piece of the log, which may end within a line; that is kept for the next time. */
  decode(piece: Buffer): Decoded {
    const bytes = this.#rest === undefined ? piece : Buffer.concat([this.#rest, piece]);
    const limit = bytes.lastIndexOf(FEED) + 1;
    this.#rest = limit < bytes.length && bytes.length - limit <= MAX_LINE ? bytes.subarray(limit) : undefined;
    // What a line becomes (frame header, time, text) is shorter than the line.
    this.#out = Buffer.allocUnsafeSlow(limit);
    this.#used = 0;
    this.#ended = false;
    for (let at = 0; at < limit && !this.#ended; ) at = this.#line(bytes, at);
    return { output: this.#out.subarray(0, this.#used), ended: this.#ended };
  }

  /** A file has ended: the line that it has not finished will not be finished. */
  reset(): void {
    this.#rest = undefined;
  }

  /** Decodes the line at `start`, which does end with a line feed. Returns where the next begins. */
  #line(bytes: Buffer, start: number): number {
    const out = this.#out;
    const { timestamps, tty } = this.#options;
    const from = this.#used;
    const head = from + (tty ? 0 : HEADER);
    let to = head + (timestamps ? TIME + 1 : 0);
    for (let i = 0; i < START.length; i++)
      if (bytes[start + i] !== START[i]) return this.#slowLine(bytes, start);
    let at = start + START.length;
    for (;;) {
      const byte = bytes[at++]!;
      if (byte > BACKSLASH || (byte !== BACKSLASH && byte !== QUOTE && byte >= 0x20)) {
        out[to++] = byte;
      } else if (byte === QUOTE) {
        break;
      } else if (byte !== BACKSLASH) {
        return this.#slowLine(bytes, start);
      } else {
        const escaped = bytes[at++];
        if (escaped === 0x6e) out[to++] = FEED;
        else if (escaped === 0x72) out[to++] = 0x0d;
        else if (escaped === QUOTE || escaped === BACKSLASH) out[to++] = escaped;
        else if (escaped === 0x75) {
          const written = putUnicode(bytes, at, out, to);
          if (written === 0) return this.#slowLine(bytes, start);
          at += 4;
          to += written;
        } else return this.#slowLine(bytes, start);
      }
    }
    const expected = bytes[at + STREAM_AT] === STDOUT[STREAM_AT] ? STDOUT : STDERR;
    for (let i = 0; i < expected.length; i++) {
      if (bytes[at + i] !== expected[i]) return this.#slowLine(bytes, start);
    }
    at = this.#takeTime(bytes, at + expected.length);
    if (at === 0 || this.#options.details === true) return this.#slowLine(bytes, start);
    if (this.#isWanted(expected === STDOUT)) this.#finish(from, to, expected === STDOUT ? 1 : 2);
    return at;
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

  /** Puts header and time before the text that is already in its place. */
  #finish(from: number, to: number, stream: 1 | 2): void {
    const out = this.#out;
    let at = from;
    if (!this.#options.tty) {
      const size = to - from - HEADER;
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
    this.#used = to;
  }

  #slowLine(bytes: Buffer, start: number): number {
    const next = bytes.indexOf(FEED, start) + 1;
    const line = parseLine(bytes.toString('utf8', start, next));
    if (line === undefined) return next;
    this.#time.write(line.time, 'latin1');
    if (!this.#isWanted(line.stream === 'stdout')) return next;
    const details = this.#options.details === true ? `${detailsOf(line.attrs)} ` : '';
    const text = Buffer.from(details + line.log);
    const from = this.#used;
    const body = from + (this.#options.tty ? 0 : HEADER) + (this.#options.timestamps ? TIME + 1 : 0);
    // Attributes may grow when they are escaped: keep what the lines to come may need.
    const needed = body + text.length + (bytes.length - next);
    if (needed > this.#out.length) {
      const larger = Buffer.allocUnsafeSlow(needed);
      this.#out.copy(larger, 0, 0, from);
      this.#out = larger;
    }
    text.copy(this.#out, body);
    this.#finish(from, body + text.length, line.stream === 'stdout' ? 1 : 2);
    return next;
  }
}

/** Writes the character of the four hexadecimal digits at `at` as UTF-8. Returns the bytes written; 0: not digits, or a surrogate. */
function putUnicode(bytes: Buffer, at: number, out: Buffer, to: number): number {
  let code = 0;
  for (let i = 0; i < 4; i++) {
    const byte = bytes[at + i]! | 0x20;
    const digit = byte >= 0x61 && byte <= 0x66 ? byte - 0x57 : bytes[at + i]! ^ DIGIT_0;
    if (digit > 15 || (digit > 9 && byte < 0x61)) return 0;
    code = code * 16 + digit;
  }
  if (code >= 0xd800 && code <= 0xdfff) return 0;
  if (code < 0x80) {
    out[to] = code;
    return 1;
  }
  if (code < 0x800) {
    out[to] = 0xc0 | (code >> 6);
    out[to + 1] = 0x80 | (code & 0x3f);
    return 2;
  }
  out[to] = 0xe0 | (code >> 12);
  out[to + 1] = 0x80 | ((code >> 6) & 0x3f);
  out[to + 2] = 0x80 | (code & 0x3f);
  return 3;
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
