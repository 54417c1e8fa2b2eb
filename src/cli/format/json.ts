/** Re-indents JSON text without parsing its numbers, so that 64-bit values and the order of keys survive. */

/** @param prefix put before every line but the first @param indent one level */
export function indentJson(raw: string, prefix: string, indent: string): string {
  let out = '';
  let depth = 0;
  let pending = false; // an opening bracket was written and nothing behind it yet
  const newline = (): string => `\n${prefix}${indent.repeat(depth)}`;
  for (let i = 0; i < raw.length; i++) {
    const c = raw[i] as string;
    if (c === ' ' || c === '\n' || c === '\r' || c === '\t') continue;
    if (c === '}' || c === ']') {
      depth--;
      out += pending ? c : newline() + c;
      pending = false;
      continue;
    }
    if (pending) {
      out += newline();
      pending = false;
    }
    if (c === '"') {
      let end = i + 1;
      while (end < raw.length && raw[end] !== '"') end += raw[end] === '\\' ? 2 : 1;
      out += raw.slice(i, end + 1);
      i = end;
    } else if (c === '{' || c === '[') {
      out += c;
      depth++;
      pending = true;
    } else if (c === ',') out += c + newline();
    else if (c === ':') out += ': ';
    else out += c;
  }
  return out;
}

/** JSON with the keys of every object in order, as Go writes its maps. */
export function sortedJson(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    typeof item === 'object' && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
}

/** Parses JSON; whole numbers that JavaScript would round stay as they were written, for printing. */
export function parseExact(text: string): unknown {
  return JSON.parse(text, (_key, value: unknown, { source }: { source?: string } = {}) =>
    typeof value === 'number' &&
    !Number.isSafeInteger(value) &&
    source !== undefined &&
    /^-?\d+$/.test(source)
      ? new ExactNumber(source)
      : value,
  );
}

/** A number too long for JavaScript's. */
export class ExactNumber {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  toString(): string {
    return this.#text;
  }

  toJSON(): unknown {
    return (JSON as typeof JSON & { rawJSON(text: string): unknown }).rawJSON(this.#text);
  }
}
