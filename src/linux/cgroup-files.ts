/** Files of a control group, opened once and read again and again: what a sampler of many groups spares most of its time with. */
import fs from 'node:fs';
import { join } from 'node:path';

/** Large enough for any statistics file in one read; the kernel makes the text anew for a read at offset 0. */
const BUFFER = Buffer.allocUnsafe(64 * 1024);
const FEED = 10;
const BLANK = 32;
const ZERO = 48;
const NINE = 57;

/**
 * The files of one directory, each opened when first read and kept open. A removed group is not held by that: its
 * files give ENODEV. Missing files read as empty. Call {@link close} in the end.
 */
export class CgroupFiles {
  readonly #directory: string | undefined;
  /** -1: there is no such file. */
  readonly #fds = new Map<string, number>();

  /** @param directory undefined when the machine lacks the controller: all files are missing then */
  constructor(directory: string | undefined) {
    this.#directory = directory;
  }

  #read(name: string): number {
    let fd = this.#fds.get(name);
    if (fd === undefined) {
      fd = this.#open(name);
      this.#fds.set(name, fd);
    }
    if (fd === -1) return 0;
    try {
      return fs.readSync(fd, BUFFER, 0, BUFFER.length, 0);
    } catch {
      return 0; // the group has gone, or the controller was switched off
    }
  }

  #open(name: string): number {
    if (this.#directory === undefined) return -1;
    try {
      return fs.openSync(join(this.#directory, name), 'r');
    } catch {
      return -1;
    }
  }

  /** All of a file; empty when it is missing. */
  text(name: string): string {
    return BUFFER.toString('latin1', 0, this.#read(name));
  }

  /** A file that holds one number; undefined when it is missing, and for `max`. */
  number(name: string): number | undefined {
    return digits(0, this.#read(name));
  }

  /** A file of lines `key number`: those whose key is in `wanted`, or all. */
  keys(name: string, wanted?: ReadonlySet<string>): Record<string, number> {
    const end = this.#read(name);
    const out: Record<string, number> = {};
    for (let at = 0; at < end; ) {
      let blank = at;
      while (blank < end && BUFFER[blank] !== BLANK) blank++;
      let feed = blank;
      while (feed < end && BUFFER[feed] !== FEED) feed++;
      const key = BUFFER.toString('latin1', at, blank);
      if (wanted === undefined || wanted.has(key)) out[key] = digits(blank + 1, feed) ?? 0;
      at = feed + 1;
    }
    return out;
  }

  close(): void {
    for (const fd of this.#fds.values()) if (fd !== -1) fs.closeSync(fd);
    this.#fds.clear();
  }
}

function digits(from: number, end: number): number | undefined {
  let value = 0;
  let at = from;
  for (; at < end; at++) {
    const byte = BUFFER[at]!;
    if (byte < ZERO || byte > NINE) break;
    value = value * 10 + (byte - ZERO);
  }
  return at === from ? undefined : value;
}
