/** `images` */
import type { ImageSummary } from '@docker/node-sdk';
import type { Command } from '../../command.ts';
import { flag } from '../../flags/flag.ts';
import { ago } from '../../format/duration.ts';
import { type Fields, renderList } from '../../format/list.ts';
import { goTime, truncateId } from '../../format/text.ts';
import { humanSize } from '../../format/units.ts';
import { filterFlag, listFormat, noTruncFlag } from '../common-flags.ts';
import { encodeFilters } from '../filters.ts';

/** A line of the list: one image under one of its names. */
export interface ImageRow {
  image: ImageSummary;
  repository: string;
  tag: string;
  digest: string;
}

const NONE = '<none>';

function splitName(ref: string): { repository: string; rest: string } {
  const at = ref.indexOf('@');
  if (at >= 0) return { repository: ref.slice(0, at), rest: ref.slice(at + 1) };
  const colon = ref.lastIndexOf(':');
  return { repository: ref.slice(0, colon), rest: ref.slice(colon + 1) };
}

/** The rows an image gives: one for each tag, with digests one for each pair of tag and digest of a repository. */
export function imageRows(image: ImageSummary, withDigests: boolean): ImageRow[] {
  const tags = (image.RepoTags ?? []).filter((t) => t !== `${NONE}:${NONE}`).map(splitName);
  const digests = (image.RepoDigests ?? []).filter((d) => d !== `${NONE}@${NONE}`).map(splitName);
  const row = (repository: string, tag: string, digest: string): ImageRow => ({
    image,
    repository,
    tag,
    digest,
  });
  const rows: ImageRow[] = [];
  for (const { repository, rest } of tags) {
    const own = digests.filter((d) => d.repository === repository);
    if (withDigests && own.length) rows.push(...own.map((d) => row(repository, rest, d.rest)));
    else rows.push(row(repository, rest, NONE));
  }
  const named = new Set(tags.map((t) => t.repository));
  const untagged = digests.filter((d) => !named.has(d.repository));
  if (withDigests) rows.push(...untagged.map((d) => row(d.repository, NONE, d.rest)));
  else
    for (const repository of new Set(untagged.map((d) => d.repository)))
      rows.push(row(repository, NONE, NONE));
  return rows.length ? rows : [row(NONE, NONE, NONE)];
}

const known = (value: number | undefined, show: (v: number) => string): string =>
  value === undefined || value === -1 ? 'N/A' : show(value);

/** Fields of image rows; `system df -v` shows them, too. */
export function imageFields(trunc: boolean): Fields<ImageRow> {
  const bytes = (digits: number) => (n: number) => humanSize(n, digits);
  return {
    ID: { header: 'IMAGE ID', value: ({ image }) => (trunc ? truncateId(image.Id ?? '') : image.Id) },
    Repository: { header: 'REPOSITORY', value: (r) => r.repository },
    Tag: { header: 'TAG', value: (r) => r.tag },
    Digest: { header: 'DIGEST', value: (r) => r.digest },
    CreatedSince: {
      header: 'CREATED',
      value: ({ image }) => ((image.Created ?? 0) > 0 ? ago((image.Created ?? 0) * 1000) : 'N/A'),
    },
    CreatedAt: { header: 'CREATED AT', value: ({ image }) => goTime((image.Created ?? 0) * 1000) },
    Size: { header: 'SIZE', value: ({ image }) => humanSize(image.Size ?? 0, 3) },
    Containers: { header: 'CONTAINERS', value: ({ image }) => known(image.Containers, String) },
    VirtualSize: { header: 'SIZE', value: ({ image }) => humanSize(image.Size ?? 0) },
    SharedSize: { header: 'SHARED SIZE', value: ({ image }) => known(image.SharedSize, bytes(4)) },
    UniqueSize: {
      header: 'UNIQUE SIZE',
      value: ({ image }) => known(image.SharedSize, (shared) => humanSize((image.Size ?? 0) - shared)),
    },
  };
}

export const IMAGE_TYPE = '*formatter.imageContext';

export const list: Command = {
  use: '[OPTIONS] [REPOSITORY[:TAG]]',
  args: { min: 0, max: 1 },
  complete: ['images'],
  flags: [
    flag('all,a', 'bool', 'Show all images (default hides intermediate images)'),
    flag('digests', 'bool', 'Show digests'),
    filterFlag,
    listFormat,
    noTruncFlag,
    flag('quiet,q', 'bool', 'Only show image IDs'),
  ],
  async run(cli, flags, [reference]) {
    const quiet = flags.bool('quiet');
    const trunc = !flags.bool('no-trunc');
    const given = flags.string('format') || (quiet ? '' : cli.config.data.imagesFormat) || 'table';
    const digests = flags.bool('digests');
    let format = quiet ? '{{.ID}}' : given;
    if (!quiet && given === 'table') {
      format = `table {{.Repository}}\\t{{.Tag}}\\t${digests ? '{{.Digest}}\\t' : ''}{{.ID}}\\t{{.CreatedSince}}\\t{{.Size}}`;
    }
    const images = await cli.client.get<ImageSummary[]>('/images/json', {
      all: flags.bool('all'),
      filters: encodeFilters(flags.list('filter'), reference ? [`reference=${reference}`] : []),
      'shared-size': /\.(Shared|Unique)Size/.test(format),
    });
    const wantsDigests = digests || (!quiet && /\{\{[^}]*\.Digest\b/.test(format));
    const rows = images.flatMap((image) => imageRows(image, wantsDigests));
    cli.out.write(renderList(rows, { fields: imageFields(trunc), typeName: IMAGE_TYPE, format }));
  },
};
