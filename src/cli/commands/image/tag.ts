/** `tag` */

import { familiarName, withDefaultTag } from '../../../oci/index.ts';
import { escapePath } from '../../client/client.ts';
import type { Command } from '../../command.ts';
import { imageReference } from './pull-image.ts';

export const tag: Command = {
  use: 'SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]',
  args: { min: 2, max: 2 },
  complete: ['images', 'images'],
  flags: [],
  async run(cli, _flags, [source = '', target = '']) {
    const ref = withDefaultTag(imageReference(target));
    await cli.client.done('POST', `/images/${escapePath(source)}/tag`, {
      query: { repo: familiarName(ref), tag: ref.tag },
    });
  },
};
