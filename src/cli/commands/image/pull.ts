/** `pull` */

import { familiarString, referenceString, withDefaultTag } from '../../../oci/index.ts';
import type { Command } from '../../command.ts';
import { CliError } from '../../errors.ts';
import { flag } from '../../flags/flag.ts';
import { imageReference, pullImage } from './pull-image.ts';

export const pull: Command = {
  use: '[OPTIONS] NAME[:TAG|@DIGEST]',
  args: { min: 1, max: 1 },
  complete: ['images'],
  flags: [
    flag('all-tags,a', 'bool', 'Download all tagged images in the repository'),
    flag('disable-content-trust', 'bool', 'Skip image verification', { default: 'true' }),
    flag('platform', 'string', 'Set platform if server is multi-platform capable', {
      complete: ['linux/amd64', 'linux/arm64', 'linux/arm/v7'],
    }),
    flag('quiet,q', 'bool', 'Suppress verbose output'),
  ],
  async run(cli, flags, [name = '']) {
    const all = flags.bool('all-tags');
    let ref = imageReference(name);
    if (all && (ref.tag || ref.digest)) throw new CliError("tag can't be used with --all-tags/-a");
    if (!all && !ref.tag && !ref.digest) {
      ref = withDefaultTag(ref);
      if (!flags.bool('quiet')) cli.out.line(`Using default tag: ${ref.tag}`);
    }
    await pullImage(cli, all ? name : familiarString(ref), {
      platform: flags.string('platform') || process.env.DOCKER_DEFAULT_PLATFORM || '',
      quiet: flags.bool('quiet'),
      out: cli.out,
      all,
    });
    cli.out.line(referenceString(ref));
  },
};
