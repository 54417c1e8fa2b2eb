/** Lists as Docker prints them: a table, JSON lines, or a template per row. */

import { ESCAPED, STRUCT, Template, TemplateError } from '../../template/index.ts';
import { CliError } from '../errors.ts';
import { alignTabs } from './tabwriter.ts';

/** A field of a row: its column title, and how to get it. A value that takes arguments is a method (`.Label "x"`). */
export interface Field<T> {
  readonly header: string;
  readonly value: (item: T) => unknown;
}

/** The fields templates may use, by name. */
export type Fields<T> = Readonly<Record<string, Field<T>>>;

/** Methods with arguments, which are not part of a row's JSON. */
export type Methods<T> = Readonly<Record<string, (item: T, ...args: string[]) => unknown>>;

/** What to print, and how. */
export interface ListOptions<T> {
  fields: Fields<T>;
  methods?: Methods<T>;
  /** The Go type named when a template asks an unknown field. */
  typeName: string;
  /** The template; `table …`, `json`, or a plain one. */
  format: string;
}

/** A row as templates see it; fields are worked out when asked. */
function rowOf<T>(item: T, { fields, methods, typeName }: ListOptions<T>): object {
  const row: Record<string | symbol, unknown> = {};
  Object.defineProperty(row, STRUCT, { value: typeName });
  Object.defineProperty(row, ESCAPED, { value: true });
  for (const name of Object.keys(fields).toSorted()) {
    Object.defineProperty(row, name, { enumerable: true, get: () => fields[name]?.value(item) });
  }
  for (const [name, method] of Object.entries(methods ?? {})) {
    Object.defineProperty(row, name, { value: (...args: string[]) => method(item, ...args) });
  }
  return row;
}

/** The template with its `\t` and `\n` made real, without the `table` word. */
function prepare(format: string): { table: boolean; source: string } {
  const table = format.startsWith('table');
  const source = (table ? format.slice('table'.length) : format).trim();
  return { table, source: source.replaceAll('\\t', '\t').replaceAll('\\n', '\n') };
}

/** Turns template errors into the command's. @param prefix what docker says before one in the running */
export function templateFailure(err: unknown, prefix = ''): never {
  if (!(err instanceof TemplateError)) throw err;
  throw new CliError(err.parsing ? `template parsing error: ${err.message}` : prefix + err.message);
}

/** Renders rows. @returns the text to print, with its last newline */
export function renderList<T>(items: readonly T[], options: ListOptions<T>): string {
  try {
    const { table, source } = prepare(options.format === 'json' ? '{{json .}}' : options.format);
    const template = new Template(source);
    const rows = items.map((item) => `${template.render(rowOf(item, options))}\n`);
    if (!table) return rows.join('');
    const titles = Object.fromEntries(Object.entries(options.fields).map(([name, f]) => [name, f.header]));
    const withMethods = {
      ...titles,
      ...Object.fromEntries(Object.keys(options.methods ?? {}).map((m) => [m, (arg: string) => arg])),
    };
    return alignTabs(`${template.renderHeader(withMethods)}\n${rows.join('')}`);
  } catch (err) {
    return templateFailure(err, 'template parsing error: ');
  }
}
