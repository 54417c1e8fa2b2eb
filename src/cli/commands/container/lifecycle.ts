/** The commands that change a container's state and print its name: stop, kill, rm, … */

import type { ContainerWaitResponse } from '@docker/node-sdk';
import { escapePath } from '../../client/client.ts';
import type { Command } from '../../command.ts';
import { CliError } from '../../errors.ts';
import { type Flag, flag } from '../../flags/flag.ts';
import { forEachName } from '../each.ts';

/** The path of a container's resource. */
export const containerPath = (name: string, rest = ''): string => `/containers/${escapePath(name)}${rest}`;

const USE = 'CONTAINER [CONTAINER...]';

const signalFlag = flag('signal,s', 'string', 'Signal to send to the container', {
  complete: ['SIGHUP', 'SIGINT', 'SIGKILL', 'SIGQUIT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2'],
});
const stopFlags: readonly Flag[] = [
  signalFlag,
  flag('timeout,t', 'int', 'Seconds to wait before killing the container'),
  flag('time', 'int', 'Seconds to wait before killing the container', { hidden: true }),
];

function stopping(action: 'stop' | 'restart', complete: 'running-containers' | 'containers'): Command {
  return {
    use: `[OPTIONS] ${USE}`,
    args: { min: 1 },
    flags: stopFlags,
    complete: [complete],
    async run(cli, flags, args) {
      if (flags.changed('time') && flags.changed('timeout')) {
        throw new CliError('conflicting options: cannot specify both --timeout and --time');
      }
      const timeout = flags.changed('timeout')
        ? flags.int('timeout')
        : flags.changed('time')
          ? flags.int('time')
          : undefined;
      await forEachName(cli, args, async (name) => {
        const query = { signal: flags.string('signal') || undefined, t: timeout };
        await cli.client.done('POST', containerPath(name, `/${action}`), { query });
        return name;
      });
    },
  };
}

export const stop: Command = stopping('stop', 'running-containers');
export const restart: Command = stopping('restart', 'containers');

/** A command that posts to an action without options. */
function simple(action: 'pause' | 'unpause'): Command {
  return {
    use: USE,
    args: { min: 1 },
    flags: [],
    complete: ['running-containers'],
    async run(cli, _flags, args) {
      await forEachName(cli, args, async (name) => {
        await cli.client.done('POST', containerPath(name, `/${action}`));
        return name;
      });
    },
  };
}

export const pause: Command = simple('pause');
export const unpause: Command = simple('unpause');

export const kill: Command = {
  use: `[OPTIONS] ${USE}`,
  args: { min: 1 },
  flags: [signalFlag],
  complete: ['running-containers'],
  async run(cli, flags, args) {
    await forEachName(cli, args, async (name) => {
      await cli.client.done('POST', containerPath(name, '/kill'), {
        query: { signal: flags.string('signal') || undefined },
      });
      return name;
    });
  },
};

export const remove: Command = {
  use: `[OPTIONS] ${USE}`,
  args: { min: 1 },
  flags: [
    flag('force,f', 'bool', 'Force the removal of a running container (uses SIGKILL)'),
    flag('link,l', 'bool', 'Remove the specified link'),
    flag('volumes,v', 'bool', 'Remove anonymous volumes associated with the container'),
  ],
  complete: ['containers'],
  async run(cli, flags, args) {
    await forEachName(cli, args, async (given) => {
      const name = given.replace(/^\/+|\/+$/g, '');
      if (name === '') throw new CliError('Container name cannot be empty');
      await cli.client
        .done('DELETE', containerPath(name), {
          query: { v: flags.bool('volumes'), force: flags.bool('force'), link: flags.bool('link') },
        })
        .catch((err: unknown) => {
          // Forcing means "be gone": that it never was there is told, and no failure.
          if (flags.bool('force') && err instanceof Error && /No such container/.test(err.message)) {
            cli.err.line(err.message);
            return;
          }
          throw err;
        });
      return given;
    });
  },
};

export const rename: Command = {
  use: 'CONTAINER NEW_NAME',
  args: { min: 2, max: 2 },
  flags: [],
  complete: ['containers', []],
  async run(cli, _flags, [from = '', to = '']) {
    const [oldName, newName] = [from.trim(), to.trim()];
    if (oldName === '' || newName === '') throw new CliError('Error: Neither old nor new names may be empty');
    await cli.client.done('POST', containerPath(oldName, '/rename'), { query: { name: newName } });
  },
};

export const wait: Command = {
  use: `[OPTIONS] ${USE}`,
  args: { min: 1 },
  flags: [
    flag('condition', 'string', 'What to wait for (not-running, next-exit, removed, healthy)', {
      complete: ['healthy', 'next-exit', 'not-running', 'removed'],
    }),
  ],
  complete: ['containers'],
  async run(cli, flags, args) {
    const query = { condition: flags.string('condition') || undefined };
    await forEachName(cli, args, async (name) => {
      const path = containerPath(name, '/wait');
      const result = await cli.client.json<ContainerWaitResponse>('POST', path, { query });
      if (result.Error?.Message) throw new CliError(result.Error.Message);
      return String(result.StatusCode);
    });
  },
};
