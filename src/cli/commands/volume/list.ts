/** `volume ls` */
import type { Volume, VolumeListResponse } from '@docker/node-sdk';
import type { Command } from '../../command.ts';
import { flag } from '../../flags/flag.ts';
import { type Fields, renderList } from '../../format/list.ts';
import { joinLabels } from '../../format/text.ts';
import { humanSize } from '../../format/units.ts';
import { filterFlag, listFormat } from '../common-flags.ts';
import { encodeFilters } from '../filters.ts';

/** Fields of volumes; `system df -v` shows them, too. */
export const VOLUME_FIELDS: Fields<Volume> = {
  Name: { header: 'VOLUME NAME', value: (v) => v.Name },
  Driver: { header: 'DRIVER', value: (v) => v.Driver },
  Scope: { header: 'SCOPE', value: (v) => v.Scope },
  Mountpoint: { header: 'MOUNTPOINT', value: (v) => v.Mountpoint },
  Labels: { header: 'LABELS', value: (v) => joinLabels(v.Labels) },
  Links: { header: 'LINKS', value: (v) => (v.UsageData ? String(v.UsageData.RefCount) : 'N/A') },
  Size: { header: 'SIZE', value: (v) => (v.UsageData ? humanSize(v.UsageData.Size) : 'N/A') },
  Group: { header: 'GROUP', value: () => 'N/A' },
  Availability: { header: 'AVAILABILITY', value: () => 'N/A' },
  Status: { header: 'STATUS', value: () => 'N/A' },
};

export const VOLUME_TYPE = '*formatter.volumeContext';

const natural = new Intl.Collator('en', { numeric: true });

export const list: Command = {
  use: '[OPTIONS]',
  args: { min: 0, max: 0 },
  flags: [
    { ...filterFlag, usage: 'Provide filter values (e.g. "dangling=true")' },
    listFormat,
    flag('quiet,q', 'bool', 'Only display volume names'),
  ],
  async run(cli, flags) {
    const quiet = flags.bool('quiet');
    const given = flags.string('format') || (quiet ? '' : cli.config.data.volumesFormat) || 'table';
    const format = quiet ? '{{.Name}}' : given === 'table' ? 'table {{.Driver}}\\t{{.Name}}' : given;
    const { Volumes } = await cli.client.get<VolumeListResponse>('/volumes', {
      filters: encodeFilters(flags.list('filter')),
    });
    const sorted = (Volumes ?? []).toSorted((a, b) => natural.compare(a.Name, b.Name));
    const methods = { Label: (v: Volume, name = '') => v.Labels?.[name] ?? '' };
    cli.out.write(renderList(sorted, { fields: VOLUME_FIELDS, methods, typeName: VOLUME_TYPE, format }));
  },
};
