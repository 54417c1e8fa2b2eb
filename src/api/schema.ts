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
  const kind = typeof value === 'number' && goType.startsWith('int') ? `number ${value}` : kindOfJson(value);
  throw invalidParameter(`invalid JSON: json: cannot unmarshal ${kind} into ${place} of type ${goType}`);
}

export const str: Decoder = (value, where) =>
  typeof value === 'string' ? value : mismatch(value, where, 'string');

export const bool: Decoder = (value, where) =>
  typeof value === 'boolean' ? value : mismatch(value, where, 'bool');

/** A 64-bit integer of Go; beyond 2^53 it would lose digits, which no limit or size needs. */
export const int: Decoder = (value, where) =>
  typeof value === 'number' && Number.isInteger(value) ? value : mismatch(value, where, 'int64');

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
export const stringOrStrings: Decoder = (value, where) =>
  typeof value === 'string' ? [value] : strings(value, where);

/** A struct. `name` is Go's, for the errors. */
export function struct(name: string, fields: Readonly<Record<string, Decoder>>): Decoder {
  const byLowerCase = new Map<string, [string, Decoder]>();
  for (const [field, decoder] of Object.entries(fields)) {
    byLowerCase.set(field.toLowerCase(), [field, decoder]);
  }
  return (value, where) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      return mismatch(value, where, name);
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
