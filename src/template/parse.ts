/** Parses a template into its tree. The grammar is that of Go's text/template/parse. */
import { type Command, type Node, type Operand, type Pipe, TemplateError, type Tree } from './ast.ts';
import { lex, lineOf, type Piece, type Token } from './lex.ts';

const KEYWORDS = new Set([
  'if',
  'else',
  'end',
  'range',
  'with',
  'define',
  'template',
  'block',
  'break',
  'continue',
]);

/** Parses `source`. @param functions the names that may be called @throws TemplateError */
export function parse(name: string, source: string, functions: ReadonlySet<string>): Tree {
  return new Parser(name, source, functions).tree();
}

class Parser {
  readonly #name: string;
  readonly #source: string;
  readonly #functions: ReadonlySet<string>;
  readonly #pieces: Piece[];
  readonly #defined = new Map<string, Node[]>();
  #next = 0;
  #tokens: Token[] = [];
  #token = 0;
  #variables: string[] = ['$'];
  #actionAt = 0;
  #loops = 0;

  constructor(name: string, source: string, functions: ReadonlySet<string>) {
    this.#name = name;
    this.#source = source;
    this.#functions = functions;
    this.#pieces = lex(name, source);
  }

  tree(): Tree {
    const { nodes, stop } = this.#list();
    if (stop) this.#fail(`unexpected {{${stop}}}`);
    return { name: this.#name, source: this.#source, body: nodes, defined: this.#defined };
  }

  #fail(message: string): never {
    throw new TemplateError(
      `template: ${this.#name}:${lineOf(this.#source, this.#actionAt)}: ${message}`,
      true,
    );
  }

