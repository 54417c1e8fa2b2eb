/** `save` */
import type { Command } from '../../command.ts';
import { CliError } from '../../errors.ts';
import { flag } from '../../flags/flag.ts';
import { checkOutputPath, writeArchive } from '../files.ts';
import { platformQuery } from './platform-query.ts';

export const save: Command = {
  use: '[OPTIONS] IMAGE [IMAGE...]',
  args: { min: 1 },
  complete: ['images'],
  flags: [
    flag('output,o', 'string', 'Write to a file, instead of STDOUT', { complete: 'files' }),
    flag(
      'platform',
      'string',
      'Save only the given platform variant. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")',
    ),
  ],
  async run(cli, flags, names) {
    const output = flags.string('output');
    if (output === '' && cli.out.isTerminal) {
      throw new CliError('cowardly refusing to save to a terminal. Use the -o flag or redirect');
    }
    if (output !== '') checkOutputPath(output, 'failed to save image');
    const response = await cli.client.call('GET', '/images/get', {
      query: { names, platform: platformQuery(flags.string('platform')) },
    });
    await writeArchive(response.body(), output, cli.out);
  },
};
