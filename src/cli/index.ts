/** The command line's whole face: a run from arguments to exit status. */
import type { Command } from './command.ts';
import { type Entry, findCommand, GROUPS } from './commands/tree.ts';
import { Cli, GLOBAL_FLAGS, PROGRAM } from './context.ts';
import { CliError } from './errors.ts';
import { FlagValues } from './flags/flag.ts';
import { FlagError, type Parsed, parseFlags } from './flags/parse.ts';
import { stderr, stdout } from './output.ts';

const usageError = (message: string, path: string, usage: string, exitCode = 125): CliError =>
  new CliError(message, { exitCode, trailer: `${usage}\n\nRun '${path} --help' for more information` });

/** Runs a command line (without the program's name). @returns the exit status */
export async function main(argv: readonly string[]): Promise<number> {
  try {
    await dispatch(argv);
    return process.exitCode === undefined ? 0 : Number(process.exitCode);
  } catch (err) {
    return report(err, argv);
  }
}

function report(err: unknown, argv: readonly string[]): number {
  if (!(err instanceof CliError)) {
    const debug = argv.includes('-D') || argv.includes('--debug');
    stderr.line(`${PROGRAM}: ${err instanceof Error ? (debug ? err.stack : err.message) : String(err)}`);
    return 1;
  }
  if (err.message !== '') {
    stderr.line((err.prefixed ? `${PROGRAM}: ` : '') + err.message);
    if (err.hint) stderr.line(`Hint: ${err.hint}`);
    if (err.trailer) stderr.line(`\n${err.trailer}`);
  }
  return err.exitCode;
}

async function dispatch(argv: readonly string[]): Promise<void> {
  const globals = parseGlobals(argv);
  const cli = new Cli(globals.flags);
  const words = globals.args;
  if (globals.help) {
    stdout.write((await import('./help.ts')).rootHelp());
    return;
  }
  if (globals.flags.bool('version')) {
    const { CLIENT_VERSION, GIT_COMMIT } = await import('./version.ts');
    stdout.line(`Wharf version ${CLIENT_VERSION}, build ${GIT_COMMIT}`);
    return;
  }
  if (words[0] === 'help') return help(words.slice(1));
  if (words.length === 0) return help([]);
  const found = findCommand(words);
  if (!found) return noCommand(words);
  const command = await found.entry.load();
  const rest = words.slice(found.words);
  const path = `${PROGRAM} ${words.slice(0, found.words).join(' ')}`;
  cli.path = path;
  await runCommand(cli, found.entry, command, path, rest);
}

function parseGlobals(argv: readonly string[]): Parsed {
  try {
    return parseFlags(GLOBAL_FLAGS, argv, { interspersed: false });
  } catch (err) {
    if (!(err instanceof FlagError)) throw err;
    throw usageError(err.message, PROGRAM, `Usage:  ${PROGRAM} [OPTIONS] COMMAND [ARG...]`);
  }
}

async function runCommand(
  cli: Cli,
  entry: Entry,
  command: Command,
  path: string,
  argv: string[],
): Promise<void> {
  if (command.raw) {
    await command.run(cli, new FlagValues([]), argv);
    return;
  }
  let parsed: Parsed;
  try {
    parsed = parseFlags(command.flags, argv, { interspersed: command.interspersed ?? true });
  } catch (err) {
    if (!(err instanceof FlagError)) throw err;
    throw usageError(err.message, path, (await import('./help.ts')).usageLine(path, command));
  }
  if (parsed.help) {
    if (parsed.help === 'shorthand') stderr.line('Flag shorthand -h has been deprecated, use --help');
    stdout.write((await import('./help.ts')).commandHelp(path, entry, command));
    return;
  }
  const problem = arityProblem(command, parsed.args.length);
  if (problem) {
    const usage = (await import('./help.ts')).usageLine(path, command);
    throw new CliError(`'${path}' ${problem}`, {
      prefixed: true,
      trailer: `${usage}\n\n${command.args.max === undefined ? 'See' : 'Run'} '${path} --help' for more information`,
    });
  }
  await command.run(cli, parsed.flags, parsed.args);
}

function arityProblem({ args: { min, max } }: Command, given: number): string | undefined {
  if (given >= min && (max === undefined || given <= max)) return undefined;
  const count = (n: number): string => `${n} argument${n === 1 ? '' : 's'}`;
  if (max === 0) return 'accepts no arguments';
  if (max === undefined) return `requires at least ${count(min)}`;
  if (min === max) return `requires ${count(min)}`;
  if (min === 0) return `requires at most ${count(max)}`;
  return `requires at least ${min} and at most ${count(max)}`;
}

async function help(words: readonly string[]): Promise<void> {
  const { rootHelp, groupHelp, commandHelp } = await import('./help.ts');
  if (words.length === 0) return stdout.write(rootHelp());
  const found = findCommand(words);
  if (found) {
    const path = `${PROGRAM} ${words.slice(0, found.words).join(' ')}`;
    return stdout.write(commandHelp(path, found.entry, await found.entry.load()));
  }
  const group = GROUPS.find((g) => g.name === words[0]);
  if (group && words.length === 1) return stdout.write(groupHelp(group));
  throw unknownCommand(words);
}

async function noCommand(words: readonly string[]): Promise<void> {
  const group = GROUPS.find((g) => g.name === words[0]);
  const next = words[1];
  if (!group) throw unknownCommand(words);
  if (next === undefined || next === '--help' || next === '-h' || next === 'help') {
    return stdout.write((await import('./help.ts')).groupHelp(group));
  }
  const path = `${PROGRAM} ${group.name}`;
  if (next.startsWith('-')) {
    const name = /^--?[^=]*/.exec(next)?.[0] ?? next;
    const what = next.startsWith('--')
      ? `unknown flag: ${name}`
      : `unknown shorthand flag: '${next[1]}' in ${next}`;
    throw usageError(what, path, `Usage:  ${path}`);
  }
  throw new CliError(`unknown command: ${path} ${next}`, {
    prefixed: true,
    trailer: `Usage:  ${path}\n\nRun '${path} --help' for more information`,
  });
}

const unknownCommand = (words: readonly string[]): CliError =>
  new CliError(`unknown command: ${PROGRAM} ${words[0]}`, {
    prefixed: true,
    trailer: `Run '${PROGRAM} --help' for more information`,
  });
