/** The functions templates may call: Go's built-in ones and Docker's additions. */
import { display, ESCAPED, goType, isObject, sprintf } from './print.ts';

/** A function; it throws Error with the reason when its arguments do not fit. */
export type TemplateFunction = (...args: unknown[]) => unknown;

/** Go's truth: empty strings, lists, maps, zero and nil are false. */
export function truth(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (isObject(value)) return Object.getOwnPropertySymbols(value).length > 0 || Object.keys(value).length > 0;
  return Boolean(value);
}

function basicKind(value: unknown): string {
  const type = typeof value;
  if (value === null || value === undefined) return 'nil';
  return type === 'object' ? 'other' : type;
}

function equal(a: unknown, b: unknown): boolean {
  const [left, right] = [basicKind(a), basicKind(b)];
  if (left === 'other' || right === 'other') throw new Error('non-comparable types');
  if (left !== right) {
    if (left === 'nil' || right === 'nil') return false;
    throw new Error('incompatible types for comparison');
  }
  return left === 'nil' || a === b;
}

function less(a: unknown, b: unknown): boolean {
  const kind = basicKind(a);
  if (kind !== basicKind(b)) throw new Error('incompatible types for comparison');
  if (kind !== 'number' && kind !== 'string') throw new Error('invalid type for comparison');
  return (a as number | string) < (b as number | string);
}

function index(item: unknown, ...keys: unknown[]): unknown {
  let value = item;
  for (const key of keys) {
    if (value === null || value === undefined) throw new Error('index of untyped nil');
    if (Array.isArray(value) || typeof value === 'string') {
      if (typeof key !== 'number') throw new Error(`cannot index slice/array with type ${goType(key)}`);
      if (key < 0 || key >= value.length) throw new Error(`index out of range: ${key}`);
      value = typeof value === 'string' ? Buffer.from(value)[key] : value[key];
    } else if (isObject(value)) {
      if (typeof key !== 'string') throw new Error(`value has type ${goType(key)}; should be string`);
      value = Object.hasOwn(value, key) ? value[key] : undefined;
    } else throw new Error(`can't index item of type ${goType(value)}`);
  }
  return value;
}

function slice(item: unknown, from: unknown = 0, to?: unknown): unknown {
  if (typeof item !== 'string' && !Array.isArray(item))
    throw new Error(`can't slice item of type ${goType(item)}`);
  const end = to ?? item.length;
  if (typeof from !== 'number' || typeof end !== 'number')
    throw new Error('cannot index slice/array with nil');
  if (from < 0 || end > item.length) throw new Error(`index out of range: ${from < 0 ? from : end}`);
  if (from > end) throw new Error(`invalid slice index: ${from} > ${end}`);
  return item.slice(from, end);
}

function len(item: unknown): number {
  if (typeof item === 'string') return Buffer.byteLength(item);
  if (Array.isArray(item)) return item.length;
  if (isObject(item)) return Object.keys(item).length;
  throw new Error(item === null || item === undefined ? 'len of nil pointer' : `len of type ${goType(item)}`);
}

const text = (value: unknown): string => {
  if (typeof value !== 'string')
    throw new Error(`wrong type for value; expected string; got ${goType(value)}`);
  return value;
};

/** Go's Sprint: blanks between operands when neither is a string. */
function sprint(...args: unknown[]): string {
  return args.reduce<string>((out, arg, i) => {
    const blank = i > 0 && typeof arg !== 'string' && typeof args[i - 1] !== 'string';
    return out + (blank ? ' ' : '') + display(arg);
  }, '');
}

const HTML: Readonly<Record<string, string>> = {
  '<': '&lt;',
  '>': '&gt;',
  '&': '&amp;',
  '"': '&#34;',
  "'": '&#39;',
};

/** JSON as Docker's `json` function writes it: escaped for HTML in the rows of lists only. */
export function toJson(value: unknown): string {
  const json = JSON.stringify(value === undefined ? null : value);
  if (!isObject(value) || !(ESCAPED in value)) return json;
  return json.replace(/[<>&\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Shortens to `length` characters. */
function truncate(value: unknown, length: unknown): string {
  const characters = [...text(value)];
  return typeof length === 'number' && characters.length > length
    ? characters.slice(0, length).join('')
    : text(value);
}

/** Every function. `and`, `or` are evaluated lazily by the interpreter; here they see evaluated arguments. */
export const FUNCTIONS: Readonly<Record<string, TemplateFunction>> = {
  and: (...args) => args.find((a) => !truth(a)) ?? args.at(-1),
  or: (...args) => args.find(truth) ?? args.at(-1),
  not: (arg) => !truth(arg),
  eq: (first, ...rest) => {
    if (rest.length === 0) throw new Error('missing argument for comparison');
    return rest.some((other) => equal(first, other));
  },
  ne: (a, b) => !equal(a, b),
  lt: less,
  le: (a, b) => less(a, b) || equal(a, b),
  gt: (a, b) => less(b, a),
  ge: (a, b) => less(b, a) || equal(a, b),
  index,
  slice,
  len,
  print: sprint,
  printf: (format, ...args) => sprintf(text(format), args),
  println: (...args) => `${args.map((a) => display(a)).join(' ')}\n`,
  html: (...args) => sprint(...args).replace(/[<>&"']/g, (c) => HTML[c] ?? c),
  js: (...args) =>
    JSON.stringify(sprint(...args))
      .slice(1, -1)
      .replace(/[<>&']/g, (c) => (c === "'" ? "\\'" : `\\u00${c.charCodeAt(0).toString(16).toUpperCase()}`)),
  urlquery: (...args) => encodeURIComponent(sprint(...args)).replaceAll('%20', '+'),
  call: (fn, ...args) => {
    if (typeof fn !== 'function') throw new Error(`non-function ${display(fn)} of type ${goType(fn)}`);
    return fn(...args) as unknown;
  },
  // Docker's
  json: toJson,
  split: (value, separator) => text(value).split(text(separator)),
  join: (list, separator) => {
    if (list === null || list === undefined) return '';
    if (!Array.isArray(list)) throw new Error(`wrong type for value; expected []string; got ${goType(list)}`);
    return list.map(String).join(text(separator));
  },
  lower: (value) => text(value).toLowerCase(),
  upper: (value) => text(value).toUpperCase(),
  title: (value) =>
    text(value).replace(
      /(^|[\s])(\p{L})/gu,
      (_all, gap: string, letter: string) => gap + letter.toUpperCase(),
    ),
  pad: (value, before, after) =>
    text(value) === '' ? '' : ' '.repeat(Number(before)) + text(value) + ' '.repeat(Number(after)),
  truncate,
};

/** In the header line of a table, functions that shape a value show the plain column name. */
export const HEADER_FUNCTIONS: Readonly<Record<string, TemplateFunction>> = {
  ...FUNCTIONS,
  json: (value) => value,
  title: (value) => value,
  lower: (value) => value,
  upper: (value) => value,
  truncate: (value) => value,
  split: (value) => [value],
  join: (value) => (Array.isArray(value) ? value.join('') : value),
};
