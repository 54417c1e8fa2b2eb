/** `search` */
import type { ImageSearchResponseItem } from '@docker/node-sdk';
import type { Command } from '../../command.ts';
import { flag } from '../../flags/flag.ts';
import { type Fields, renderList } from '../../format/list.ts';
import { ellipsis } from '../../format/text.ts';
import { filterFlag, noTruncFlag } from '../common-flags.ts';
import { encodeFilters } from '../filters.ts';
import { authHeader } from './pull-image.ts';

function fields(trunc: boolean): Fields<ImageSearchResponseItem> {
  const yes = (value: boolean | undefined): string => (value ? '[OK]' : '');
  return {
    Name: { header: 'NAME', value: (r) => r.name ?? '' },
    Description: {
      header: 'DESCRIPTION',
      value: (r) => {
        const text = (r.description ?? '').replace(/[\r\n]/g, ' ');
        return trunc ? ellipsis(text, 45) : text;
      },
    },
    StarCount: { header: 'STARS', value: (r) => String(r.star_count ?? 0) },
    IsOfficial: { header: 'OFFICIAL', value: (r) => yes(r.is_official) },
    IsAutomated: { header: 'AUTOMATED', value: (r) => yes(r.is_automated) },
  };
}

export const search: Command = {
  use: '[OPTIONS] TERM',
  args: { min: 1, max: 1 },
  flags: [
    filterFlag,
    flag('format', 'string', 'Pretty-print search using a Go template'),
    flag('limit', 'int', 'Max number of search results'),
    noTruncFlag,
  ],
  async run(cli, flags, [term = '']) {
    const slash = term.indexOf('/');
    const first = slash > 0 ? term.slice(0, slash) : '';
    const domain = /[.:]|^localhost$/.test(first) ? first : 'docker.io';
    const results = await cli.client.json<ImageSearchResponseItem[]>('GET', '/images/search', {
      query: {
        term,
        limit: flags.changed('limit') ? flags.int('limit') : undefined,
        filters: encodeFilters(flags.list('filter')),
      },
      headers: authHeader(cli, domain),
    });
    const format =
      flags.string('format') || 'table {{.Name}}\\t{{.Description}}\\t{{.StarCount}}\\t{{.IsOfficial}}';
    const fieldsOf = fields(!flags.bool('no-trunc'));
    cli.out.write(renderList(results, { fields: fieldsOf, typeName: '*formatter.SearchContext', format }));
  },
};
