/** How Go's fmt shows values (`%v` and the other verbs of printf), for values that came from JSON. */
import { formatG } from './number.ts';

/** Marks an object whose fields are a Go struct's, with the type's name for messages. */
export const STRUCT: unique symbol = Symbol('struct');

/** Marks an object whose JSON is escaped for HTML, as Go's encoder does unless told otherwise. */
export const ESCAPED: unique symbol = Symbol('escaped');

/** An object of which a template may only ask known fields. Functions are methods. */
export interface StructValue {
  readonly [STRUCT]: string;
  readonly [field: string]: unknown;
}

/** Fields of Docker's types that are maps in Go; other objects are structs there, which print differently. */
const MAP_FIELDS = new Set([
  'Labels',
  'Ports',
  'Networks',
  'Options',
  'DriverOpts',
  'ExposedPorts',
  'Volumes',
  'PortBindings',
  'Sysctls',
  'Tmpfs',
  'StorageOpt',
  'Containers',
  'Services',
  'Annotations',
  'Status',
  'Runtimes',
  'IndexConfigs',
  'Data',
]);

/** Whether the field's value is a map in Go, so that a missing key shows as `<no value>`. */
export const isMapField = (key: string | undefined): boolean => key !== undefined && MAP_FIELDS.has(key);

/** A number too long for JavaScript's, kept as it was written: it knows its own JSON. */
const isExact = (value: object): boolean => 'toJSON' in value && typeof value.toJSON === 'function';

/** Whether a value is an object with keys. */
export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !isExact(value);

/** `%v`. @param key the field the value was read from, which tells maps from structs */
export function display(value: unknown, key?: string): string {
  if (value === null) return '<nil>';
  if (value === undefined) return '<no value>';
  if (typeof value === 'number') return displayNumber(value);
  if (Array.isArray(value)) return `[${value.map((item) => display(item)).join(' ')}]`;
  if (isObject(value)) {
    const entries = Object.entries(value).filter(([, v]) => typeof v !== 'function');
    if (isMapField(key)) {
      const sorted = entries.toSorted(([a], [b]) => (a < b ? -1 : 1));
      return `map[${sorted.map(([k, v]) => `${k}:${display(v)}`).join(' ')}]`;
    }
    return `{${entries.map(([k, v]) => display(v, k)).join(' ')}}`;
  }
  return String(value);
}

function displayNumber(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e21) return String(value);
  const exponent = Math.floor(Math.log10(Math.abs(value)));
  return exponent < -4 || exponent >= 21 ? formatG(value, 17) : String(value);
}

/** Go's `%q` and `strconv.Quote`, near enough for text. */
export const quote = (text: string): string => JSON.stringify(text);

/** Go's Sprintf for the verbs that templates use: v d s q t x X o b c e f g %, with flags, width, precision. */
export function sprintf(format: string, args: readonly unknown[]): string {
  let next = 0;
  const out = format.replace(
    /%([-+# 0]*)(\d+|\*)?(?:\.(\d+|\*))?(.)/gs,
    (_all, flags: string, w, p, verb: string) => {
      if (verb === '%') return '%';
      const width = w === '*' ? Number(args[next++]) : Number(w ?? 0);
      const precision = p === '*' ? Number(args[next++]) : p === undefined ? undefined : Number(p);
      if (next >= args.length) return `%!${verb}(MISSING)`;
      const text = formatVerb(verb, args[next++], flags, precision);
      if (flags.includes('-')) return text.padEnd(width);
      if (flags.includes('0') && 'dxXobeEfFgG'.includes(verb)) {
        const sign = /^[+-]/.exec(text)?.[0] ?? '';
        return sign + text.slice(sign.length).padStart(width - sign.length, '0');
      }
      return text.padStart(width);
    },
  );
  const extra = args.slice(next);
  return extra.length ? `${out}%!(EXTRA ${extra.map((a) => `${goType(a)}=${display(a)}`).join(', ')})` : out;
}

function formatVerb(verb: string, value: unknown, flags: string, precision: number | undefined): string {
  const plus = (text: string): string => (flags.includes('+') && !text.startsWith('-') ? `+${text}` : text);
  const integer = typeof value === 'number' && Number.isInteger(value);
  const radix = { d: 10, x: 16, X: 16, o: 8, b: 2 }[verb];
  if (verb === 'v') return display(value);
  if (verb === 'T') return goType(value);
  if (verb === 's') {
    const text =
      typeof value === 'string'
        ? value
        : typeof value === 'number' || typeof value === 'boolean'
          ? bad(verb, value)
          : display(value);
    return precision === undefined ? text : text.slice(0, precision);
  }
  if (verb === 'q' && typeof value === 'string') return quote(value);
  if (verb === 'q' && Array.isArray(value)) return `[${value.map((v) => quote(String(v))).join(' ')}]`;
  if (verb === 't' && typeof value === 'boolean') return String(value);
  if (verb === 'c' && integer) return String.fromCodePoint(value);
  if ((verb === 'x' || verb === 'X') && typeof value === 'string') {
    const hex = Buffer.from(value).toString('hex');
    return verb === 'x' ? hex : hex.toUpperCase();
  }
  if (radix && integer) {
    const digits = value.toString(radix);
    return plus(verb === 'X' ? digits.toUpperCase() : digits);
  }
  if ('fFeEgG'.includes(verb) && typeof value === 'number') {
    if (verb === 'f' || verb === 'F') return plus(value.toFixed(precision ?? 6));
    if (verb === 'g' || verb === 'G')
      return plus(precision === undefined ? displayNumber(value) : formatG(value, precision));
    return plus(value.toExponential(precision ?? 6).replace(/e([+-])(\d)$/, 'e$10$2'));
  }
  return bad(verb, value);
}

const bad = (verb: string, value: unknown): string => `%!${verb}(${goType(value)}=${display(value)})`;

/** The Go type a JSON value has, for messages. */
export function goType(value: unknown): string {
  if (value === null || value === undefined) return '<nil>';
  if (typeof value === 'string') return 'string';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'number') return Number.isInteger(value) ? 'int' : 'float64';
  if (Array.isArray(value)) return '[]interface {}';
  if (isObject(value) && STRUCT in value) return (value as StructValue)[STRUCT];
  return 'map[string]interface {}';
}
