/** `run`: create, attach, wait, start, in this order, so that no output and no exit status is missed. */
import type { Hijacked } from '../../client/client.ts';
import type { Command } from '../../command.ts';
import type { Cli } from '../../context.ts';
import { CliError, messageOf, silentExit } from '../../errors.ts';
import { type FlagValues, flag } from '../../flags/flag.ts';
import { stdinIsTerminal } from '../../output.ts';
import { parseDetachKeys } from '../../terminal/detach-keys.ts';
import { followSize } from '../../terminal/resize.ts';
import { runSession } from '../../terminal/session.ts';
import { forwardSignals } from '../../terminal/signals.ts';
import { detachKeysFlag } from '../common-flags.ts';
import { type CreateBody, containerConfig } from './container-config.ts';
import { CONTAINER_FLAGS } from './container-flags.ts';
import { createContainer } from './create-container.ts';
import { startFailure, watchExit } from './wait-exit.ts';

export const run: Command = {
  use: '[OPTIONS] IMAGE [COMMAND] [ARG...]',
  args: { min: 1 },
  interspersed: false,
  complete: ['images', 'files'],
  flags: [
    ...CONTAINER_FLAGS,
    flag('detach,d', 'bool', 'Run container in background and print container ID'),
    detachKeysFlag,
    flag('sig-proxy', 'bool', 'Proxy received signals to the process', { default: 'true' }),
  ],
  async run(cli, flags, [image = '', ...command]) {
    const trailer = `Run '${cli.path} --help' for more information`;
    let body: CreateBody;
    try {
      body = containerConfig(flags, image, command);
      applyDetach(flags, body);
    } catch (err) {
      throw new CliError(messageOf(err), { exitCode: 125, prefixed: true, trailer });
    }
    if (body.AttachStdin && body.Tty && !stdinIsTerminal()) {
      throw new CliError('the input device is not a TTY');
    }
    const size = body.Tty ? cli.out.size() : undefined;
    // The size the terminal starts with, so that the program never sees another one.
    if (size) body.HostConfig = { ...body.HostConfig, ConsoleSize: [size.rows, size.columns] };
    let id: string;
    try {
      id = await createContainer(cli, flags, body);
    } catch (err) {
      throw startFailure(err, trailer);
    }
    if (flags.bool('detach')) {
      await start(cli, id, trailer);
      cli.out.line(id);
      return;
    }
    await runAttached(cli, flags, body, id, trailer);
  },
};

function applyDetach(flags: FlagValues, body: CreateBody): void {
  const detachKeys = flags.string('detach-keys');
  if (detachKeys) {
    try {
      parseDetachKeys(detachKeys);
    } catch (err) {
      throw new Error(`invalid detach keys (${detachKeys}): ${messageOf(err)}`);
    }
  }
  if (!flags.bool('detach')) return;
  if (flags.changed('attach'))
    throw new Error('conflicting options: cannot specify both --attach and --detach');
  for (const key of ['AttachStdin', 'AttachStdout', 'AttachStderr', 'StdinOnce'] as const) delete body[key];
}

async function start(cli: Cli, id: string, trailer: string): Promise<void> {
  try {
    await cli.client.done('POST', `/containers/${id}/start`);
  } catch (err) {
    throw startFailure(err, trailer);
  }
}

async function runAttached(
  cli: Cli,
  flags: FlagValues,
  body: CreateBody,
  id: string,
  trailer: string,
): Promise<void> {
  const stopForwarding = flags.bool('sig-proxy') ? forwardSignals(cli, id) : () => {};
  const detachKeys = flags.string('detach-keys') || cli.config.data.detachKeys || '';
  const streams = {
    stdin: body.AttachStdin ?? false,
    stdout: body.AttachStdout ?? false,
    stderr: body.AttachStderr ?? false,
  };
  const tty = body.Tty ?? false;
  const autoRemove = body.HostConfig.AutoRemove ?? false;
  try {
    const attached: Hijacked | undefined =
      streams.stdin || streams.stdout || streams.stderr
        ? await cli.client.hijack(`/containers/${id}/attach`, {
            query: { stream: true, ...streams, detachKeys: detachKeys || undefined },
          })
        : undefined;
    const watch = await watchExit(cli, id, autoRemove ? 'removed' : 'next-exit');
    const session = attached && runSession(cli, attached, { tty, ...streams, detachKeys });
    session?.catch(() => {}); // told below, unless the start fails first
    try {
      await start(cli, id, trailer);
    } catch (err) {
      attached?.socket.destroy();
      await session?.catch(() => {});
      // Nothing runs, but with --rm the removal is under way: leave it done, not half done.
      if (autoRemove) await watch.status.catch(() => {});
      throw err;
    }
    const stopResizing = tty ? followSize(cli, `/containers/${id}`) : () => {};
    if (session && (await session) === 'detached') {
      return;
    }
    const status = await watch.status;
    stopResizing();
    if (status !== 0) throw silentExit(status);
  } finally {
    stopForwarding();
  }
}
