/** A hijacked connection joined to our terminal or pipes: the core of run, attach, start -a and exec. */
import type { Hijacked } from '../client/client.ts';
import { Demultiplexer } from '../client/demux.ts';
import type { Cli } from '../context.ts';
import { DEFAULT_DETACH_KEYS, DetachScanner, parseDetachKeys } from './detach-keys.ts';
import { enterRawMode } from './raw-mode.ts';

/** What is joined to what. */
export interface SessionOptions {
  tty: boolean;
  /** Our standard input goes to the process. */
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  detachKeys: string;
}

/** How a session ended: the process closed its output, or the user typed the detach keys. */
export type SessionEnd = 'closed' | 'detached';

/** Runs until the stream ends. The terminal is raw meanwhile if both sides are terminals. */
export function runSession(cli: Cli, { socket }: Hijacked, options: SessionOptions): Promise<SessionEnd> {
  const { tty } = options;
  // Only touched when it is wanted: making the stream takes milliseconds.
  const input = options.stdin ? process.stdin : undefined;
  const raw = tty && input?.isTTY;
  const leaveRaw = raw ? enterRawMode() : undefined;
  const scanner = raw
    ? new DetachScanner(parseDetachKeys(options.detachKeys || DEFAULT_DETACH_KEYS))
    : undefined;

  return new Promise<SessionEnd>((resolve, reject) => {
    let over = false;
    const finish = (end: SessionEnd | Error): void => {
      if (over) return;
      over = true;
      input?.off('data', onInput);
      input?.off('end', onInputEnd);
      input?.pause();
      input?.unref?.();
      leaveRaw?.();
      socket.destroy();
      if (end instanceof Error) reject(end);
      else resolve(end);
    };
    const demux = new Demultiplexer((stream, data) => {
      if (stream === 2) {
        if (options.stderr) cli.err.write(data);
      } else if (options.stdout) cli.out.write(data);
    });
    socket.on('data', (chunk: Buffer) => {
      try {
        if (tty) cli.out.write(chunk);
        else demux.push(chunk);
      } catch (err) {
        finish(err as Error);
      }
    });
    socket.on('end', () => finish('closed'));
    socket.on('close', () => finish('closed'));
    socket.resume();

    const onInput = (chunk: Buffer): void => {
      const { data, detached } = scanner ? scanner.scan(chunk) : { data: chunk, detached: false };
      if (data.length && !socket.write(data)) {
        input?.pause();
        socket.once('drain', () => over || input?.resume());
      }
      if (detached) finish('detached');
    };
    const onInputEnd = (): void => {
      socket.end();
    };
    input?.on('data', onInput);
    input?.on('end', onInputEnd);
    input?.on('error', onInputEnd);
    // Without our input the stream stays half open: closing it would look like an end of input to the process.
  });
}
