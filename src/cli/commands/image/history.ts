/** `history` */

import type { HistoryResponseItem } from '@docker/node-sdk';
import { escapePath } from '../../client/client.ts';
import type { Command } from '../../command.ts';
import { flag } from '../../flags/flag.ts';
import { ago } from '../../format/duration.ts';
import { type Fields, renderList } from '../../format/list.ts';
import { ellipsis, truncateId } from '../../format/text.ts';
import { humanSize } from '../../format/units.ts';
import { listFormat, noTruncFlag } from '../common-flags.ts';

const iso = (seconds = 0): string => new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');

function fields(trunc: boolean, human: boolean): Fields<HistoryResponseItem> {
  return {
    ID: { header: 'IMAGE', value: (h) => (trunc ? truncateId(h.Id ?? '') : h.Id) },
    CreatedAt: { header: 'CREATED AT', value: (h) => iso(h.Created) },
    CreatedSince: {
      header: 'CREATED',
      value: (h) => (human ? ((h.Created ?? 0) <= 0 ? '' : ago((h.Created ?? 0) * 1000)) : iso(h.Created)),
    },
    CreatedBy: {
      header: 'CREATED BY',
      value: (h) => {
        const text = (h.CreatedBy ?? '').replaceAll('\t', ' ');
        return trunc ? ellipsis(text, 45) : text;
      },
    },
    Size: { header: 'SIZE', value: (h) => (human ? humanSize(h.Size ?? 0, 3) : String(h.Size ?? 0)) },
    Comment: { header: 'COMMENT', value: (h) => h.Comment ?? '' },
  };
}

export const history: Command = {
  use: '[OPTIONS] IMAGE',
  args: { min: 1, max: 1 },
  complete: ['images'],
  flags: [
    listFormat,
    flag('human,H', 'bool', 'Print sizes and dates in human readable format', { default: 'true' }),
    noTruncFlag,
    flag(
      'platform',
      'string',
      'Show history for the given platform. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")',
    ),
    flag('quiet,q', 'bool', 'Only show image IDs'),
  ],
  async run(cli, flags, [image = '']) {
    const human = flags.bool('human');
    const items = await cli.client.get<HistoryResponseItem[]>(`/images/${escapePath(image)}/history`);
    const given = flags.string('format') || 'table';
    const created = human ? 'CreatedSince' : 'CreatedAt';
    let format =
      given === 'table'
        ? `table {{.ID}}\\t{{.${created}}}\\t{{.CreatedBy}}\\t{{.Size}}\\t{{.Comment}}`
        : given;
    if (flags.bool('quiet')) format = '{{.ID}}';
    cli.out.write(
      renderList(items, {
        fields: fields(!flags.bool('no-trunc'), human),
        typeName: '*image.historyContext',
        format,
      }),
    );
  },
};
