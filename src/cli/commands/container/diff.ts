/** `diff` */
import type { FilesystemChange } from '@docker/node-sdk';
import type { Command } from '../../command.ts';
import { containerPath } from './lifecycle.ts';

/** Letters of the kinds of change, in the API's numbers. */
const KINDS = ['C', 'A', 'D'];

export const diff: Command = {
  use: 'CONTAINER',
  args: { min: 1, max: 1 },
  complete: ['containers'],
  flags: [],
  async run(cli, _flags, [name = '']) {
    const changes = await cli.client.get<FilesystemChange[] | null>(containerPath(name, '/changes'));
    cli.out.write((changes ?? []).map((c) => `${KINDS[c.Kind] ?? '?'} ${c.Path}\n`).join(''));
  },
};
