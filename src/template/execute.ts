/** Runs a parsed template over a value. */
import { type Command, type Node, type Operand, type Pipe, TemplateError, type Tree } from './ast.ts';
import { type TemplateFunction, truth } from './functions.ts';
import { display, goType, isMapField, isObject, STRUCT, type StructValue } from './print.ts';

/** How to run. */
export interface ExecuteOptions {
  functions: Readonly<Record<string, TemplateFunction>>;
  /** What a missing key of a map does: shows `<no value>`, or fails. */
  missingKey: 'default' | 'error';
}

/** A value and the field it was read from (which tells how Go would print it). */
interface Value {
  value: unknown;
  key?: string;
}

class LoopExit {
  readonly kind: 'break' | 'continue';
  constructor(kind: 'break' | 'continue') {
    this.kind = kind;
  }
}

const MAX_DEPTH = 1000;

/** @throws TemplateError with Go's text */
export function execute(tree: Tree, data: unknown, options: ExecuteOptions): string {
  const run = new Run(tree, options);
  run.walk(tree.body, { value: data }, [{ name: '$', value: { value: data } }]);
  return run.out.join('');
}

interface Variable {
  name: string;
  value: Value;
}

class Run {
  readonly out: string[] = [];
  readonly #tree: Tree;
  readonly #options: ExecuteOptions;
  #depth = 0;

  constructor(tree: Tree, options: ExecuteOptions) {
    this.#tree = tree;
    this.#options = options;
  }

