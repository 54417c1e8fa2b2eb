/**
 * Go's text/template, as far as `--format` reaches: pipelines, variables, if, with, range, define and template,
 * Go's built-in functions and Docker's (`json`, `join`, `split`, `lower`, `upper`, `title`, `pad`, `truncate`,
 * `println`). Errors have Go's words. Written from the documentation of text/template.
 *
 * Values are those of JSON. An object marked with {@link STRUCT} knows its fields, so that asking for another one
 * fails as it does in Docker; any other object is a map.
 */
import type { Tree } from './ast.ts';
import { type ExecuteOptions, execute } from './execute.ts';
import { FUNCTIONS, HEADER_FUNCTIONS } from './functions.ts';
import { parse } from './parse.ts';

export { TemplateError } from './ast.ts';
export { toJson } from './functions.ts';
export { display, ESCAPED, STRUCT, type StructValue } from './print.ts';

const NAMES: ReadonlySet<string> = new Set(Object.keys(FUNCTIONS));

/** A template ready to run. */
export class Template {
  readonly #tree: Tree;

  /** @param name shown in errors @throws TemplateError */
  constructor(source: string, name = '') {
    this.#tree = parse(name, source, NAMES);
  }

  /** Runs over a value. @throws TemplateError */
  render(data: unknown, options: Partial<ExecuteOptions> = {}): string {
    return execute(this.#tree, data, { functions: FUNCTIONS, missingKey: 'default', ...options });
  }

  /** The header line of a table: every field stands for its column's title. */
  renderHeader(titles: Readonly<Record<string, unknown>>): string {
    return execute(this.#tree, titles, { functions: HEADER_FUNCTIONS, missingKey: 'default' });
  }
}
