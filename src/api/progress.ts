/**
 * Progress streams (pull, push, load, import, build): JSON lines ended by CRLF, sent as they come. Until the
 * first line nothing is on the wire, so an early failure is a real status; a later one is the last line.
 */
import type { ServerResponse } from 'node:http';
import { messageOf } from '../errdefs/index.ts';
import { errorLine } from './http-errors.ts';
import type { ApiRequest } from './request.ts';
import type { ProgressMessage, ProgressSink } from './types.ts';

/** Lines kept for a slow client beyond the socket's own buffer. */
const MAX_WAITING = 4096;

/** Runs a long operation with a sink for its progress, and ends the answer. */
export async function sendProgress(
  request: ApiRequest,
  run: (onProgress: ProgressSink) => Promise<void>,
): Promise<void> {
  const writer = new ProgressWriter(request.res);
  try {
    await run((message) => writer.send(message));
  } catch (err) {
    if (!request.res.headersSent) throw err;
    writer.send({ ...errorLine(err) });
  }
  if (!request.res.headersSent) writer.start();
  writer.end();
}

/** Writes lines with backpressure: while the client is slow, progress of one id replaces its forerunner. */
export class ProgressWriter {
  readonly #res: ServerResponse;
  #waiting: ProgressMessage[] = [];
  #blocked = false;

  constructor(res: ServerResponse) {
    this.#res = res;
    res.on('drain', () => this.#flush());
  }

  start(): void {
    this.#res.writeHead(200, { 'Content-Type': 'application/json' });
    this.#res.flushHeaders();
  }

  send(message: ProgressMessage): void {
    if (this.#res.destroyed) return;
    if (!this.#res.headersSent) this.start();
    if (this.#blocked) this.#wait(message);
    else this.#write(message);
  }

  end(): void {
    for (const message of this.#waiting) this.#res.write(line(message));
    this.#waiting = [];
    this.#res.end();
  }

  #write(message: ProgressMessage): void {
    this.#blocked = !this.#res.write(line(message));
  }

  #wait(message: ProgressMessage): void {
    if (isTransient(message)) {
      const index = this.#waiting.findLastIndex((m) => m.id === message.id);
      if (index >= 0 && isTransient(this.#waiting[index])) {
        this.#waiting[index] = message;
        return;
      }
    }
    this.#waiting.push(message);
    if (this.#waiting.length > MAX_WAITING) {
      const oldest = this.#waiting.findIndex(isTransient);
      if (oldest >= 0) this.#waiting.splice(oldest, 1);
    }
  }

  #flush(): void {
    this.#blocked = false;
    while (!this.#blocked) {
      const next = this.#waiting.shift();
      if (!next) return;
      this.#write(next);
    }
  }
}

const line = (message: ProgressMessage): string => `${JSON.stringify(message)}\r\n`;

/** A byte count on its way; only the newest matters. */
const isTransient = (message: ProgressMessage | undefined): boolean =>
  message?.id !== undefined && message.progressDetail?.current !== undefined;

/** A stream of log frames that failed after its status was sent: a frame of type 3, "system error". */
export function systemErrorFrame(err: unknown, multiplexed: boolean): Buffer {
  const text = Buffer.from(`Error grabbing logs: ${messageOf(err)}\n`);
  if (!multiplexed) return text;
  const header = Buffer.alloc(8);
  header[0] = 3;
  header.writeUInt32BE(text.length, 4);
  return Buffer.concat([header, text]);
}
