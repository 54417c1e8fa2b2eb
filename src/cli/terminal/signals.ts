/** Passes the signals we get on to a container. */
import { constants } from 'node:os';
import type { Cli } from '../context.ts';

const FORWARDED = [
  'SIGHUP',
  'SIGINT',
  'SIGQUIT',
  'SIGABRT',
  'SIGUSR1',
  'SIGUSR2',
  'SIGALRM',
  'SIGTERM',
  'SIGCONT',
  'SIGTSTP',
  'SIGVTALRM',
  'SIGXCPU',
  'SIGIO',
  'SIGPWR',
] as const;

/** After so many interrupts or terminations we end ourselves, should the container ignore them. */
const PATIENCE = 3;

/** Starts forwarding. @returns the function that stops it */
export function forwardSignals(cli: Cli, id: string): () => void {
  let urgent = 0;
  const handlers = FORWARDED.filter((name) => name in constants.signals).map((name) => {
    const handler = (): void => {
      if ((name === 'SIGINT' || name === 'SIGTERM') && ++urgent >= PATIENCE) {
        cli.err.line('\ngot 3 SIGTERM/SIGINTs, forcefully exiting');
        process.exit(1);
      }
      cli.client.done('POST', `/containers/${id}/kill`, { query: { signal: name.slice(3) } }).catch(() => {
        // It has exited meanwhile, or has not started: its own end is told elsewhere.
      });
    };
    process.on(name, handler);
    return [name, handler] as const;
  });
  return () => {
    for (const [name, handler] of handlers) process.off(name, handler);
  };
}
