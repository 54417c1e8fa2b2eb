/** `system df -v`: every image, container, volume and cache record with its size. */
import type { BuildCache } from '@docker/node-sdk';
import { ago } from '../../format/duration.ts';
import { type Fields, renderList } from '../../format/list.ts';
import { truncateId } from '../../format/text.ts';
import { humanSize } from '../../format/units.ts';
import { CONTAINER_TYPE, containerFields } from '../container/list.ts';
import { IMAGE_TYPE, imageFields, imageRows } from '../image/list.ts';
import { VOLUME_FIELDS, VOLUME_TYPE } from '../volume/list.ts';
import type { DiskUsage } from './df.ts';

const since = (iso: string | null | undefined): string => (iso ? ago(Date.parse(iso)) : '');

const CACHE_FIELDS: Fields<BuildCache> = {
  ID: { header: 'CACHE ID', value: (c) => truncateId(c.ID ?? '') },
  CacheType: { header: 'CACHE TYPE', value: (c) => c.Type ?? '' },
  Size: { header: 'SIZE', value: (c) => humanSize(c.Size ?? 0, 3) },
  CreatedSince: { header: 'CREATED', value: (c) => since(c.CreatedAt) },
  LastUsedSince: { header: 'LAST USED', value: (c) => since(c.LastUsedAt) },
  UsageCount: { header: 'USAGE', value: (c) => String(c.UsageCount ?? 0) },
  Shared: { header: 'SHARED', value: (c) => String(c.Shared ?? false) },
};

const columns = (...names: string[]): string => `table ${names.map((name) => `{{.${name}}}`).join('\\t')}`;

/** The text of the four lists. @param json one JSON object instead */
export function verboseUsage(usage: DiskUsage, json: boolean): string {
  const format = (table: string): string => (json ? 'json' : table);
  const images = renderList(
    (usage.Images ?? []).flatMap((image) => imageRows(image, false).slice(0, 1)),
    {
      fields: imageFields(true),
      typeName: IMAGE_TYPE,
      format: format(
        columns('Repository', 'Tag', 'ID', 'CreatedSince', 'Size', 'SharedSize', 'UniqueSize', 'Containers'),
      ),
    },
  );
  const containers = renderList(usage.Containers ?? [], {
    fields: { ...containerFields(true), Size: { header: 'SIZE', value: (c) => humanSize(c.SizeRw ?? 0, 3) } },
    typeName: CONTAINER_TYPE,
    format: format(
      columns('ID', 'Image', 'Command', 'LocalVolumes', 'Size', 'RunningFor', 'Status', 'Names'),
    ),
  });
  const volumes = renderList(usage.Volumes ?? [], {
    fields: VOLUME_FIELDS,
    typeName: VOLUME_TYPE,
    format: format(columns('Name', 'Links', 'Size')),
  });
  const cache = renderList(usage.BuildCache ?? [], {
    fields: CACHE_FIELDS,
    typeName: '*formatter.buildCacheContext',
    format: format(
      columns('ID', 'CacheType', 'Size', 'CreatedSince', 'LastUsedSince', 'UsageCount', 'Shared'),
    ),
  });
  if (json) {
    const list = (lines: string): string => `[${lines.trim().split('\n').filter(Boolean).join(',')}]`;
    return `{"Images":${list(images)},"Containers":${list(containers)},"Volumes":${list(volumes)},"BuildCache":${list(cache)}}\n`;
  }
  const cacheSize = (usage.BuildCache ?? []).reduce((total, c) => total + (c.Shared ? 0 : (c.Size ?? 0)), 0);
  return `Images space usage:

${images}
Containers space usage:

${containers}
Local Volumes space usage:

${volumes}
Build cache usage: ${humanSize(cacheSize)}

${cache}`;
}
