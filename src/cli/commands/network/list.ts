/** `network ls` */
import type { NetworkSummary } from '@docker/node-sdk';
import type { Command } from '../../command.ts';
import { flag } from '../../flags/flag.ts';
import { type Fields, renderList } from '../../format/list.ts';
import { joinLabels, truncateId } from '../../format/text.ts';
import { filterFlag, listFormat, noTruncFlag } from '../common-flags.ts';
import { encodeFilters } from '../filters.ts';

/** `2026-11-24T01:21:44.7Z` as Go prints a time. */
const goDate = (iso = ''): string => {
  const match = /^(.*)T(.*?)(Z|[+-]\d\d:\d\d)$/.exec(iso);
  if (!match) return iso;
  const zone = match[3] === 'Z' ? '+0000 UTC' : `${match[3]?.replace(':', '')} ${match[3]?.replace(':', '')}`;
  return `${match[1]} ${match[2]} ${zone}`;
};

function fields(trunc: boolean): Fields<NetworkSummary> {
  return {
    ID: { header: 'NETWORK ID', value: (n) => (trunc ? truncateId(n.Id ?? '') : n.Id) },
    Name: { header: 'NAME', value: (n) => n.Name ?? '' },
    Driver: { header: 'DRIVER', value: (n) => n.Driver ?? '' },
    Scope: { header: 'SCOPE', value: (n) => n.Scope ?? '' },
    IPv4: { header: 'IPV4', value: (n) => String((n as { EnableIPv4?: boolean }).EnableIPv4 ?? false) },
    IPv6: { header: 'IPV6', value: (n) => String(n.EnableIPv6 ?? false) },
    Internal: { header: 'INTERNAL', value: (n) => String(n.Internal ?? false) },
    Labels: { header: 'LABELS', value: (n) => joinLabels(n.Labels) },
    CreatedAt: { header: 'CREATED AT', value: (n) => goDate(n.Created) },
  };
}

/** `bridge2` before `bridge10`. */
const natural = new Intl.Collator('en', { numeric: true });

export const list: Command = {
  use: '[OPTIONS]',
  args: { min: 0, max: 0 },
  flags: [
    { ...filterFlag, usage: 'Provide filter values (e.g. "driver=bridge")' },
    listFormat,
    noTruncFlag,
    flag('quiet,q', 'bool', 'Only display network IDs'),
  ],
  async run(cli, flags) {
    const quiet = flags.bool('quiet');
    const given = flags.string('format') || (quiet ? '' : cli.config.data.networksFormat) || 'table';
    const format = quiet
      ? '{{.ID}}'
      : given === 'table'
        ? 'table {{.ID}}\\t{{.Name}}\\t{{.Driver}}\\t{{.Scope}}'
        : given;
    const networks = await cli.client.get<NetworkSummary[]>('/networks', {
      filters: encodeFilters(flags.list('filter')),
    });
    const sorted = networks.toSorted((a, b) => natural.compare(a.Name ?? '', b.Name ?? ''));
    const methods = { Label: (n: NetworkSummary, name = '') => n.Labels?.[name] ?? '' };
    cli.out.write(
      renderList(sorted, {
        fields: fields(!flags.bool('no-trunc')),
        methods,
        typeName: '*network.networkContext',
        format,
      }),
    );
  },
};