  #fail(at: number, shown: string, message: string): never {
    const { name, source } = this.#tree;
    const before = source.slice(0, at);
    const line = before.split('\n').length;
    const column = Buffer.byteLength(before.slice(before.lastIndexOf('\n') + 1));
    throw new TemplateError(
      `template: ${name}:${line}:${column}: executing ${JSON.stringify(name)} at <${shown}>: ${message}`,
      false,
    );
  }

  walk(nodes: readonly Node[], dot: Value, scope: Variable[]): void {
    for (const node of nodes) {
      switch (node.type) {
        case 'text':
          this.out.push(node.text);
          break;
        case 'action': {
          const { value, key } = this.#pipe(node.pipe, dot, scope);
          if (node.pipe.assign === undefined) this.out.push(display(value, key));
          break;
        }
        case 'if':
        case 'with': {
          const inner = [...scope];
          const value = this.#pipe(node.pipe, dot, inner);
          const next = node.type === 'with' && truth(value.value) ? value : dot;
          this.walk(truth(value.value) ? node.body : node.otherwise, next, inner);
          break;
        }
        case 'range':
          this.#range(node, dot, scope);
          break;
        case 'template': {
          const body = this.#tree.defined.get(node.name);
          if (!body)
            this.#fail(
              node.at,
              `{{template ${JSON.stringify(node.name)}}}`,
              `template ${JSON.stringify(node.name)} not defined`,
            );
          if (++this.#depth > MAX_DEPTH)
            this.#fail(
              node.at,
              `{{template ${JSON.stringify(node.name)}}}`,
              'exceeded maximum template depth (1000)',
            );
          const value = node.pipe ? this.#pipe(node.pipe, dot, [...scope]) : { value: undefined };
          this.walk(body, value, [{ name: '$', value }]);
          this.#depth--;
          break;
        }
        default:
          throw new LoopExit(node.type);
      }
    }
  }

  #range(node: Extract<Node, { type: 'if' | 'range' | 'with' }>, dot: Value, scope: Variable[]): void {
    const { pipe } = node;
    const { value } = this.#pipe({ ...pipe, variables: [], assign: undefined }, dot, scope);
    const entries = rangeEntries(value);
    if (!entries) this.#fail(pipe.at, this.#shown(pipe), `range can't iterate over ${display(value)}`);
    if (entries.length === 0) this.walk(node.otherwise, dot, [...scope]);
    for (const [key, item] of entries) {
      const inner = [...scope];
      const [first, second] = pipe.variables;
      const element: Value = { value: item };
      if (second !== undefined) this.#assign(pipe, inner, second, element);
      if (first !== undefined)
        this.#assign(pipe, inner, first, second === undefined ? element : { value: key });
      try {
        this.walk(node.body, element, inner);
      } catch (err) {
        if (!(err instanceof LoopExit)) throw err;
        if (err.kind === 'break') return;
      }
    }
  }

  #assign(pipe: Pipe, scope: Variable[], name: string, value: Value): void {
    const existing = pipe.assign === 'set' ? scope.findLast((v) => v.name === name) : undefined;
    if (existing) existing.value = value;
    else scope.push({ name, value });
  }

  #shown(pipe: Pipe): string {
    return this.#text(pipe.commands[0]?.operands[0]);
  }

  #text(operand: Operand | undefined): string {
    switch (operand?.type) {
      case 'field':
        return `.${operand.names.join('.')}`;
      case 'variable':
        return [operand.name, ...operand.names].join('.');
      case 'identifier':
        return operand.name;
      case 'literal':
        return operand.text;
      case 'dot':
        return '.';
      case 'nil':
        return 'nil';
      case 'chain':
        return `${this.#text(operand.base)}.${operand.names.join('.')}`;
      case 'pipe':
        return `(${operand.pipe.commands.map((c) => c.operands.map((o) => this.#text(o)).join(' ')).join(' | ')})`;
      default:
        return '';
    }
  }

  #pipe(pipe: Pipe, dot: Value, scope: Variable[]): Value {
    let result: Value | undefined;
    for (const command of pipe.commands) result = this.#command(command, dot, scope, result);
    const value = result ?? { value: undefined };
    for (const name of pipe.variables) this.#assign(pipe, scope, name, value);
    return value;
  }

  #command(command: Command, dot: Value, scope: Variable[], piped: Value | undefined): Value {
    const [head, ...rest] = command.operands;
    if (!head) return { value: undefined };
    const args = (): unknown[] => {
      const values = rest.map((o) => this.#operand(o, dot, scope).value);
      return piped ? [...values, piped.value] : values;
    };
    if (head.type === 'identifier') return this.#call(head, rest, dot, scope, piped);
    const hasArgs = rest.length > 0 || piped !== undefined;
    if (head.type === 'field') return this.#fields(head, dot, head.names, hasArgs ? args() : []);
    if (head.type === 'variable' && head.names.length) {
      return this.#fields(head, this.#variable(head.name, scope), head.names, hasArgs ? args() : []);
    }
    if (head.type === 'chain') {
      return this.#fields(head, this.#operand(head.base, dot, scope), head.names, hasArgs ? args() : []);
    }
    if (hasArgs)
      this.#fail(head.at, this.#text(head), `can't give argument to non-function ${this.#text(head)}`);
    return this.#operand(head, dot, scope);
  }

  #call(
    head: Operand & { type: 'identifier' },
    rest: Operand[],
    dot: Value,
    scope: Variable[],
    piped: Value | undefined,
  ): Value {
    const { name } = head;
    if ((name === 'and' || name === 'or') && rest.length > 0) {
      let last: Value = { value: undefined };
      for (const operand of rest) {
        last = this.#operand(operand, dot, scope);
        if (truth(last.value) === (name === 'or')) return last;
      }
      return piped ?? last;
    }
    const args = rest.map((o) => this.#operand(o, dot, scope).value);
    if (piped) args.push(piped.value);
    const fn = this.#options.functions[name];
    if (!fn) return this.#fail(head.at, name, `${JSON.stringify(name)} is not a defined function`);
    const fixed = fn.length;
    if (args.length < fixed) {
      this.#fail(head.at, name, `wrong number of args for ${name}: want ${fixed} got ${args.length}`);
    }
    try {
      return { value: fn(...args) };
    } catch (err) {
      return this.#fail(
        head.at,
        [name, ...rest.map((o) => this.#text(o))].join(' '),
        `error calling ${name}: ${(err as Error).message}`,
      );
    }
  }

  #variable(name: string, scope: Variable[]): Value {
    return scope.findLast((v) => v.name === name)?.value ?? { value: undefined };
  }

  #operand(operand: Operand, dot: Value, scope: Variable[]): Value {
    switch (operand.type) {
      case 'dot':
        return dot;
      case 'nil':
        return { value: null };
      case 'literal':
        return { value: operand.value };
      case 'field':
        return this.#fields(operand, dot, operand.names, []);
      case 'variable':
        return this.#fields(operand, this.#variable(operand.name, scope), operand.names, []);
      case 'chain':
        return this.#fields(operand, this.#operand(operand.base, dot, scope), operand.names, []);
      case 'pipe':
        return this.#pipe(operand.pipe, dot, [...scope]);
      case 'identifier':
        return this.#call(operand, [], dot, scope, undefined);
    }
  }

  #fields(operand: Operand, base: Value, names: readonly string[], args: unknown[]): Value {
    let current = base;
    names.forEach((name, i) => {
      current = this.#field(operand, current, name, i === names.length - 1 ? args : []);
    });
    return current;
  }

  #field(operand: Operand, { value: receiver, key: parent }: Value, name: string, args: unknown[]): Value {
    const at = operand.at;
    const shown = this.#text(operand);
    if (receiver === undefined || receiver === null) {
      if (receiver === undefined && this.#options.missingKey === 'default') return { value: undefined };
      return this.#fail(at, shown, `nil data; no entry for key ${JSON.stringify(name)}`);
    }
    if (!isObject(receiver))
      return this.#fail(at, shown, `can't evaluate field ${name} in type ${goType(receiver)}`);
    if (Object.hasOwn(receiver, name) || (STRUCT in receiver && name in receiver)) {
      const value = receiver[name];
      if (typeof value === 'function') return { value: value.apply(receiver, args) as unknown };
      if (args.length)
        return this.#fail(at, shown, `${name} has arguments but cannot be invoked as function`);
      return { value, key: name };
    }
    if (STRUCT in receiver) {
      return this.#fail(
        at,
        shown,
        `can't evaluate field ${name} in type ${(receiver as StructValue)[STRUCT]}`,
      );
    }
    if (this.#options.missingKey === 'error' && !isMapField(parent))
      return this.#fail(at, shown, `map has no entry for key ${JSON.stringify(name)}`);
    return { value: undefined };
  }
}

function rangeEntries(value: unknown): Array<[unknown, unknown]> | undefined {
  if (value === null || value === undefined) return [];
  if (Array.isArray(value)) return value.map((item, i) => [i, item]);
  if (typeof value === 'number' && Number.isInteger(value))
    return Array.from({ length: Math.max(0, value) }, (_, i) => [i, i]);
  if (isObject(value)) return Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return undefined;
}
