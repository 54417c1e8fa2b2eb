/** Splits a template into text and the tokens of its actions. */
import { TemplateError } from './ast.ts';

/** A token of an action. `space` tells whether blanks stand before it, which decides `a.b` from `a .b`. */
export interface Token {
  kind: 'field' | 'variable' | 'identifier' | 'string' | 'number' | 'char' | 'symbol' | 'dot';
  text: string;
  at: number;
  space: boolean;
}

/** A run of text, or one action. */
export type Piece = { kind: 'text'; text: string } | { kind: 'action'; tokens: Token[]; at: number };

const PATTERNS: ReadonlyArray<readonly [Token['kind'], RegExp]> = [
  ['string', /"(?:[^"\\\n]|\\.)*"|`[^`]*`/y],
  ['char', /'(?:[^'\\\n]|\\.)+'/y],
  ['number', /[+-]?(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|\d[\d_]*\.?\d*(?:[eE][+-]?\d+)?|\.\d+)/y],
  ['field', /\.[\p{L}_][\p{L}\p{N}_]*/uy],
  ['variable', /\$[\p{L}\p{N}_]*/uy],
  ['identifier', /[\p{L}_][\p{L}\p{N}_]*/uy],
  ['symbol', /:=|[|(),=]/y],
  ['dot', /\./y],
];

/** Line number of an offset, from 1. */
export const lineOf = (source: string, at: number): number => source.slice(0, at).split('\n').length;

/** @throws TemplateError */
export function lex(name: string, source: string): Piece[] {
  const fail = (at: number, message: string): never => {
    throw new TemplateError(`template: ${name}:${lineOf(source, at)}: ${message}`, true);
  };
  const pieces: Piece[] = [];
  let position = 0;
  let trimNext = false;
  for (;;) {
    const open = source.indexOf('{{', position);
    let text = source.slice(position, open < 0 ? source.length : open);
    if (trimNext) text = text.replace(/^[ \t\r\n]+/, '');
    if (open < 0) {
      if (text) pieces.push({ kind: 'text', text });
      return pieces;
    }
    let at = open + 2;
    if (/^-[ \t\r\n]/.test(source.slice(at, at + 2))) {
      text = text.replace(/[ \t\r\n]+$/, '');
      at++;
    }
    if (text) pieces.push({ kind: 'text', text });
    const comment = /[ \t\r\n]*\/\*/y;
    comment.lastIndex = at;
    if (comment.test(source)) {
      const close = source.indexOf('*/', at);
      if (close < 0) fail(open, 'unclosed comment');
      const end = /^\s*(-)?\}\}/.exec(source.slice(close + 2));
      if (!end) return fail(open, 'comment ends before closing delimiter');
      trimNext = end[1] !== undefined;
      position = close + 2 + end[0].length;
      continue;
    }
    const action = lexAction(source, at, fail);
    pieces.push({ kind: 'action', tokens: action.tokens, at });
    trimNext = action.trim;
    position = action.end;
  }
}

function lexAction(
  source: string,
  start: number,
  fail: (at: number, message: string) => never,
): { tokens: Token[]; end: number; trim: boolean } {
  const tokens: Token[] = [];
  let at = start;
  for (;;) {
    const before = at;
    while (at < source.length && ' \t\r\n'.includes(source[at] as string)) at++;
    const space = at > before;
    if (source.startsWith('}}', at)) return { tokens, end: at + 2, trim: false };
    if (space && source.startsWith('-}}', at)) return { tokens, end: at + 3, trim: true };
    if (at >= source.length) return fail(start, 'unclosed action');
    const token = matchToken(source, at);
    if (!token) {
      const c = source[at] as string;
      if (c === '"' || c === '`')
        return fail(at, c === '"' ? 'unterminated quoted string' : 'unterminated raw quoted string');
      const code = (c.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
      return fail(at, `unrecognized character in action: U+${code} '${c}'`);
    }
    tokens.push({ ...token, at, space });
    at += token.text.length;
  }
}

function matchToken(source: string, at: number): { kind: Token['kind']; text: string } | undefined {
  for (const [kind, pattern] of PATTERNS) {
    pattern.lastIndex = at;
    const text = pattern.exec(source)?.[0];
    if (text !== undefined) return { kind, text };
  }
  return undefined;
}