  /** Reads nodes up to `end` or `else`, whose action is left open for the caller. */
  #list(): { nodes: Node[]; stop?: 'end' | 'else' } {
    const nodes: Node[] = [];
    for (let piece = this.#pieces[this.#next]; piece; piece = this.#pieces[this.#next]) {
      this.#next++;
      if (piece.kind === 'text') {
        nodes.push({ type: 'text', text: piece.text });
        continue;
      }
      this.#tokens = piece.tokens;
      this.#token = 0;
      this.#actionAt = piece.at;
      const first = this.#peek();
      const keyword = first?.kind === 'identifier' && KEYWORDS.has(first.text) ? first.text : undefined;
      if (keyword === 'end' || keyword === 'else') {
        this.#token++;
        if (keyword === 'end') this.#finish('end');
        return { nodes, stop: keyword };
      }
      const node = keyword ? this.#keyword(keyword) : this.#action();
      if (node) nodes.push(node);
    }
    return { nodes };
  }

  #action(): Node {
    if (!this.#peek()) this.#fail('missing value for command');
    const pipe = this.#pipe('command');
    this.#finish('command');
    return { type: 'action', pipe };
  }

  #keyword(keyword: string): Node | undefined {
    this.#token++;
    switch (keyword) {
      case 'if':
      case 'with':
      case 'range':
        return this.#control(keyword);
      case 'break':
      case 'continue':
        if (this.#loops === 0) this.#fail(`{{${keyword}}} outside {{range}}`);
        this.#finish(keyword);
        return { type: keyword };
      case 'define':
        this.#define(this.#templateName('define clause'));
        return undefined;
      default: {
        const at = this.#actionAt;
        const name = this.#templateName(`${keyword} clause`);
        const pipe = this.#peek() ? this.#pipe('template clause') : undefined;
        this.#finish('template clause');
        if (keyword === 'block') this.#define(name);
        return { type: 'template', name, pipe, at };
      }
    }
  }

  #define(name: string): void {
    this.#finish('define clause');
    const outer = this.#variables;
    this.#variables = ['$'];
    const { nodes, stop } = this.#list();
    if (stop !== 'end') this.#fail(stop ? 'unexpected {{else}} in define clause' : 'unexpected EOF');
    this.#variables = outer;
    this.#defined.set(name, nodes);
  }

  #templateName(context: string): string {
    const token = this.#tokens[this.#token++];
    if (token?.kind !== 'string') return this.#fail(`unexpected ${shown(token)} in ${context}`);
    return this.#unquote(token.text);
  }

  #control(type: 'if' | 'with' | 'range'): Node {
    const scope = this.#variables.length;
    const pipe = this.#pipe(type);
    this.#finish(type);
    if (type === 'range') this.#loops++;
    const body = this.#list();
    if (type === 'range') this.#loops--;
    let otherwise: Node[] = [];
    if (body.stop === 'else') {
      const chained = this.#peek();
      if (chained && chained.text === type && type !== 'range') {
        this.#token++;
        otherwise = [this.#control(type)];
        this.#variables.length = scope;
        return { type, pipe, body: body.nodes, otherwise };
      }
      this.#finish('else');
      const rest = this.#list();
      if (rest.stop !== 'end') this.#fail(rest.stop ? 'expected end; found {{else}}' : 'unexpected EOF');
      otherwise = rest.nodes;
    } else if (!body.stop) this.#fail('unexpected EOF');
    this.#variables.length = scope;
    return { type, pipe, body: body.nodes, otherwise };
  }

  #peek(ahead = 0): Token | undefined {
    return this.#tokens[this.#token + ahead];
  }

  #finish(context: string): void {
    const token = this.#peek();
    if (token) this.#fail(`unexpected ${shown(token)} in ${context}`);
  }

  #pipe(context: string): Pipe {
    const at = this.#peek()?.at ?? this.#actionAt;
    const pipe: Pipe = { variables: [], assign: undefined, commands: [], at };
    const [first, second] = [this.#peek(), this.#peek(1)];
    if (first?.kind === 'variable' && second) {
      if (second.text === ':=' || second.text === '=') {
        this.#token += 2;
        pipe.assign = second.text === ':=' ? 'declare' : 'set';
        pipe.variables.push(first.text);
      } else if (context === 'range' && second.text === ',' && this.#peek(2)?.kind === 'variable') {
        const operator = this.#peek(3)?.text;
        if (operator !== ':=' && operator !== '=') this.#fail('range can only initialize variables');
        pipe.variables.push(first.text, this.#peek(2)?.text ?? '');
        pipe.assign = operator === ':=' ? 'declare' : 'set';
        this.#token += 4;
      }
    }
    for (const variable of pipe.variables) {
      if (pipe.assign === 'set' && !this.#variables.includes(variable))
        this.#fail(`undefined variable ${JSON.stringify(variable)}`);
    }
    for (;;) {
      const command = this.#command();
      const head = command.operands[0];
      if (!head) return this.#fail(`missing value for ${context}`);
      if (
        pipe.commands.length > 0 &&
        (head.type === 'literal' || head.type === 'nil' || head.type === 'dot')
      ) {
        this.#fail(`non executable command in pipeline stage ${pipe.commands.length + 1}`);
      }
      pipe.commands.push(command);
      if (this.#peek()?.text !== '|') break;
      this.#token++;
    }
    if (pipe.assign === 'declare') this.#variables.push(...pipe.variables);
    return pipe;
  }

  #command(): Command {
    const command: Command = { operands: [], at: this.#peek()?.at ?? this.#actionAt };
    for (let token = this.#peek(); token && token.text !== '|' && token.text !== ')'; token = this.#peek()) {
      if (command.operands.length > 0 && !token.space && token.text !== '(')
        this.#fail(`unexpected ${shown(token)} in operand`);
      command.operands.push(this.#operand());
    }
    return command;
  }

  /** Fields that follow without a blank, as in `$x.A.B` or `(f).A`. */
  #fields(): string[] {
    const names: string[] = [];
    for (let token = this.#peek(); token?.kind === 'field' && !token.space; token = this.#peek()) {
      names.push(token.text.slice(1));
      this.#token++;
    }
    return names;
  }

  #operand(): Operand {
    const token = this.#peek() as Token;
    const { at, text } = token;
    this.#token++;
    switch (token.kind) {
      case 'field':
        return { type: 'field', names: [text.slice(1), ...this.#fields()], at };
      case 'variable':
        if (!this.#variables.includes(text)) this.#fail(`undefined variable ${JSON.stringify(text)}`);
        return { type: 'variable', name: text, names: this.#fields(), at };
      case 'dot':
        return { type: 'dot', at };
      case 'string':
        return { type: 'literal', value: this.#unquote(text), at, text };
      case 'char':
        return {
          type: 'literal',
          value: this.#unquote(text.replace(/^'|'$/g, '"')).codePointAt(0) ?? 0,
          at,
          text,
        };
      case 'number':
        return { type: 'literal', value: this.#number(text), at, text };
      case 'identifier': {
        if (text === 'true' || text === 'false') return { type: 'literal', value: text === 'true', at, text };
        if (text === 'nil') return { type: 'nil', at };
        if (!this.#functions.has(text)) this.#fail(`function ${JSON.stringify(text)} not defined`);
        return { type: 'identifier', name: text, at };
      }
      default: {
        if (text !== '(') return this.#fail(`unexpected ${shown(token)} in operand`);
        const pipe = this.#pipe('parenthesized pipeline');
        if (this.#peek()?.text !== ')') this.#fail('unclosed left paren');
        this.#token++;
        const base: Operand = { type: 'pipe', pipe, at };
        const names = this.#fields();
        return names.length ? { type: 'chain', base, names, at } : base;
      }
    }
  }

  #number(text: string): number {
    const plain = text.replaceAll('_', '');
    const negative = plain.startsWith('-');
    const value = Number(plain.replace(/^[+-]/, '').replace(/^0(?=[0-7]+$)/, '0o'));
    if (Number.isNaN(value)) this.#fail(`bad number syntax: ${JSON.stringify(text)}`);
    return negative ? -value : value;
  }

  #unquote(text: string): string {
    if (text.startsWith('`')) return text.slice(1, -1);
    return text
      .slice(1, -1)
      .replace(/\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|.)/gs, (_all, code: string) => {
        const simple = ESCAPES[code];
        if (simple !== undefined) return simple;
        if (/^[xuU]/.test(code) && code.length > 1)
          return String.fromCodePoint(Number.parseInt(code.slice(1), 16));
        if (/^[0-7]{3}$/.test(code)) return String.fromCodePoint(Number.parseInt(code, 8));
        return this.#fail('invalid syntax');
      });
  }
}

const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  a: '\x07',
  b: '\b',
  f: '\f',
  v: '\v',
  '\\': '\\',
  '"': '"',
  "'": "'",
};

function shown(token: Token | undefined): string {
  if (!token) return '"}}"';
  return token.kind === 'symbol' && token.text !== ':=' ? JSON.stringify(token.text) : `<${token.text}>`;
}
