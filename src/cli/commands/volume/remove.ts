/** `volume rm` */
import { escapePath } from '../../client/client.ts';
import type { Command } from '../../command.ts';
import { flag } from '../../flags/flag.ts';
import { forEachName } from '../each.ts';

export const remove: Command = {
  use: '[OPTIONS] VOLUME [VOLUME...]',
  long: 'Remove one or more volumes. You cannot remove a volume that is in use by a container.',
  args: { min: 1 },
  complete: ['volumes'],
  flags: [flag('force,f', 'bool', 'Force the removal of one or more volumes')],
  async run(cli, flags, names) {
    await forEachName(cli, names, async (name) => {
      await cli.client.done('DELETE', `/volumes/${escapePath(name)}`, {
        query: { force: flags.bool('force') },
      });
      return name;
    });
  },
};
