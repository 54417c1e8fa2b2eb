/** `rmi` */

import type { ImageDeleteResponseItem } from '@docker/node-sdk';
import { escapePath } from '../../client/client.ts';
import type { Command } from '../../command.ts';
import { CliError, isNotFound, messageOf } from '../../errors.ts';
import { flag } from '../../flags/flag.ts';

export const remove: Command = {
  use: '[OPTIONS] IMAGE [IMAGE...]',
  args: { min: 1 },
  complete: ['images'],
  flags: [
    flag('force,f', 'bool', 'Force removal of the image'),
    flag('no-prune', 'bool', 'Do not delete untagged parents'),
    flag('platform', 'list', 'Remove only the given platform variant'),
  ],
  async run(cli, flags, images) {
    const force = flags.bool('force');
    const errors: string[] = [];
    let fatal = false;
    for (const image of images) {
      try {
        const items = await cli.client.json<ImageDeleteResponseItem[]>(
          'DELETE',
          `/images/${escapePath(image)}`,
          {
            query: { force, noprune: flags.bool('no-prune') },
          },
        );
        for (const item of items)
          cli.out.line(item.Deleted ? `Deleted: ${item.Deleted}` : `Untagged: ${item.Untagged}`);
      } catch (err) {
        errors.push(messageOf(err));
        if (!isNotFound(err)) fatal = true;
      }
    }
    if (errors.length === 0) return;
    // With --force an image that is not there is as good as removed.
    if (force && !fatal) cli.err.line(errors.join('\n'));
    else throw new CliError(errors.join('\n'));
  },
};
