/** Parses a command line as GNU's getopt_long and Go's pflag do: clusters, `=` values, `--`, interspersed or not. */
import { messageOf } from '../errors.ts';
import { FLAG_KINDS, type Flag, FlagValues } from './flag.ts';
import { parseFlagValue } from './values.ts';

/** A mistake in the flags; its message is pflag's. */
export class FlagError extends Error {}

/** What a command line said. */
export interface Parsed {
  flags: FlagValues;
  args: string[];
  /** `--help` (or the old `-h`) was there. */
  help: false | 'help' | 'shorthand';
}

/** How to parse. */
export interface ParseOptions {
  /** Flags may stand behind arguments; false for commands whose arguments are a command of their own. */
  interspersed: boolean;
}

/** Parses `argv`. @throws FlagError */
export function parseFlags(table: readonly Flag[], argv: readonly string[], options: ParseOptions): Parsed {
  const flags = new FlagValues(table);
  const args: string[] = [];
  const byName = new Map(table.map((f) => [f.name, f]));
  const byShort = new Map(table.flatMap((f) => (f.short ? [[f.short, f] as const] : [])));
  const set = (flag: Flag, value: string): void => {
    try {
      for (const item of parseFlagValue(flag, value)) flags.add(flag, item);
    } catch (err) {
      const shown = flag.short ? `-${flag.short}, --${flag.name}` : `--${flag.name}`;
      throw new FlagError(`invalid argument ${JSON.stringify(value)} for "${shown}" flag: ${messageOf(err)}`);
    }
  };

  for (let i = 0; i < argv.length; i++) {
    const arg = argv[i] ?? '';
    if (arg === '--') {
      args.push(...argv.slice(i + 1));
      break;
    }
    if (!arg.startsWith('-') || arg === '-') {
      if (!options.interspersed) {
        args.push(...argv.slice(i));
        break;
      }
      args.push(arg);
      continue;
    }
    if (arg.startsWith('--')) {
      const equals = arg.indexOf('=');
      const name = equals < 0 ? arg.slice(2) : arg.slice(2, equals);
      if (name === '' || name.startsWith('-')) throw new FlagError(`bad flag syntax: ${arg}`);
      const flag = byName.get(name);
      if (!flag) {
        if (name === 'help') return { flags, args, help: 'help' };
        throw new FlagError(`unknown flag: --${name}`);
      }
      if (equals >= 0) set(flag, arg.slice(equals + 1));
      else if (flag.kind === 'bool') set(flag, 'true');
      else if (++i < argv.length) set(flag, argv[i] ?? '');
      else throw new FlagError(`flag needs an argument: --${name}`);
      continue;
    }
    for (let rest = arg.slice(1); rest !== ''; ) {
      const letter = rest[0] ?? '';
      const flag = byShort.get(letter);
      if (!flag) {
        if (letter === 'h') return { flags, args, help: 'shorthand' };
        throw new FlagError(`unknown shorthand flag: '${letter}' in -${rest}`);
      }
      if (rest.length > 2 && rest[1] === '=') {
        set(flag, rest.slice(2));
        break;
      }
      if (flag.kind === 'bool') {
        set(flag, 'true');
        rest = rest.slice(1);
        continue;
      }
      if (rest.length > 1) set(flag, rest.slice(1));
      else if (++i < argv.length) set(flag, argv[i] ?? '');
      else throw new FlagError(`flag needs an argument: '${letter}' in -${rest}`);
      break;
    }
  }
  return { flags, args, help: false };
}

/** Whether a flag takes a value (in the next word, or behind `=`). */
export const takesValue = (flag: Flag): boolean => flag.kind !== 'bool';

/** Whether a flag may be given several times. */
export const isRepeatable = (flag: Flag): boolean => FLAG_KINDS[flag.kind].several;
