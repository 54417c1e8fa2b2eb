/** Waiting between attempts. */
import { setTimeout as sleep } from 'node:timers/promises';
import { cancelled } from '../errdefs/index.ts';

export interface RetryOptions {
  signal?: AbortSignal;
  /** Attempts in all. */
  attempts: number;
  /** The first pause in milliseconds; doubled each time, up to `maxDelay`. */
  delay: number;
  maxDelay?: number;
  shouldRetry: (err: unknown) => boolean;
  /** Told before each pause. */
  onRetry?: (delay: number, err: unknown) => void;
}

/** Throws Cancelled when the signal is aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw cancelled('context canceled');
}

/** Sleeps; an abort ends it with Cancelled. */
export async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(milliseconds, undefined, signal === undefined ? {} : { signal });
  } catch (cause) {
    throw cancelled('context canceled', { cause });
  }
}

/** Runs `attempt` until it succeeds, fails for good or the attempts are used up. */
export async function retry<T>(options: RetryOptions, attempt: (n: number) => Promise<T>): Promise<T> {
  for (let n = 1; ; n++) {
    throwIfAborted(options.signal);
    try {
      return await attempt(n);
    } catch (err) {
      if (n >= options.attempts || options.signal?.aborted || !options.shouldRetry(err)) throw err;
      const delay = Math.min(options.delay * 2 ** (n - 1), options.maxDelay ?? 10_000);
      options.onRetry?.(delay, err);
      await pause(delay, options.signal);
    }
  }
}
