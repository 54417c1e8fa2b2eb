/** `info` */
import type { SystemInfo } from '@docker/node-sdk';
import type { Command } from '../../command.ts';
import type { Cli } from '../../context.ts';
import { CliError, messageOf } from '../../errors.ts';
import { templateFailure } from '../../format/list.ts';
import { CLIENT_VERSION } from '../../version.ts';
import { inspectFormat } from '../common-flags.ts';
import { serverInfo } from './info-text.ts';

interface ClientInfo {
  Debug: boolean;
  Version: string;
  GitCommit: string;
  Context: string;
  Plugins: unknown[];
  Warnings: null;
}

const clientInfo = (cli: Cli): ClientInfo => ({
  Debug: cli.globals.bool('debug'),
  Version: CLIENT_VERSION,
  GitCommit: '',
  Context: 'default',
  Plugins: [],
  Warnings: null,
});

export const info: Command = {
  use: '[OPTIONS]',
  args: { min: 0, max: 0 },
  flags: [inspectFormat],
  async run(cli, flags) {
    const client = clientInfo(cli);
    let server: SystemInfo | undefined;
    let failure: unknown;
    try {
      server = await cli.client.get<SystemInfo>('/info');
    } catch (err) {
      failure = err;
    }
    const format = flags.string('format');
    if (format !== '') {
      if (failure && !server) cli.err.line(messageOf(failure));
      const { Template, STRUCT } = await import('../../../template/index.ts');
      const data = {
        ...(server ?? {}),
        ...(failure ? { ServerErrors: [messageOf(failure)] } : {}),
        ClientInfo: client,
      };
      Object.defineProperty(data, STRUCT, { value: 'system.dockerInfo' });
      try {
        cli.out.line(new Template(format === 'json' ? '{{json .}}' : format).render(data));
      } catch (err) {
        templateFailure(err);
      }
      if (failure) throw new CliError('', { exitCode: 1 });
      return;
    }
    cli.out.write(
      `Client: Wharf\n Version:    ${client.Version}\n Context:    ${client.Context}\n Debug Mode: ${client.Debug}\n\nServer:\n`,
    );
    if (!server) throw new CliError(messageOf(failure), { trailer: 'errors pretty printing info' });
    const { text, warnings } = serverInfo(server);
    cli.out.write(`${text}\n`);
    for (const warning of warnings) cli.err.line(warning);
  },
};
