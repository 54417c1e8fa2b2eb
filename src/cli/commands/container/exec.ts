/** `exec`: another process in a running container. */
import type { ContainerInspectResponse, ExecInspectResponse, IDResponse } from '@docker/node-sdk';
import type { Command } from '../../command.ts';
import { ApiError, CliError, silentExit } from '../../errors.ts';
import { flag } from '../../flags/flag.ts';
import { stdinIsTerminal } from '../../output.ts';
import { checkEnv, parseEnv } from '../../parse/env.ts';
import { followSize } from '../../terminal/resize.ts';
import { runSession } from '../../terminal/session.ts';
import { detachKeysFlag } from '../common-flags.ts';
import { containerPath } from './lifecycle.ts';

export const exec: Command = {
  use: '[OPTIONS] CONTAINER COMMAND [ARG...]',
  args: { min: 2 },
  interspersed: false,
  complete: ['running-containers', 'files'],
  flags: [
    flag('detach,d', 'bool', 'Detached mode: run command in the background'),
    detachKeysFlag,
    flag('env,e', 'list', 'Set environment variables', { parse: checkEnv }),
    flag('env-file', 'list', 'Read in a file of environment variables', { complete: 'files' }),
    flag('interactive,i', 'bool', 'Keep STDIN open even if not attached'),
    flag('privileged', 'bool', 'Give extended privileges to the command'),
    flag('tty,t', 'bool', 'Allocate a pseudo-TTY'),
    flag('user,u', 'string', 'Username or UID (format: "<name|uid>[:<group|gid>]")'),
    flag('workdir,w', 'string', 'Working directory inside the container'),
  ],
  async run(cli, flags, [container = '', ...command]) {
    const detach = flags.bool('detach');
    const tty = flags.bool('tty');
    const stdin = flags.bool('interactive') && !detach;
    const detachKeys = flags.string('detach-keys') || cli.config.data.detachKeys || '';
    const env = parseEnv(flags.list('env-file'), flags.list('env'));
    if (!detach && stdin && tty && !stdinIsTerminal()) {
      // The container is looked for first: that it does not run says more than what our input is.
      await cli.client.get<ContainerInspectResponse>(containerPath(container, '/json'));
      throw new CliError('the input device is not a TTY');
    }
    const size = tty ? cli.out.size() : undefined;
    const consoleSize = size && [size.rows, size.columns];
    const created = await cli.client.json<IDResponse>('POST', containerPath(container, '/exec'), {
      body: {
        User: flags.string('user'),
        Privileged: flags.bool('privileged'),
        Tty: tty,
        ...(consoleSize && { ConsoleSize: consoleSize }),
        AttachStdin: stdin,
        AttachStdout: !detach,
        AttachStderr: !detach,
        ...(detach && { Detach: true }),
        ...(detachKeys && { DetachKeys: detachKeys }),
        Env: env,
        WorkingDir: flags.string('workdir'),
        Cmd: command,
      },
    });
    if (!created.Id) throw new CliError('exec ID empty');
    const path = `/exec/${created.Id}`;
    const body = { Detach: detach, Tty: tty, ...(consoleSize && { ConsoleSize: consoleSize }) };
    if (detach) {
      await cli.client.done('POST', `${path}/start`, { body });
      return;
    }
    const stream = await cli.client.hijack(`${path}/start`, { body });
    const stopResizing = tty ? followSize(cli, path) : () => {};
    const end = await runSession(cli, stream, { tty, stdin, stdout: true, stderr: true, detachKeys });
    stopResizing();
    if (end === 'detached') throw new CliError('read escape sequence');
    let result: ExecInspectResponse;
    try {
      result = await cli.client.get<ExecInspectResponse>(`${path}/json`);
    } catch (err) {
      // The daemon went away under us: docker says nothing more either.
      if (err instanceof ApiError) throw err;
      throw silentExit(1);
    }
    if (result.ExitCode) throw silentExit(result.ExitCode);
  },
};
