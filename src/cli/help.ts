/** Help texts in Docker's layout, made from the command tree and the flag tables. */
import type { Command } from './command.ts';
import { type Entry, GROUPS, listGroup, topLevel } from './commands/tree.ts';
import { GLOBAL_FLAGS, PROGRAM } from './context.ts';
import { flagUsages } from './flags/usage.ts';
import { stdout } from './output.ts';

const COMMON = [
  'run',
  'exec',
  'ps',
  'build',
  'pull',
  'push',
  'images',
  'login',
  'logout',
  'search',
  'version',
  'info',
];

const terminalWidth = (): number => stdout.size()?.columns ?? 80;

const commandLines = (entries: ReadonlyArray<{ name: string; short: string }>): string =>
  entries.map(({ name, short }) => `  ${name.padEnd(11)} ${short}`).join('\n');

/** `wharf --help`. */
export function rootHelp(): string {
  const entries = topLevel();
  const common = COMMON.flatMap((name) => entries.filter((e) => e.name === name));
  const others = entries.filter((e) => !COMMON.includes(e.name));
  return `Usage:  ${PROGRAM} [OPTIONS] COMMAND

A container engine, drop-in for Docker

Common Commands:
${commandLines(common)}

Management Commands:
${commandLines(GROUPS.map(({ name, short }) => ({ name, short })))}

Commands:
${commandLines(others)}

Global Options:
${flagUsages(GLOBAL_FLAGS, terminalWidth())}

Run '${PROGRAM} COMMAND --help' for more information on a command.
`;
}

/** `wharf container --help`. */
export function groupHelp(group: { name: string; short: string }): string {
  return `Usage:  ${PROGRAM} ${group.name} COMMAND

${group.short}

Commands:
${commandLines(listGroup(group.name))}

Run '${PROGRAM} ${group.name} COMMAND --help' for more information on a command.
`;
}

/** The `Usage:` lines of a command. @param path the words that lead to it, with the program's name */
export function usageLine(path: string, command: Command): string {
  const forms = typeof command.use === 'string' ? [command.use] : command.use;
  return `Usage:  ${forms.map((form) => `${path} ${form}`.trimEnd()).join('\n\t')}`;
}

/** `wharf run --help`. */
export function commandHelp(path: string, entry: Entry, command: Command): string {
  let text = `${usageLine(path, command)}\n\n${command.long ?? entry.short}\n`;
  const visible = entry.paths.filter((p) => !entry.hidden?.includes(p));
  if (visible.length > 1) text += `\nAliases:\n  ${visible.map((p) => `${PROGRAM} ${p}`).join(', ')}\n`;
  if (command.flags.some((f) => !f.hidden))
    text += `\nOptions:\n${flagUsages(command.flags, terminalWidth())}\n`;
  return text;
}
