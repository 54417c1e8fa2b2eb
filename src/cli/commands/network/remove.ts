/** `network rm` */
import { escapePath } from '../../client/client.ts';
import type { Command } from '../../command.ts';
import { isNotFound, messageOf, silentExit } from '../../errors.ts';
import { flag } from '../../flags/flag.ts';

export const remove: Command = {
  use: 'NETWORK [NETWORK...]',
  args: { min: 1 },
  complete: ['networks'],
  flags: [flag('force,f', 'bool', 'Do not error if the network does not exist')],
  async run(cli, flags, names) {
    let failed = false;
    for (const name of names) {
      try {
        await cli.client.done('DELETE', `/networks/${escapePath(name)}`);
        cli.out.line(name);
      } catch (err) {
        if (flags.bool('force') && isNotFound(err)) continue;
        cli.err.line(messageOf(err));
        failed = true;
      }
    }
    if (failed) throw silentExit(1);
  },
};
