/** The tree of a template, after Go's text/template. Positions are offsets in the source. */

/** What yields a value inside a pipeline's command. */
export type Operand =
  | { type: 'dot'; at: number }
  | { type: 'nil'; at: number }
  | { type: 'literal'; value: string | number | boolean; at: number; text: string }
  | { type: 'field'; names: string[]; at: number }
  | { type: 'variable'; name: string; names: string[]; at: number }
  | { type: 'identifier'; name: string; at: number }
  | { type: 'chain'; base: Operand; names: string[]; at: number }
  | { type: 'pipe'; pipe: Pipe; at: number };

/** One stage of a pipeline: an operand and its arguments. */
export interface Command {
  operands: Operand[];
  at: number;
}

/** Stages joined by `|`, with the variables it declares (`:=`) or sets (`=`). */
export interface Pipe {
  variables: string[];
  assign: 'declare' | 'set' | undefined;
  commands: Command[];
  at: number;
}

/** A piece of template. */
export type Node =
  | { type: 'text'; text: string }
  | { type: 'action'; pipe: Pipe }
  | { type: 'if' | 'range' | 'with'; pipe: Pipe; body: Node[]; otherwise: Node[] }
  | { type: 'template'; name: string; pipe: Pipe | undefined; at: number }
  | { type: 'break' | 'continue' };

/** A parsed template: its main body and those it defines. */
export interface Tree {
  name: string;
  source: string;
  body: Node[];
  defined: Map<string, Node[]>;
}

/** A mistake in a template, or in running it; the text is Go's. */
export class TemplateError extends Error {
  /** True when the template could not even be parsed. */
  readonly parsing: boolean;

  constructor(message: string, parsing: boolean) {
    super(message);
    this.parsing = parsing;
  }
}
