/** What a half-typed command line can go on with. */
import type { ContainerSummary, ImageSummary, NetworkSummary, VolumeListResponse } from '@docker/node-sdk';
import type { Command } from '../command.ts';
import { findCommand, GROUPS, listGroup, topLevel } from '../commands/tree.ts';
import { type Cli, GLOBAL_FLAGS } from '../context.ts';
import type { Completer, Flag } from '../flags/flag.ts';

/** A candidate, with words that help to choose. */
export interface Candidate {
  value: string;
  description?: string;
}

/** Candidates; `files` asks the shell for file names, `noSpace` not to close the word. */
export interface Candidates {
  items: Candidate[];
  files?: boolean;
  noSpace?: boolean;
}

const nothing: Candidates = { items: [] };

/** Candidates for the last of `words` (which may be empty). */
export async function complete(cli: Cli, words: readonly string[]): Promise<Candidates> {
  const current = words.at(-1) ?? '';
  const before = words.slice(0, -1);
  const globals = scan(GLOBAL_FLAGS, before, false);
  if (globals.pending) return flagValues(cli, globals.pending, current);
  const rest = globals.args;
  const found = findCommand(rest);
  if (found) return completeCommand(cli, await found.entry.load(), rest.slice(found.words), current);
  const group = GROUPS.find((g) => g.name === rest[0]);
  if (group && rest.length === 1) {
    return filtered(
      listGroup(group.name).map((c) => ({ value: c.name, description: c.short })),
      current,
    );
  }
  if (rest.length > 0) return nothing;
  if (current.startsWith('-')) return flagNames(GLOBAL_FLAGS, current);
  const commands = [...topLevel(), ...GROUPS].map(({ name, short }) => ({ value: name, description: short }));
  return filtered([...commands, { value: 'help', description: 'Help about a command' }], current);
}

const filtered = (items: Candidate[], current: string): Candidates => ({
  items: items.filter((i) => i.value.startsWith(current)),
});

/** Goes over words that are complete. @returns the arguments, and the flag that still wants its value */
function scan(
  table: readonly Flag[],
  words: readonly string[],
  interspersed: boolean,
): { args: string[]; pending?: Flag; literal: boolean } {
  const args: string[] = [];
  let pending: Flag | undefined;
  for (const [i, word] of words.entries()) {
    if (pending) {
      pending = undefined;
      continue;
    }
    if (word === '--') return { args: [...args, ...words.slice(i + 1)], literal: true };
    if (!word.startsWith('-') || word === '-') {
      if (!interspersed) return { args: [...args, ...words.slice(i)], literal: true };
      args.push(word);
      continue;
    }
    if (word.includes('=')) continue;
    const flag = word.startsWith('--')
      ? table.find((f) => f.name === word.slice(2))
      : table.find(
          (f) =>
            f.short === word.at(-1) &&
            [...word.slice(1, -1)].every((c) => table.some((o) => o.short === c && o.kind === 'bool')),
        );
    if (flag && flag.kind !== 'bool') pending = flag;
  }
  return { args, literal: false, ...(pending && { pending }) };
}

async function completeCommand(
  cli: Cli,
  command: Command,
  words: readonly string[],
  current: string,
): Promise<Candidates> {
  const { args, pending, literal } = scan(command.flags, words, command.interspersed ?? true);
  if (pending) return flagValues(cli, pending, current);
  if (!literal && current.startsWith('-')) {
    const equals = current.indexOf('=');
    if (equals < 0) return flagNames(command.flags, current);
    const flag = command.flags.find((f) => `--${f.name}` === current.slice(0, equals));
    if (!flag) return nothing;
    const values = await flagValues(cli, flag, current.slice(equals + 1));
    const prefix = current.slice(0, equals + 1);
    return { ...values, items: values.items.map((i) => ({ ...i, value: prefix + i.value })) };
  }
  const { max } = command.args;
  if (max !== undefined && args.length >= max) return nothing;
  const completer = command.complete?.[Math.min(args.length, command.complete.length - 1)];
  if (completer === undefined) return { items: [], files: max === undefined || max > 0 };
  return named(cli, completer, current, args);
}

const flagNames = (flags: readonly Flag[], current: string): Candidates =>
  filtered(
    [...flags.filter((f) => !f.hidden), { name: 'help', usage: 'Print usage' }].map((f) => ({
      value: `--${f.name}`,
      description: f.usage.split('\n', 1)[0] ?? '',
    })),
    current,
  );

function flagValues(cli: Cli, flag: Flag, current: string): Promise<Candidates> | Candidates {
  if (flag.complete !== undefined) return named(cli, flag.complete, current, []);
  if (flag.kind === 'bool') return filtered([{ value: 'true' }, { value: 'false' }], current);
  return nothing;
}

async function named(
  cli: Cli,
  completer: Completer,
  current: string,
  taken: readonly string[],
): Promise<Candidates> {
  if (typeof completer === 'object') {
    const result = filtered(
      completer.map((value) => ({ value })),
      current,
    );
    return { ...result, noSpace: result.items.length === 1 && Boolean(result.items[0]?.value.endsWith('=')) };
  }
  if (completer === 'files') return { items: [], files: true };
  try {
    const items = await listNames(cli, completer);
    const result = filtered(
      items.filter((i) => !taken.includes(i.value)),
      current,
    );
    // Containers are also the left part of what `cp` copies, volumes of what -v mounts; paths may stand there, too.
    return completer === 'volumes' || (completer === 'containers' && /[/.]/.test(current))
      ? { ...result, files: /^[./~]/.test(current) }
      : result;
  } catch {
    return nothing; // no daemon, no names
  }
}

async function listNames(
  cli: Cli,
  kind: Exclude<Completer, readonly string[] | 'files'>,
): Promise<Candidate[]> {
  switch (kind) {
    case 'containers':
    case 'running-containers':
    case 'stopped-containers': {
      const all = await cli.client.get<ContainerSummary[]>('/containers/json', {
        all: kind !== 'running-containers',
      });
      const wanted = all.filter(
        (c) => kind !== 'stopped-containers' || c.State === 'exited' || c.State === 'created',
      );
      return wanted.map((c) => ({
        value: (c.Names?.[0] ?? c.Id ?? '').replace(/^\//, ''),
        description: `${c.Image}, ${c.Status}`,
      }));
    }
    case 'images': {
      const images = await cli.client.get<ImageSummary[]>('/images/json');
      return images
        .flatMap((i) => (i.RepoTags ?? []).filter((t) => !t.startsWith('<none>')))
        .map((value) => ({ value }));
    }
    case 'networks':
      return (await cli.client.get<NetworkSummary[]>('/networks')).map((n) => ({
        value: n.Name ?? '',
        description: n.Driver ?? '',
      }));
    case 'volumes': {
      const { Volumes } = await cli.client.get<VolumeListResponse>('/volumes');
      return (Volumes ?? []).map((v) => ({ value: v.Name, description: v.Driver }));
    }
    case 'commands':
      return topLevel().map(({ name, short }) => ({ value: name, description: short }));
  }
}
