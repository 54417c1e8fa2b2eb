/** `export` */
import type { Command } from '../../command.ts';
import { CliError } from '../../errors.ts';
import { flag } from '../../flags/flag.ts';
import { checkOutputPath, writeArchive } from '../files.ts';
import { containerPath } from './lifecycle.ts';

export const exportContainer: Command = {
  use: '[OPTIONS] CONTAINER',
  args: { min: 1, max: 1 },
  complete: ['containers'],
  flags: [flag('output,o', 'string', 'Write to a file, instead of STDOUT', { complete: 'files' })],
  async run(cli, flags, [name = '']) {
    const output = flags.string('output');
    if (output === '' && cli.out.isTerminal) {
      throw new CliError('cowardly refusing to save to a terminal. Use the -o flag or redirect');
    }
    if (output !== '') checkOutputPath(output, 'failed to export container');
    const response = await cli.client.call('GET', containerPath(name, '/export'));
    await writeArchive(response.body(), output, cli.out);
  },
};
