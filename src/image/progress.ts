/** Docker's progress lines: their shapes, their bar, their pace. */
import type { ProgressMessage, ProgressSink } from './types.ts';

/** At most one line of the same kind for an id within this many milliseconds. */
const INTERVAL = 100;
const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** Bytes as Docker prints them: four significant digits, powers of 1000. */
export function humanSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${Number(value.toPrecision(4))}${UNITS[unit]}`;
}

/** The bar of 50 characters that old clients show as it comes. */
export function progressBar(current: number, total: number): string {
  const known = total > 0 && current <= total;
  if (current <= 0 && total <= 0) return '';
  const shown = humanSize(current).padStart(8);
  if (total <= 0) return shown;
  const filled = Math.min(50, Math.floor(Math.trunc((Math.min(current, total) / total) * 100) / 2));
  const bar = `[${'='.repeat(filled)}>${' '.repeat(50 - filled)}] `;
  return `${bar}${shown}${known ? `/${humanSize(total)}` : ''}`;
}

/** Writes progress lines; does nothing when nobody listens. */
export class Progress {
  readonly #sink: ProgressSink | undefined;
  readonly #last = new Map<string, number>();

  constructor(sink: ProgressSink | undefined) {
    this.#sink = sink;
  }

  send(message: ProgressMessage): void {
    this.#sink?.(message);
  }

  /** A line of text, with or without an id. */
  message(status: string, id?: string): void {
    this.send(id === undefined ? { status } : { status, id });
  }

  /** What became of `id`. */
  update(id: string, status: string): void {
    this.#last.delete(`${id} ${status}`);
    this.send({ status, progressDetail: {}, id });
  }

  /** How far `id` is; lines that follow too soon are dropped, but never the one that completes it. */
  bytes(id: string, status: string, current: number, total: number): void {
    if (this.#sink === undefined) return;
    const key = `${id} ${status}`;
    const now = performance.now();
    const last = this.#last.get(key);
    if (last !== undefined && now - last < INTERVAL && current < total) return;
    this.#last.set(key, now);
    this.send({ status, progressDetail: { current, total }, progress: progressBar(current, total), id });
  }

  /** Docker's plain lines (`load`). */
  stream(text: string): void {
    this.send({ stream: text });
  }
}
