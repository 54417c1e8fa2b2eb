/** `build`: not there yet; the daemon's API is. */
import type { Command } from '../../command.ts';
import { CliError } from '../../errors.ts';

export const build: Command = {
  use: '[OPTIONS] PATH | URL | -',
  args: { min: 0 },
  flags: [],
  interspersed: false,
  run() {
    throw new CliError('wharf build is not available in this version', {
      hint: 'build elsewhere and bring the image in with `wharf pull` or `wharf load`',
    });
  },
};
