/** The keys that leave a terminal session without ending it; `ctrl-p,ctrl-q` unless told otherwise. */

/** What we use when nothing is configured. */
export const DEFAULT_DETACH_KEYS = 'ctrl-p,ctrl-q';

/** Parses `ctrl-p,ctrl-q` or `a,b`. @returns the bytes @throws Error */
export function parseDetachKeys(text: string): Buffer {
  const bytes = text.split(',').map((key) => {
    if ([...key].length === 1) return Buffer.from(key);
    const letter = /^ctrl-([a-z@[\\\]^_])$/.exec(key)?.[1];
    if (letter === undefined) throw new Error(`Unknown character: '${key}'`);
    return Buffer.from([letter === '@' ? 0 : letter.charCodeAt(0) & 0x1f]);
  });
  return Buffer.concat(bytes);
}

/** Watches input for the keys. */
export class DetachScanner {
  readonly #keys: Buffer;
  #matched = 0;

  constructor(keys: Buffer) {
    this.#keys = keys;
  }

  /**
   * Takes input. A part of the keys is held back until it is clear whether the rest follows.
   * @returns what to pass on, and whether the keys are complete (nothing behind them is passed on)
   */
  scan(input: Buffer): { data: Buffer; detached: boolean } {
    const out: number[] = [];
    for (const byte of input) {
      if (byte !== this.#keys[this.#matched] && this.#matched > 0) {
        out.push(...this.#keys.subarray(0, this.#matched));
        this.#matched = 0;
      }
      if (byte === this.#keys[this.#matched]) {
        this.#matched++;
        if (this.#matched === this.#keys.length) return { data: Buffer.from(out), detached: true };
      } else out.push(byte);
    }
    return { data: Buffer.from(out), detached: false };
  }
}
