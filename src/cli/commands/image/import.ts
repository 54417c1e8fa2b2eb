/** `import` */
import type { Command } from '../../command.ts';
import { flag } from '../../flags/flag.ts';
import { showProgress } from '../../terminal/progress.ts';
import { checkReadable, readFileOrStdin } from '../files.ts';
import { imageReference, splitReference } from './pull-image.ts';

export const importImage: Command = {
  use: '[OPTIONS] file|URL|- [REPOSITORY[:TAG]]',
  args: { min: 1, max: 2 },
  complete: ['files', 'images'],
  flags: [
    flag('change,c', 'list', 'Apply Dockerfile instruction to the created image'),
    flag('message,m', 'string', 'Set commit message for imported image'),
    flag('platform', 'string', 'Set platform if server is multi-platform capable'),
  ],
  async run(cli, flags, [source = '', reference = '']) {
    const url = /^(https?|ftp):\/\//.test(source);
    if (!url && source !== '-') await checkReadable(source);
    if (reference !== '') imageReference(reference);
    const { name, tag } = splitReference(reference);
    const response = await cli.client.call('POST', '/images/create', {
      query: {
        fromSrc: url ? source : '-',
        repo: name || undefined,
        tag,
        message: flags.string('message') || undefined,
        changes: flags.list('change'),
        platform: flags.string('platform') || process.env.DOCKER_DEFAULT_PLATFORM || undefined,
      },
      ...(!url && { stream: readFileOrStdin(source), headers: { 'Content-Type': 'text/plain' } }),
    });
    await showProgress(response.body(), cli.out);
  },
};
