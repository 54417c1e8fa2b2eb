/** What a command is: its line in help, its flags as data, what it may be given, and what it does. */
import type { Cli } from './context.ts';
import type { Completer, Flag, FlagValues } from './flags/flag.ts';

/** How many arguments; `max` undefined means any number. */
export interface Arity {
  min: number;
  max?: number;
}

/** A command. Its name stands in the command tree, since several paths may lead to it. */
export interface Command {
  /** What stands behind the name in `Usage:`; several lines for several forms. */
  readonly use: string | readonly string[];
  /** Shown in help below the usage; the tree's short line when absent. */
  readonly long?: string;
  readonly flags: readonly Flag[];
  readonly args: Arity;
  /** Flags may stand behind arguments; true unless said. */
  readonly interspersed?: boolean;
  /** Words that look like flags are arguments, too. */
  readonly raw?: boolean;
  /** What arguments complete to, the last entry for all that follow. */
  readonly complete?: readonly Completer[];
  run(cli: Cli, flags: FlagValues, args: string[]): Promise<void> | void;
}
