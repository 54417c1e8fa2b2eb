/**
 * Request bodies decoded as Go's encoding/json decodes them into Docker's structs: field names match
 * without regard to case, unknown fields are dropped, `null` leaves a field out, and a wrong JSON type is
 * refused with Go's sentence. After that a body really has the shape of its `@docker/node-sdk` type.
 */
import { invalidParameter } from '../errdefs/index.ts';

/** Decodes `value`; `where` names the field in errors. */
export type Decoder = (value: unknown, where: Where) => unknown;

interface Where {
  /** Go's struct name. */
  struct: string;
  path: string;
}

const kindOfJson = (value: unknown): string =>
  Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'bool' : typeof value;

function mismatch(value: unknown, where: Where, goType: string): never {
  const place = where.path === '' ? 'Go value' : `Go struct field ${where.struct}.${where.path}`;
  const isInteger = /^u?int/.test(goType) && typeof value === 'number';
  const kind = isInteger ? `number ${inFull(value)}` : kindOfJson(value);
  throw invalidParameter(`invalid JSON: json: cannot unmarshal ${kind} into ${place} of type ${goType}`);
}

/** Go shows a number as it was written; what is too large for one of its integers was hardly written otherwise. */
const inFull = (number: number): string =>
  Number.isInteger(number) ? BigInt(number).toString() : `${number}`;

export const str: Decoder = (value, where) =>
  typeof value === 'string' ? value : mismatch(value, where, 'string');

export const bool: Decoder = (value, where) =>
  typeof value === 'boolean' ? value : mismatch(value, where, 'bool');

/** An integer of Go's within its bounds. Beyond 2^53 it loses digits, which no limit or size needs. */
const integer =
  (goType: string, low: number, high: number): Decoder =>
  (value, where) =>
    typeof value === 'number' && Number.isInteger(value) && value >= low && value < high
      ? value
      : mismatch(value, where, goType);

export const int: Decoder = integer('int64', -(2 ** 63), 2 ** 63);
/** Where Docker has Go's plain `int`, which its errors name. */
export const plainInt: Decoder = integer('int', -(2 ** 63), 2 ** 63);
export const uint: Decoder = integer('uint', 0, 2 ** 64);
export const uint16: Decoder = integer('uint16', 0, 2 ** 16);
export const duration: Decoder = integer('time.Duration', -(2 ** 63), 2 ** 63);

export const anything: Decoder = (value) => value;

export const arrayOf =
  (item: Decoder, goType = '[]string'): Decoder =>
  (value, where) =>
    Array.isArray(value)
      ? value.filter((v) => v !== null).map((v) => item(v, where))
      : mismatch(value, where, goType);

/** `nullAs` stands for a `null` entry: Go's zero value; null itself where Docker has pointers or slices. */
export const mapOf =
  (item: Decoder, goType = 'map[string]string', nullAs: unknown = null): Decoder =>
  (value, where) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      return mismatch(value, where, goType);
    }
    const out: Record<string, unknown> = {};
    for (const [key, v] of Object.entries(value)) {
      // defineProperty: a key named __proto__ must stay a key.
      Object.defineProperty(out, key, {
        value: v === null ? nullAs : item(v, where),
        enumerable: true,
        writable: true,
        configurable: true,
      });
    }
    return out;
  };

export const strings: Decoder = arrayOf(str);
export const stringMap: Decoder = mapOf(str, 'map[string]string', '');
/** A set of names: the values carry nothing. */
export const nameSet: Decoder = mapOf(anything, 'map[string]struct {}');

/** `Cmd` and `Entrypoint`: a string stands for a list of one. */
export const stringOrStrings: Decoder = (value, where) => {
  if (typeof value === 'string') return [value];
  // Go tries the list, then the string, and tells of the latter.
  if (!Array.isArray(value) || value.some((item) => item !== null && typeof item !== 'string')) {
    return mismatch(value, where, 'string');
  }
  return strings(value, where);
};

/** Fields of a struct that Go has embedded in another: its errors name it on the way. */
export function embedded(
  name: string,
  fields: Readonly<Record<string, Decoder>>,
): Readonly<Record<string, Decoder>> {
  return Object.fromEntries(
    Object.entries(fields).map(([field, decoder]): [string, Decoder] => [
      field,
      (value, where) => {
        const parent = where.path.slice(0, where.path.lastIndexOf('.') + 1);
        return decoder(value, { ...where, path: `${parent}${name}.${field}` });
      },
    ]),
  );
}

/** A struct. `goType` is Go's name for it, for the errors. */
export function struct(goType: string, fields: Readonly<Record<string, Decoder>>): Decoder {
  const name = goType.slice(goType.lastIndexOf('.') + 1);
  const byLowerCase = new Map<string, [string, Decoder]>();
  for (const [field, decoder] of Object.entries(fields)) {
    byLowerCase.set(field.toLowerCase(), [field, decoder]);
  }
  return (value, where) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      return mismatch(value, where, goType);
    }
    const out: Record<string, unknown> = {};
    for (const key of Object.keys(value)) {
      const known = byLowerCase.get(key.toLowerCase());
      if (!known) continue;
      const v = (value as Record<string, unknown>)[key];
      if (v === null) continue;
      const [field, decoder] = known;
      out[field] = decoder(v, { struct: name, path: where.path === '' ? field : `${where.path}.${field}` });
    }
    return out;
  };
}

/** Decodes a whole body. */
export const decodeBody = (decoder: Decoder, value: unknown): unknown =>
  decoder(value, { struct: '', path: '' });
