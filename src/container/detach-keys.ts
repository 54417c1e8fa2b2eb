import { invalidParameter } from '../errdefs/index.ts';
import { type SessionParts, SessionStream } from './session-stream.ts';

const CONTROL: Readonly<Record<string, number>> = { '@': 0, '[': 27, '\\': 28, ']': 29, '^': 30, _: 31 };

/** Bytes of a detach sequence such as `ctrl-p,ctrl-q` or `a,b`. @throws InvalidParameter */
export function parseDetachKeys(keys: string | undefined): Buffer {
  const words = (keys || 'ctrl-p,ctrl-q').split(',');
  return Buffer.from(
    words.map((word) => {
      if (word.length === 1) return word.charCodeAt(0);
      const letter = /^ctrl-(.)$/.exec(word)?.[1];
      if (letter && /[a-z]/.test(letter)) return letter.charCodeAt(0) - 96;
      const code = letter === undefined ? undefined : CONTROL[letter];
      if (code === undefined) throw invalidParameter(`Unknown character: '${word}'`);
      return code;
    }),
  );
}

/**
 * A session with a terminal that ends when the client types the detach sequence. What was typed of a
 * sequence that then goes on differently is passed on.
 */
export class DetachableStream extends SessionStream {
  readonly #keys: Buffer;
  readonly #onDetach: () => void;
  #matched = 0;

  /** @param onDetach called once when the sequence was typed */
  constructor(parts: SessionParts, keys: Buffer, onDetach: () => void) {
    super(parts);
    this.#keys = keys;
    this.#onDetach = onDetach;
  }

  override _write(chunk: Buffer, encoding: BufferEncoding, done: (err?: Error | null) => void): void {
    const passed: number[] = [];
    for (const byte of chunk) {
      if (byte === this.#keys[this.#matched]) {
        this.#matched++;
        if (this.#matched < this.#keys.length) continue;
        this.#onDetach();
        done();
        this.destroy();
        return;
      }
      passed.push(...this.#keys.subarray(0, this.#matched));
      this.#matched = byte === this.#keys[0] ? 1 : 0;
      if (this.#matched === 0) passed.push(byte);
    }
    if (passed.length === 0) done();
    else super._write(Buffer.from(passed), encoding, done);
  }
}
