/** `volume create` */
import type { Volume } from '@docker/node-sdk';
import type { Command } from '../../command.ts';
import { CliError } from '../../errors.ts';
import { flag } from '../../flags/flag.ts';
import { checkLabel, keyValues } from '../../parse/env.ts';

export const create: Command = {
  use: '[OPTIONS] [VOLUME]',
  args: { min: 0, max: 1 },
  flags: [
    flag('driver,d', 'string', 'Specify volume driver name', { default: 'local', complete: ['local'] }),
    flag('label', 'list', 'Set metadata for a volume', { parse: checkLabel }),
    flag('name', 'string', 'Specify volume name', { hidden: true }),
    flag('opt,o', 'map', 'Set driver specific options'),
  ],
  async run(cli, flags, [argument]) {
    const named = flags.string('name');
    if (argument !== undefined && named !== '') {
      throw new CliError(
        'conflicting options: cannot specify a volume-name through both --name and as a positional arg',
      );
    }
    const volume = await cli.client.json<Volume>('POST', '/volumes/create', {
      body: {
        Name: argument ?? named,
        Driver: flags.string('driver'),
        DriverOpts: keyValues(flags.list('opt')),
        Labels: keyValues(flags.list('label')),
      },
    });
    cli.out.line(volume.Name);
  },
};
