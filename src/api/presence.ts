/** Backends and their operations may be absent: then the answer is 501 with what is missing. */
import { notImplemented } from '../errdefs/index.ts';
import type { Backends } from './backends.ts';

/** What an operation is to a user, where its name does not say it. */
const WHAT: Readonly<Record<string, string>> = {
  statPath: 'copying files from and to containers',
  getArchive: 'copying files from containers',
  putArchive: 'copying files to containers',
  update: 'changing the limits of a container after its creation',
  commit: 'making an image of a container',
  export: 'exporting the files of a container',
  stats: 'statistics of containers',
  builds: 'building images',
};

const absent = (name: string): Error =>
  notImplemented(
    `not implemented: ${name}${WHAT[name] ? `: this version of Wharf lacks ${WHAT[name]}` : ''}`,
  );

/** The backend of a resource. Throws NotImplemented when this engine has none. */
export function backend<K extends keyof Backends>(backends: Backends, name: K): NonNullable<Backends[K]> {
  const found = backends[name];
  if (!found) throw absent(name);
  return found as NonNullable<Backends[K]>;
}

/** An optional operation, bound to its backend. Throws NotImplemented when it is absent. */
export function optional<T extends object, K extends keyof T & string>(owner: T, name: K): NonNullable<T[K]> {
  const found = owner[name];
  if (typeof found !== 'function') throw absent(name);
  return found.bind(owner);
}
