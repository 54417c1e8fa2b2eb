/** `system prune` */
import type { Command } from '../../command.ts';
import { CliError } from '../../errors.ts';
import { flag } from '../../flags/flag.ts';
import { humanSize } from '../../format/units.ts';
import { confirm } from '../../terminal/prompt.ts';
import { type PruneKind, prune as pruneKind } from '../prune.ts';

export const prune: Command = {
  use: '[OPTIONS]',
  args: { min: 0, max: 0 },
  flags: [
    flag('all,a', 'bool', 'Remove all unused images not just dangling ones'),
    flag('filter', 'filter', 'Provide filter values (e.g. "label=<key>=<value>")'),
    flag('force,f', 'bool', 'Do not prompt for confirmation'),
    flag('volumes', 'bool', 'Prune anonymous volumes'),
  ],
  async run(cli, flags) {
    const all = flags.bool('all');
    const filters = flags.list('filter');
    const volumes = flags.bool('volumes');
    if (volumes && filters.some((f) => f.startsWith('until='))) {
      throw new CliError('ERROR: The "until" filter is not supported with "--volumes"');
    }
    const lines = [
      'all stopped containers',
      'all networks not used by at least one container',
      ...(volumes ? ['all anonymous volumes not used by at least one container'] : []),
      all ? 'all images without at least one container associated to them' : 'all dangling images',
      all ? 'all build cache' : 'unused build cache',
    ];
    let warning = `WARNING! This will remove:\n${lines.map((line) => `  - ${line}`).join('\n')}\n`;
    if (filters.length)
      warning += `\n  Items to be pruned will be filtered with:\n${filters.map((f) => `  - ${f}`).join('\n')}\n`;
    if (!flags.bool('force') && !(await confirm(cli, `${warning}\nAre you sure you want to continue?`)))
      return;
    const kinds: PruneKind[] = [
      'containers',
      'networks',
      ...(volumes ? (['volumes'] as const) : []),
      'images',
      'build',
    ];
    let total = 0;
    for (const kind of kinds) {
      // A daemon that cannot build has no build cache.
      const pruned = await pruneKind(
        cli,
        kind,
        filters,
        (kind === 'images' || kind === 'build') && all,
      ).catch((err: unknown) => {
        if (kind === 'build') return { text: '', space: 0 };
        throw err;
      });
      total += pruned.space;
      cli.out.write(pruned.text);
    }
    cli.out.line(`Total reclaimed space: ${humanSize(total)}`);
  },
};
