/** Keeps the size of a container's terminal that of ours. */
import type { Cli } from '../context.ts';

/**
 * Sends the size now and at every change.
 * @param path the resource, such as `/containers/x` or `/exec/x`
 * @returns the function that stops it
 */
export function followSize(cli: Cli, path: string): () => void {
  let stopped = false;
  const send = async (tries: number): Promise<void> => {
    const size = cli.out.size();
    if (!size || stopped) return;
    try {
      await cli.client.done('POST', `${path}/resize`, { query: { h: size.rows, w: size.columns } });
    } catch {
      // Just after start the process may not be there yet.
      if (tries > 0) setTimeout(() => void send(tries - 1), 10 * (11 - tries)).unref();
    }
  };
  const onResize = (): void => void send(0);
  void send(10);
  process.stdout.on('resize', onResize);
  return () => {
    stopped = true;
    process.stdout.off('resize', onResize);
  };
}
