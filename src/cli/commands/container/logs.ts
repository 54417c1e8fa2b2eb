/** `logs` */
import type { ContainerInspectResponse } from '@docker/node-sdk';
import { Demultiplexer } from '../../client/demux.ts';
import type { Command } from '../../command.ts';
import { flag } from '../../flags/flag.ts';
import { parseTimestamp } from '../../parse/timestamp.ts';
import { containerPath } from './lifecycle.ts';

export const logs: Command = {
  use: '[OPTIONS] CONTAINER',
  args: { min: 1, max: 1 },
  complete: ['containers'],
  flags: [
    flag('details', 'bool', 'Show extra details provided to logs'),
    flag('follow,f', 'bool', 'Follow log output'),
    flag(
      'since',
      'string',
      'Show logs since timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)',
    ),
    flag('tail,n', 'string', 'Number of lines to show from the end of the logs', { default: 'all' }),
    flag('timestamps,t', 'bool', 'Show timestamps'),
    flag(
      'until',
      'string',
      'Show logs before a timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)',
    ),
  ],
  async run(cli, flags, [name = '']) {
    // Whether the stream is framed depends on the container's terminal.
    const container = await cli.client.get<ContainerInspectResponse>(containerPath(name, '/json'));
    const time = (which: 'since' | 'until'): string | undefined => {
      const value = flags.string(which);
      if (value === '') return undefined;
      try {
        return parseTimestamp(value);
      } catch (err) {
        throw new Error(`invalid value for ${JSON.stringify(which)}: ${(err as Error).message}`);
      }
    };
    const response = await cli.client.call('GET', containerPath(container.Id ?? name, '/logs'), {
      query: {
        stdout: true,
        stderr: true,
        since: time('since'),
        until: time('until'),
        timestamps: flags.bool('timestamps'),
        follow: flags.bool('follow'),
        tail: flags.string('tail'),
        details: flags.bool('details'),
      },
    });
    const demux = new Demultiplexer((stream, data) => (stream === 2 ? cli.err : cli.out).write(data));
    const tty = container.Config?.Tty ?? false;
    for await (const chunk of response.body()) {
      if (tty) cli.out.write(chunk);
      else demux.push(chunk);
    }
  },
};
