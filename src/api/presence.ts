/** Backends and their operations may be absent: then the answer is 501 with what is missing. */
import { notImplemented } from '../errdefs/index.ts';
import type { Backends } from './backends.ts';

/** The backend of a resource. Throws NotImplemented when this engine has none. */
export function backend<K extends keyof Backends>(backends: Backends, name: K): NonNullable<Backends[K]> {
  const found = backends[name];
  if (!found) throw notImplemented(`not implemented: ${name}`);
  return found as NonNullable<Backends[K]>;
}

/** An optional operation, bound to its backend. Throws NotImplemented when it is absent. */
export function optional<T extends object, K extends keyof T & string>(owner: T, name: K): NonNullable<T[K]> {
  const found = owner[name];
  if (typeof found !== 'function') throw notImplemented(`not implemented: ${name}`);
  return found.bind(owner);
}
