/** `load` */
import type { Command } from '../../command.ts';
import { CliError } from '../../errors.ts';
import { flag } from '../../flags/flag.ts';
import { stdinIsTerminal } from '../../output.ts';
import { showProgress } from '../../terminal/progress.ts';
import { checkReadable, readFileOrStdin } from '../files.ts';
import { platformQuery } from './platform-query.ts';

export const load: Command = {
  use: '[OPTIONS]',
  args: { min: 0, max: 0 },
  flags: [
    flag('input,i', 'string', 'Read from tar archive file, instead of STDIN', { complete: 'files' }),
    flag(
      'platform',
      'string',
      'Load only the given platform variant. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")',
    ),
    flag('quiet,q', 'bool', 'Suppress the load output'),
  ],
  async run(cli, flags) {
    const input = flags.string('input') || '-';
    if (input !== '-') await checkReadable(input);
    else if (stdinIsTerminal()) throw new CliError('requested load from stdin, but stdin is empty');
    const quiet = flags.bool('quiet') || !cli.out.isTerminal;
    const response = await cli.client.call('POST', '/images/load', {
      query: { quiet: quiet ? '1' : '0', platform: platformQuery(flags.string('platform')) },
      headers: { 'Content-Type': 'application/x-tar' },
      stream: readFileOrStdin(input),
    });
    if (response.headers['content-type']?.startsWith('application/json'))
      await showProgress(response.body(), cli.out);
    else cli.out.write(await response.body().bytes());
  },
};
