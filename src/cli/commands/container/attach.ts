/** `attach`: join the streams of a running container. */
import type { ContainerInspectResponse } from '@docker/node-sdk';
import type { Command } from '../../command.ts';
import type { Cli } from '../../context.ts';
import { CliError, silentExit } from '../../errors.ts';
import { flag } from '../../flags/flag.ts';
import { stdinIsTerminal } from '../../output.ts';
import { followSize } from '../../terminal/resize.ts';
import { runSession } from '../../terminal/session.ts';
import { forwardSignals } from '../../terminal/signals.ts';
import { detachKeysFlag } from '../common-flags.ts';
import { containerPath } from './lifecycle.ts';
import { watchExit } from './wait-exit.ts';

const attachedStreams = { stdout: true, stderr: true };

function checkRunning({ State: state }: ContainerInspectResponse): void {
  if (!state?.Running) throw new CliError('cannot attach to a stopped container, start it first');
  if (state.Paused) throw new CliError('cannot attach to a paused container, unpause it first');
  if (state.Restarting)
    throw new CliError('cannot attach to a restarting container, wait until it is running');
}

async function attachTo(
  cli: Cli,
  name: string,
  options: { noStdin: boolean; proxy: boolean; detachKeys: string },
): Promise<void> {
  const container = await cli.client.get<ContainerInspectResponse>(containerPath(name, '/json'));
  checkRunning(container);
  const id = container.Id ?? name;
  const watch = await watchExit(cli, id, 'not-running');
  const tty = container.Config?.Tty ?? false;
  const stdin = !options.noStdin && (container.Config?.OpenStdin ?? false);
  if (stdin && tty && !stdinIsTerminal()) throw new CliError('the input device is not a TTY');
  const stopForwarding = options.proxy && !tty ? forwardSignals(cli, id) : () => {};
  const query = { stream: true, stdin, ...attachedStreams, detachKeys: options.detachKeys || undefined };
  const stream = await cli.client.hijack(containerPath(id, '/attach'), { query });
  const stopResizing = tty ? followSize(cli, containerPath(id)) : () => {};
  const end = await runSession(cli, stream, {
    tty,
    stdin,
    ...attachedStreams,
    detachKeys: options.detachKeys,
  });
  stopResizing();
  stopForwarding();
  if (end === 'detached') throw new CliError('read escape sequence');
  const status = await watch.status;
  if (status !== 0) throw silentExit(status);
}

export const attach: Command = {
  use: '[OPTIONS] CONTAINER',
  args: { min: 1, max: 1 },
  complete: ['running-containers'],
  flags: [
    detachKeysFlag,
    flag('no-stdin', 'bool', 'Do not attach STDIN'),
    flag('sig-proxy', 'bool', 'Proxy all received signals to the process', { default: 'true' }),
  ],
  run(cli, flags, [name = '']) {
    return attachTo(cli, name, {
      noStdin: flags.bool('no-stdin'),
      proxy: flags.bool('sig-proxy'),
      detachKeys: flags.string('detach-keys') || cli.config.data.detachKeys || '',
    });
  },
};
