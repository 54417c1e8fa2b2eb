/** `logout` */
import type { Command } from '../../command.ts';
import { authKey, eraseCredentials, INDEX_SERVER } from '../../config/credentials.ts';

export const logout: Command = {
  use: '[SERVER]',
  long: 'Log out from a registry.\nIf no server is specified, the default is Docker Hub.',
  args: { min: 0, max: 1 },
  flags: [],
  run(cli, _flags, [server = '']) {
    const key = server === '' ? INDEX_SERVER : authKey(server);
    cli.out.line(`Removing login credentials for ${key}`);
    eraseCredentials(cli.config, key);
  },
};
