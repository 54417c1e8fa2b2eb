/** `ps`: the table of containers. */
import type { ContainerSummary } from '@docker/node-sdk';
import type { Command } from '../../command.ts';
import { CliError, messageOf } from '../../errors.ts';
import { flag } from '../../flags/flag.ts';
import { ago } from '../../format/duration.ts';
import { type Fields, type Methods, renderList } from '../../format/list.ts';
import { ellipsis, goTime, joinLabels, truncateId } from '../../format/text.ts';
import { humanSize } from '../../format/units.ts';
import { filterFlag, listFormat, noTruncFlag } from '../common-flags.ts';
import { encodeFilters } from '../filters.ts';
import { displayPorts } from './display-ports.ts';

const TABLE =
  'table {{.ID}}\\t{{.Image}}\\t{{.Command}}\\t{{.RunningFor}}\\t{{.Status}}\\t{{.Ports}}\\t{{.Names}}';

/** The Go type that docker names when a template asks for an unknown field. */
export const CONTAINER_TYPE = '*formatter.ContainerContext';

function names(c: ContainerSummary, trunc: boolean): string {
  const bare = (c.Names ?? []).map((name) => name.replace(/^\//, ''));
  // Names with a slash are aliases that other containers' links gave.
  return (trunc ? bare.filter((name) => !name.includes('/')) : bare).join(',');
}

function imageName(c: ContainerSummary, trunc: boolean): string {
  const image = c.Image ?? '';
  if (image === '') return '<no image>';
  if (!trunc) return image;
  const short = truncateId(c.ImageID ?? '');
  if (short === truncateId(image) && /^(sha256:)?[0-9a-f]{12,64}$/.test(image)) return short;
  const at = image.indexOf('@');
  return at > 0 && /:[\w.-]+$/.test(image.slice(0, at)) ? image.slice(0, at) : image;
}

const mountNames = (c: ContainerSummary): string[] =>
  (c.Mounts ?? []).map((m) => (m.Name ? m.Name : (m.Source ?? '')));

function size(c: ContainerSummary): string {
  const text = humanSize(c.SizeRw ?? 0, 3);
  return (c.SizeRootFs ?? 0) > 0 ? `${text} (virtual ${humanSize(c.SizeRootFs ?? 0, 3)})` : text;
}

/** `linux/amd64`, of daemons that tell it (API 1.48). */
function platform(c: ContainerSummary): string | null {
  const { os, architecture, variant } = c.ImageManifestDescriptor?.platform ?? {};
  if (!os) return null;
  return [os, architecture, variant].filter(Boolean).join('/');
}

/** Fields of containers; `system df -v` shows them, too. */
export function containerFields(trunc: boolean): Fields<ContainerSummary> {
  return {
    ID: { header: 'CONTAINER ID', value: (c) => (trunc ? truncateId(c.Id ?? '') : c.Id) },
    Names: { header: 'NAMES', value: (c) => names(c, trunc) },
    Image: { header: 'IMAGE', value: (c) => imageName(c, trunc) },
    Command: {
      header: 'COMMAND',
      value: (c) => JSON.stringify(trunc ? ellipsis(c.Command ?? '', 20) : (c.Command ?? '')),
    },
    CreatedAt: { header: 'CREATED AT', value: (c) => goTime((c.Created ?? 0) * 1000) },
    RunningFor: { header: 'CREATED', value: (c) => ago((c.Created ?? 0) * 1000) },
    Ports: { header: 'PORTS', value: (c) => displayPorts(c.Ports ?? []) },
    State: { header: 'STATE', value: (c) => c.State ?? '' },
    Status: { header: 'STATUS', value: (c) => c.Status ?? '' },
    Size: { header: 'SIZE', value: size },
    Labels: { header: 'LABELS', value: (c) => joinLabels(c.Labels) },
    Mounts: {
      header: 'MOUNTS',
      value: (c) =>
        mountNames(c)
          .map((name) => (trunc ? ellipsis(name, 15) : name))
          .join(','),
    },
    LocalVolumes: {
      header: 'LOCAL VOLUMES',
      value: (c) => String((c.Mounts ?? []).filter((m) => m.Driver === 'local').length),
    },
    Platform: { header: 'PLATFORM', value: platform },
    Networks: {
      header: 'NETWORKS',
      value: (c) =>
        Object.keys(c.NetworkSettings?.Networks ?? {})
          .toSorted()
          .join(','),
    },
  };
}

const methods: Methods<ContainerSummary> = { Label: (c, name = '') => c.Labels?.[name] ?? '' };

/** Finds mistakes in the template before anything is asked. */
function checkFormat(format: string, trunc: boolean): void {
  try {
    renderList([{}], { fields: containerFields(trunc), methods, typeName: CONTAINER_TYPE, format });
  } catch (err) {
    const message = messageOf(err).replace('template parsing error: ', '');
    throw new CliError(
      `failed to ${/: executing "/.test(message) ? 'execute' : 'parse'} template: ${message}`,
    );
  }
}

/** `ps` */
export const list: Command = {
  use: '[OPTIONS]',
  args: { min: 0, max: 0 },
  flags: [
    flag('all,a', 'bool', 'Show all containers (default shows just running)'),
    filterFlag,
    listFormat,
    flag('last,n', 'int', 'Show n last created containers (includes all states)', { default: '-1' }),
    flag('latest,l', 'bool', 'Show the latest created container (includes all states)'),
    noTruncFlag,
    flag('quiet,q', 'bool', 'Only display container IDs'),
    flag('size,s', 'bool', 'Display total file sizes'),
  ],
  async run(cli, flags) {
    const trunc = !flags.bool('no-trunc');
    const quiet = flags.bool('quiet');
    let format = flags.string('format') || (quiet ? '' : cli.config.data.psFormat) || 'table';
    if (flags.changed('format') && quiet)
      cli.warn('Ignoring custom format, because both --format and --quiet are set.');
    const wantsSize = flags.bool('size') || (!quiet && /\.Size\b|json \.\s*[})|]/.test(format));
    if (quiet) format = '{{.ID}}';
    else if (format === 'table') format = flags.bool('size') ? `${TABLE}\\t{{.Size}}` : TABLE;
    checkFormat(format, trunc);
    const last = flags.bool('latest') ? 1 : flags.int('last');
    const containers = await cli.client.get<ContainerSummary[]>('/containers/json', {
      all: flags.bool('all') || last > 0,
      size: wantsSize,
      limit: last > 0 ? last : undefined,
      filters: encodeFilters(flags.list('filter')),
    });
    cli.out.write(
      renderList(containers, { fields: containerFields(trunc), methods, typeName: CONTAINER_TYPE, format }),
    );
  },
};
