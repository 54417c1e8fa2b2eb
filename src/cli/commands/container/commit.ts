/** `commit` */
import type { IDResponse } from '@docker/node-sdk';
import { familiarName, withDefaultTag } from '../../../oci/index.ts';
import type { Command } from '../../command.ts';
import { flag } from '../../flags/flag.ts';
import { imageReference } from '../image/pull-image.ts';

export const commit: Command = {
  use: '[OPTIONS] CONTAINER [REPOSITORY[:TAG]]',
  args: { min: 1, max: 2 },
  complete: ['containers', 'images'],
  flags: [
    flag('author,a', 'string', 'Author (e.g., "Ada Lovelace <ada@example.com>")'),
    flag('change,c', 'list', 'Apply Dockerfile instruction to the created image'),
    flag('message,m', 'string', 'Commit message'),
    flag('pause,p', 'bool', 'Pause container during commit', { default: 'true' }),
  ],
  async run(cli, flags, [container = '', reference]) {
    const ref = reference ? withDefaultTag(imageReference(reference)) : undefined;
    const result = await cli.client.json<IDResponse>('POST', '/commit', {
      query: {
        container,
        repo: ref && familiarName(ref),
        tag: ref?.tag,
        comment: flags.string('message') || undefined,
        author: flags.string('author') || undefined,
        changes: flags.list('change'),
        pause: flags.bool('pause') ? undefined : '0',
      },
    });
    cli.out.line(result.Id);
  },
};
