/** `start`, with or without joining the container's streams. */
import type { ContainerInspectResponse } from '@docker/node-sdk';
import type { Command } from '../../command.ts';
import type { Cli } from '../../context.ts';
import { CliError, messageOf, silentExit } from '../../errors.ts';
import { flag } from '../../flags/flag.ts';
import { stdinIsTerminal } from '../../output.ts';
import { followSize } from '../../terminal/resize.ts';
import { runSession } from '../../terminal/session.ts';
import { forwardSignals } from '../../terminal/signals.ts';
import { detachKeysFlag } from '../common-flags.ts';
import { containerPath } from './lifecycle.ts';
import { watchExit } from './wait-exit.ts';

async function startAttached(
  cli: Cli,
  name: string,
  interactive: boolean,
  detachKeys: string,
): Promise<void> {
  const container = await cli.client.get<ContainerInspectResponse>(containerPath(name, '/json'));
  const id = container.Id ?? name;
  const tty = container.Config?.Tty ?? false;
  const stdin = interactive && (container.Config?.OpenStdin ?? false);
  if (stdin && tty && !stdinIsTerminal()) throw new CliError('the input device is not a TTY');
  const stopForwarding = tty ? () => {} : forwardSignals(cli, id);
  const streams = { stdin, stdout: true, stderr: true };
  const query = { stream: true, ...streams, detachKeys: detachKeys || undefined };
  const attached = await cli.client.hijack(containerPath(id, '/attach'), { query });
  const watch = await watchExit(cli, id, container.HostConfig?.AutoRemove ? 'removed' : 'next-exit');
  const session = runSession(cli, attached, { tty, ...streams, detachKeys });
  session.catch(() => {});
  try {
    await cli.client.done('POST', containerPath(id, '/start'));
  } catch (err) {
    attached.socket.destroy();
    await session.catch(() => {});
    throw err;
  }
  const stopResizing = tty ? followSize(cli, containerPath(id)) : () => {};
  const end = await session;
  stopResizing();
  stopForwarding();
  if (end === 'detached') return;
  const status = await watch.status;
  if (status !== 0) throw silentExit(status);
}

export const start: Command = {
  use: '[OPTIONS] CONTAINER [CONTAINER...]',
  args: { min: 1 },
  complete: ['stopped-containers'],
  flags: [
    flag('attach,a', 'bool', 'Attach STDOUT/STDERR and forward signals'),
    detachKeysFlag,
    flag('interactive,i', 'bool', "Attach container's STDIN"),
  ],
  async run(cli, flags, names) {
    const interactive = flags.bool('interactive');
    if (flags.bool('attach') || interactive) {
      if (names.length > 1) throw new CliError('you cannot start and attach multiple containers at once');
      return startAttached(
        cli,
        names[0] ?? '',
        interactive,
        flags.string('detach-keys') || cli.config.data.detachKeys || '',
      );
    }
    const failed: string[] = [];
    for (const name of names) {
      try {
        await cli.client.done('POST', containerPath(name, '/start'));
        cli.out.line(name);
      } catch (err) {
        cli.err.line(messageOf(err));
        failed.push(name);
      }
    }
    if (failed.length) throw new CliError(`Error: failed to start containers: ${failed.join(', ')}`);
  },
};
