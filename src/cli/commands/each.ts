/** Commands over several names: each is tried, errors are told as they come, the status is 1 if any failed. */
import type { Cli } from '../context.ts';
import { messageOf, silentExit } from '../errors.ts';

/** Names are handled at most this many at a time. */
const PARALLEL = 50;

/**
 * Runs `action` for every name at once and prints in the order of the names.
 * @param action gives the line to print, or undefined for none
 */
export async function forEachName(
  cli: Cli,
  names: readonly string[],
  action: (name: string) => Promise<string | undefined>,
): Promise<void> {
  let failed = false;
  for (let i = 0; i < names.length; i += PARALLEL) {
    const results = await Promise.allSettled(names.slice(i, i + PARALLEL).map(action));
    for (const result of results) {
      if (result.status === 'fulfilled') {
        if (result.value !== undefined) cli.out.line(result.value);
      } else {
        cli.err.line(messageOf(result.reason));
        failed = true;
      }
    }
  }
  if (failed) throw silentExit(1);
}
