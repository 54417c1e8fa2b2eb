/** `push` */

import { familiarName, familiarString, referenceString, withDefaultTag } from '../../../oci/index.ts';
import type { Command } from '../../command.ts';
import { CliError } from '../../errors.ts';
import { flag } from '../../flags/flag.ts';
import { showProgress } from '../../terminal/progress.ts';
import { platformQuery } from './platform-query.ts';
import { authHeader, imageReference } from './pull-image.ts';

export const push: Command = {
  use: '[OPTIONS] NAME[:TAG]',
  args: { min: 1, max: 1 },
  complete: ['images'],
  flags: [
    flag('all-tags,a', 'bool', 'Push all tags of an image to the repository'),
    flag('disable-content-trust', 'bool', 'Skip image signing', { default: 'true' }),
    flag('platform', 'string', 'Push a platform-specific manifest as a single-platform image'),
    flag('quiet,q', 'bool', 'Suppress verbose output'),
  ],
  async run(cli, flags, [name = '']) {
    const all = flags.bool('all-tags');
    const quiet = flags.bool('quiet');
    let ref = imageReference(name);
    if (all && (ref.tag || ref.digest)) throw new CliError("tag can't be used with --all-tags/-a");
    if (!all && !ref.tag && !ref.digest) {
      ref = withDefaultTag(ref);
      if (!quiet) cli.out.line(`Using default tag: ${ref.tag}`);
    }
    const response = await cli.client.call('POST', `/images/${familiarName(ref)}/push`, {
      query: { tag: all ? undefined : ref.tag, platform: platformQuery(flags.string('platform')) },
      headers: authHeader(cli, ref.domain),
    });
    await showProgress(response.body(), quiet ? undefined : cli.out);
    if (quiet) cli.out.line(all ? familiarString(ref) : referenceString(ref));
  },
};
