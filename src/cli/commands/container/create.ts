/** `create` */
import type { Command } from '../../command.ts';
import { CliError, messageOf } from '../../errors.ts';
import { type CreateBody, containerConfig } from './container-config.ts';
import { CONTAINER_FLAGS } from './container-flags.ts';
import { createContainer } from './create-container.ts';

export const create: Command = {
  use: '[OPTIONS] IMAGE [COMMAND] [ARG...]',
  args: { min: 1 },
  flags: CONTAINER_FLAGS,
  interspersed: false,
  complete: ['images', 'files'],
  async run(cli, flags, [image = '', ...command]) {
    let body: CreateBody;
    try {
      body = containerConfig(flags, image, command);
    } catch (err) {
      throw new CliError(messageOf(err), {
        exitCode: 125,
        prefixed: true,
        trailer: `Run '${cli.path} --help' for more information`,
      });
    }
    cli.out.line(await createContainer(cli, flags, body));
  },
};
