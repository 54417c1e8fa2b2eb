/**
 * Flags as data. One table per command drives the parser, the help text and tab completion.
 *
 * A flag's *kind* says what its value looks like and whether it may be given again; its name is what help
 * shows behind the flag, as Docker's does.
 */

/** What a flag or argument completes to. */
export type Completer =
  | 'containers'
  | 'running-containers'
  | 'stopped-containers'
  | 'images'
  | 'networks'
  | 'volumes'
  | 'files'
  | 'commands'
  | readonly string[];

/** The kinds of flag. */
export type FlagKind = keyof typeof FLAG_KINDS;

/** How a kind behaves. `several`: may be repeated; `strings` are also split at commas. */
export const FLAG_KINDS = {
  bool: { several: false },
  string: { several: false },
  int: { several: false },
  uint16: { several: false },
  decimal: { several: false },
  duration: { several: false },
  bytes: { several: false },
  list: { several: true },
  strings: { several: true },
  map: { several: true },
  filter: { several: true },
  mount: { several: true },
  network: { several: true },
  ulimit: { several: true },
  'gpu-request': { several: true },
} as const satisfies Record<string, { several: boolean }>;

/** One flag. */
export interface Flag {
  readonly name: string;
  readonly kind: FlagKind;
  readonly usage: string;
  /** One letter. */
  readonly short?: string;
  /** The value when the flag is absent, as help shows it. */
  readonly default?: string;
  /** What help shows instead of the kind (`list`, `string`, …). */
  readonly display?: string;
  /** Accepted, not shown. */
  readonly hidden?: boolean;
  readonly complete?: Completer;
  /** Checks or rewrites a value; its error ends the command as a mistake in usage. */
  readonly parse?: (value: string) => string;
}

/** Makes a flag; `name` may carry the short form as in `all,a`. */
export function flag(
  name: string,
  kind: FlagKind,
  usage: string,
  options: Omit<Flag, 'name' | 'kind' | 'usage' | 'short'> = {},
): Flag {
  const [long = '', short] = name.split(',');
  return { name: long, kind, usage, ...(short && { short }), ...options };
}

/** The values a command line gave. Reading a flag that the table lacks is a mistake in our code, and throws. */
export class FlagValues {
  readonly #table: ReadonlyMap<string, Flag>;
  readonly #given = new Map<string, string[]>();

  constructor(flags: readonly Flag[]) {
    this.#table = new Map(flags.map((f) => [f.name, f]));
  }

  /** Takes a value that was parsed for a flag. */
  add(flag: Flag, value: string): void {
    const values = FLAG_KINDS[flag.kind].several ? this.#given.get(flag.name) : undefined;
    if (values) values.push(value);
    else this.#given.set(flag.name, [value]);
  }

  #flag(name: string): Flag {
    const found = this.#table.get(name);
    if (!found) throw new Error(`no such flag in the table: ${name}`);
    return found;
  }

  /** Whether the flag was on the command line. */
  changed(name: string): boolean {
    this.#flag(name);
    return this.#given.has(name);
  }

  bool(name: string): boolean {
    return (this.#given.get(name)?.[0] ?? this.#flag(name).default) === 'true';
  }

  /** The value, or the default, or an empty string. */
  string(name: string): string {
    return this.#given.get(name)?.[0] ?? this.#flag(name).default ?? '';
  }

  /** The value of an `int`, `uint16` flag; `bytes` and `duration` are rewritten to numbers by their parsers. */
  int(name: string): number {
    return Number(this.string(name) || 0);
  }

  /** Every value given, in order. */
  list(name: string): string[] {
    this.#flag(name);
    return this.#given.get(name) ?? [];
  }
}
