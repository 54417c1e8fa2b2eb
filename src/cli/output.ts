/**
 * Standard output and error, written at once. A terminal, file or pipe that is slow makes us slow, which is the
 * back-pressure a stream of logs needs; process.stdout does the same and takes milliseconds to load.
 */
import { writeSync } from 'node:fs';
import { isatty } from 'node:tty';

const pause = new Int32Array(new SharedArrayBuffer(4));

/** One of our two outputs. */
export class Output {
  readonly fd: 1 | 2;
  #terminal: boolean | undefined;

  constructor(fd: 1 | 2) {
    this.fd = fd;
  }

  /** Writes all of it. Ends the process when nobody reads any more, with the status of SIGPIPE. */
  write(data: string | Buffer): void {
    let buffer = typeof data === 'string' ? Buffer.from(data) : data;
    while (buffer.length > 0) {
      try {
        buffer = buffer.subarray(writeSync(this.fd, buffer));
      } catch (err) {
        const { code } = err as NodeJS.ErrnoException;
        if (code === 'EAGAIN')
          Atomics.wait(pause, 0, 0, 1); // a pipe that another process made non-blocking
        else if (code === 'EPIPE') process.exit(141);
        else throw err;
      }
    }
  }

  /** Writes a line. */
  line(text = ''): void {
    this.write(`${text}\n`);
  }

  get isTerminal(): boolean {
    this.#terminal ??= isatty(this.fd);
    return this.#terminal;
  }

  /** The terminal's width and height; undefined when this is none. */
  size(): { columns: number; rows: number } | undefined {
    if (!this.isTerminal) return undefined;
    const stream = this.fd === 1 ? process.stdout : process.stderr;
    const [columns, rows] = stream.getWindowSize?.() ?? [];
    return columns && rows ? { columns, rows } : undefined;
  }
}

export const stdout = new Output(1);
export const stderr = new Output(2);

/** Whether standard input is a terminal. */
export const stdinIsTerminal = (): boolean => isatty(0);
