/** `top` */
import type { ContainerTopResponse } from '@docker/node-sdk';
import type { Command } from '../../command.ts';
import { alignTabs } from '../../format/tabwriter.ts';
import { containerPath } from './lifecycle.ts';

export const top: Command = {
  use: 'CONTAINER [ps OPTIONS]',
  args: { min: 1 },
  interspersed: false,
  complete: ['running-containers', []],
  flags: [],
  async run(cli, _flags, [name = '', ...psArgs]) {
    const { Titles = [], Processes = [] } = await cli.client.get<ContainerTopResponse>(
      containerPath(name, '/top'),
      {
        ps_args: psArgs.join(' ') || undefined,
      },
    );
    const rows = [Titles, ...Processes].map((row) => `${row.join('\t')}\n`).join('');
    cli.out.write(alignTabs(rows, { minWidth: 20, padding: 3 }));
  },
};
