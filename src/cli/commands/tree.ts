/**
 * Every command: the paths that lead to it, its line in help, and the module it is loaded from when it runs
 * (loading all of them would double the time of a short command).
 */
import type { Command } from '../command.ts';
import { ENTRIES } from './entries.ts';

/** A command's place in the tree. */
export interface Entry {
  /** Words that lead to it, the management form first. */
  readonly paths: readonly string[];
  /** Paths that work but are not shown. */
  readonly hidden?: readonly string[];
  readonly short: string;
  readonly load: () => Promise<Command>;
}

/** The management groups. */
export const GROUPS: ReadonlyArray<{ name: string; short: string }> = [
  { name: 'builder', short: 'Manage builds' },
  { name: 'completion', short: 'Write the completion script of a shell' },
  { name: 'container', short: 'Manage containers' },
  { name: 'context', short: 'Manage contexts' },
  { name: 'image', short: 'Manage images' },
  { name: 'network', short: 'Manage networks' },
  { name: 'system', short: 'Manage Wharf' },
  { name: 'volume', short: 'Manage volumes' },
];

/** Finds the command that the first words name. @returns how many of them do */
export function findCommand(words: readonly string[]): { entry: Entry; words: number } | undefined {
  const one = words[0] ?? '';
  const two = `${one} ${words[1] ?? ''}`;
  for (const [path, count] of [
    [two, 2],
    [one, 1],
  ] as const) {
    const entry = ENTRIES.find((e) => e.paths.includes(path));
    if (entry) return { entry, words: count };
  }
  return undefined;
}

/** Commands without a group, by name. */
export function topLevel(): Array<{ name: string; short: string }> {
  return ENTRIES.flatMap((e) =>
    e.paths
      .filter((p) => !p.includes(' ') && !e.hidden?.includes(p))
      .map((name) => ({ name, short: e.short })),
  ).toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** Commands of a group, each once. */
export function listGroup(group: string): Array<{ name: string; short: string }> {
  return ENTRIES.flatMap((e) => {
    const path = e.paths.find((p) => p.startsWith(`${group} `));
    return path === undefined ? [] : [{ name: path.slice(group.length + 1), short: e.short }];
  }).toSorted((a, b) => (a.name < b.name ? -1 : 1));
}
