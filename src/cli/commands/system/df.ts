/** `system df` */
import type { BuildCache, ContainerSummary, ImageSummary, Volume } from '@docker/node-sdk';
import type { Command } from '../../command.ts';
import { CliError } from '../../errors.ts';
import { flag } from '../../flags/flag.ts';
import { renderList } from '../../format/list.ts';
import { humanSize } from '../../format/units.ts';
import { listFormat } from '../common-flags.ts';
import { verboseUsage } from './df-verbose.ts';

/** The answer of `/system/df` in the form that all API versions share. */
export interface DiskUsage {
  LayersSize?: number;
  Images?: ImageSummary[] | null;
  Containers?: ContainerSummary[] | null;
  Volumes?: Volume[] | null;
  BuildCache?: BuildCache[] | null;
}

/** One line of the summary. */
interface UsageRow {
  type: string;
  total: number;
  active: number;
  size: number;
  reclaimable: number;
  /** Whether the share of the size is told behind what can be reclaimed. */
  percent: boolean;
}

const sum = <T>(items: readonly T[], value: (item: T) => number): number =>
  items.reduce((total, item) => total + value(item), 0);
const isActive = (c: ContainerSummary): boolean =>
  ['running', 'paused', 'restarting'].includes(c.State ?? '');

function rows(usage: DiskUsage): UsageRow[] {
  const images = usage.Images ?? [];
  const containers = usage.Containers ?? [];
  const volumes = (usage.Volumes ?? []).filter((v) => v.UsageData);
  const cache = usage.BuildCache ?? [];
  const layers = usage.LayersSize ?? 0;
  const used = sum(
    images.filter((i) => (i.Containers ?? 0) !== 0 && i.Size !== -1 && i.SharedSize !== -1),
    (i) => (i.Size ?? 0) - (i.SharedSize ?? 0),
  );
  const containerSize = sum(containers, (c) => c.SizeRw ?? 0);
  const volumeSize = (list: readonly Volume[]): number =>
    sum(
      list.filter((v) => (v.UsageData?.Size ?? -1) !== -1),
      (v) => v.UsageData?.Size ?? 0,
    );
  const ownCache = cache.filter((c) => !c.Shared);
  const cacheSize = sum(ownCache, (c) => c.Size ?? 0);
  return [
    {
      type: 'Images',
      total: images.length,
      active: images.filter((i) => (i.Containers ?? 0) > 0).length,
      size: layers,
      reclaimable: layers - used,
      percent: true,
    },
    {
      type: 'Containers',
      total: containers.length,
      active: containers.filter(isActive).length,
      size: containerSize,
      reclaimable: sum(
        containers.filter((c) => !isActive(c)),
        (c) => c.SizeRw ?? 0,
      ),
      percent: true,
    },
    {
      type: 'Local Volumes',
      total: volumes.length,
      active: volumes.filter((v) => (v.UsageData?.RefCount ?? 0) > 0).length,
      size: volumeSize(volumes),
      reclaimable: volumeSize(volumes.filter((v) => v.UsageData?.RefCount === 0)),
      percent: true,
    },
    {
      type: 'Build Cache',
      total: cache.length,
      active: cache.filter((c) => c.InUse).length,
      size: cacheSize,
      reclaimable:
        cacheSize -
        sum(
          ownCache.filter((c) => c.InUse),
          (c) => c.Size ?? 0,
        ),
      percent: false,
    },
  ];
}

function reclaimable({ reclaimable: bytes, size, percent }: UsageRow): string {
  return percent && size > 0
    ? `${humanSize(bytes)} (${Math.trunc((bytes * 100) / size)}%)`
    : humanSize(bytes);
}

const TABLE = 'table {{.Type}}\\t{{.TotalCount}}\\t{{.Active}}\\t{{.Size}}\\t{{.Reclaimable}}';

export const df: Command = {
  use: '[OPTIONS]',
  args: { min: 0, max: 0 },
  flags: [listFormat, flag('verbose,v', 'bool', 'Show detailed information on space usage')],
  async run(cli, flags) {
    const given = flags.string('format');
    const verbose = flags.bool('verbose');
    if (verbose && given !== '' && given !== 'table' && given !== 'json') {
      throw new CliError('the --verbose flag can be combined with --format table or json only');
    }
    const usage = await cli.client.get<DiskUsage>('/system/df');
    if (verbose) return cli.out.write(verboseUsage(usage, given === 'json'));
    cli.out.write(
      renderList(rows(usage), {
        format: given === '' || given === 'table' ? TABLE : given,
        typeName: '*formatter.diskUsageContext',
        fields: {
          Type: { header: 'TYPE', value: (r) => r.type },
          TotalCount: { header: 'TOTAL', value: (r) => String(r.total) },
          Active: { header: 'ACTIVE', value: (r) => String(r.active) },
          Size: { header: 'SIZE', value: (r) => humanSize(r.size) },
          Reclaimable: { header: 'RECLAIMABLE', value: reclaimable },
        },
      }),
    );
  },
};
