/** The `prune` commands of containers, images, networks, volumes and build cache. */
import type { Command } from '../command.ts';
import type { Cli } from '../context.ts';
import { type Flag, flag } from '../flags/flag.ts';
import { humanSize } from '../format/units.ts';
import { confirm } from '../terminal/prompt.ts';
import { encodeFilters } from './filters.ts';

const forceFlag: Flag = flag('force,f', 'bool', 'Do not prompt for confirmation');
const pruneFilter = (example: string): Flag =>
  flag('filter', 'filter', `Provide filter values (e.g. "${example}")`);

/** Any prune answer; each kind has its own list. */
interface PruneReport {
  ContainersDeleted?: string[] | null;
  ImagesDeleted?: Array<{ Untagged?: string; Deleted?: string }> | null;
  NetworksDeleted?: string[] | null;
  VolumesDeleted?: string[] | null;
  CachesDeleted?: string[] | null;
  SpaceReclaimed?: number;
}

/** What a prune removed. */
export interface Pruned {
  text: string;
  space: number;
}

/** Kinds of object that can be pruned; `system prune` goes through several. */
export type PruneKind = 'containers' | 'images' | 'networks' | 'volumes' | 'build';

function describe(report: PruneReport): string {
  const section = (title: string, lines: readonly string[] | null | undefined): string =>
    lines?.length ? `${title}:\n${lines.join('\n')}\n\n` : '';
  const images = report.ImagesDeleted?.map((i) =>
    i.Untagged ? `untagged: ${i.Untagged}` : `deleted: ${i.Deleted}`,
  );
  return (
    section('Deleted Containers', report.ContainersDeleted) +
    section('Deleted Images', images) +
    section('Deleted Networks', report.NetworksDeleted) +
    section('Deleted Volumes', report.VolumesDeleted) +
    section('Deleted build cache objects', report.CachesDeleted)
  );
}

/** Prunes one kind. */
export async function prune(
  cli: Cli,
  kind: PruneKind,
  filters: readonly string[],
  all = false,
): Promise<Pruned> {
  const extra = kind === 'images' ? [`dangling=${!all}`] : kind === 'volumes' && all ? ['all=true'] : [];
  const report = await cli.client.json<PruneReport>('POST', `/${kind}/prune`, {
    query: { filters: encodeFilters(filters, extra), all: kind === 'build' && all },
  });
  return { text: describe(report), space: report.SpaceReclaimed ?? 0 };
}

interface PruneSpec {
  kind: PruneKind;
  flags: readonly Flag[];
  warning: (all: boolean, cli: Cli) => string | Promise<string>;
  /** Networks take no space. */
  reportsSpace: boolean;
}

function command({ kind, flags, warning, reportsSpace }: PruneSpec): Command {
  return {
    use: '[OPTIONS]',
    args: { min: 0, max: 0 },
    flags: [...flags, forceFlag],
    async run(cli, values) {
      const all = flags.some((f) => f.name === 'all') && values.bool('all');
      if (
        !values.bool('force') &&
        !(await confirm(cli, `${await warning(all, cli)}\nAre you sure you want to continue?`))
      )
        return;
      const { text, space } = await prune(cli, kind, values.list('filter'), all);
      cli.out.write(text);
      if (reportsSpace) cli.out.line(`Total reclaimed space: ${humanSize(space)}`);
    },
  };
}

const allFlag = (usage: string): Flag => flag('all,a', 'bool', usage);

export const pruneContainers: Command = command({
  kind: 'containers',
  flags: [pruneFilter('until=<timestamp>')],
  warning: () => 'WARNING! This will remove all stopped containers.',
  reportsSpace: true,
});

export const pruneImages: Command = command({
  kind: 'images',
  flags: [allFlag('Remove all unused images, not just dangling ones'), pruneFilter('until=<timestamp>')],
  warning: (all) =>
    all
      ? 'WARNING! This will remove all images without at least one container associated to them.'
      : 'WARNING! This will remove all dangling images.',
  reportsSpace: true,
});

export const pruneNetworks: Command = command({
  kind: 'networks',
  flags: [pruneFilter('until=<timestamp>')],
  warning: () => 'WARNING! This will remove all custom networks not used by at least one container.',
  reportsSpace: false,
});

export const pruneVolumes: Command = command({
  kind: 'volumes',
  flags: [allFlag('Remove all unused volumes, not just anonymous ones'), pruneFilter('label=<label>')],
  // Before API 1.42 named volumes went, too.
  warning: async (all, cli) =>
    all || !(await cli.client.supports('1.42'))
      ? 'WARNING! This will remove all local volumes not used by at least one container.'
      : 'WARNING! This will remove anonymous local volumes not used by at least one container.',
  reportsSpace: true,
});

export const pruneBuilder: Command = command({
  kind: 'build',
  flags: [allFlag('Remove all unused build cache, not just dangling ones'), pruneFilter('until=24h')],
  warning: (all) =>
    all
      ? 'WARNING! This will remove all build cache.'
      : 'WARNING! This will remove all dangling build cache.',
  reportsSpace: true,
});
