/** `context ls`, `context show`: there is one context, the daemon's address. */
import type { Command } from '../../command.ts';
import { flag } from '../../flags/flag.ts';
import { renderList } from '../../format/list.ts';
import { listFormat } from '../common-flags.ts';

const NAME = 'default';
const DESCRIPTION = 'Current WHARF_HOST or DOCKER_HOST based configuration';

export const contextList: Command = {
  use: '[OPTIONS]',
  args: { min: 0, max: 0 },
  flags: [listFormat, flag('quiet,q', 'bool', 'Only show context names')],
  run(cli, flags) {
    const given = flags.string('format') || 'table';
    const table =
      'table {{.Name}}{{if .Current}} *{{end}}\\t{{.Description}}\\t{{.DockerEndpoint}}\\t{{.Error}}';
    cli.out.write(
      renderList([cli.endpoint.display], {
        format: flags.bool('quiet') ? '{{.Name}}' : given === 'table' ? table : given,
        typeName: '*formatter.clientContextContext',
        fields: {
          Name: { header: 'NAME', value: () => NAME },
          Description: { header: 'DESCRIPTION', value: () => DESCRIPTION },
          DockerEndpoint: { header: 'DOCKER ENDPOINT', value: (display) => display },
          Error: { header: 'ERROR', value: () => '' },
          Current: { header: '', value: () => true },
        },
      }),
    );
  },
};

export const contextShow: Command = {
  use: '',
  args: { min: 0, max: 0 },
  flags: [],
  run(cli) {
    cli.out.line(NAME);
  },
};
