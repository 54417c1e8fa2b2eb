import { conflict, invalidParameter, notFound } from '../errdefs/index.ts';
import type { Query, Store } from '../store/index.ts';
import type { ContainerRecord } from './types.ts';

const MIGRATIONS = [
  `CREATE TABLE containers (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, created TEXT NOT NULL, record TEXT NOT NULL) STRICT`,
];

/** Docker's rule for names of containers. */
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

/** The records of all containers, in memory and in the database; finds them by id, prefix or name. */
export class ContainerStore<T extends { readonly record: ContainerRecord }> {
  readonly #byId = new Map<string, T>();
  readonly #byName = new Map<string, string>();
  readonly #insert: Query<never>;
  readonly #update: Query<never>;
  readonly #delete: Query<never>;

  constructor(store: Store) {
    store.migrate('container', MIGRATIONS);
    this.#insert = store.query('INSERT INTO containers VALUES (?, ?, ?, ?)');
    this.#update = store.query('UPDATE containers SET name = ?, record = ? WHERE id = ?');
    this.#delete = store.query('DELETE FROM containers WHERE id = ?');
  }

  /** Reads what an earlier daemon stored. */
  static load(store: Store): ContainerRecord[] {
    store.migrate('container', MIGRATIONS);
    return store
      .query<{ record: string }>("SELECT record FROM containers ORDER BY rtrim(created, 'Z')")
      .all()
      .map((row) => JSON.parse(row.record) as ContainerRecord);
  }

  /** Takes a container into memory: one that is in the database already, or is written there by {@link insert}. */
  adopt(container: T): void {
    this.#byId.set(container.record.id, container);
    this.#byName.set(container.record.name, container.record.id);
  }

  /** Claims a new container's id and name, in memory only. @throws Conflict when the name is taken, in Docker's words */
  claim(container: T): void {
    this.checkName(container.record.name);
    this.adopt(container);
  }

  /** Stores a claimed container. */
  insert({ record }: T): void {
    this.#insert.run(record.id, record.name, record.created, JSON.stringify(record));
  }

  /** Writes the record as it now is. */
  save({ record }: T): void {
    this.#update.run(record.name, JSON.stringify(record), record.id);
  }

  /** @throws InvalidParameter for a bad name, Conflict for one that is taken */
  rename(container: T, name: string): void {
    this.checkName(name);
    this.#byName.delete(container.record.name);
    container.record.name = name;
    this.#byName.set(name, container.record.id);
    this.save(container);
  }

  delete({ record }: T): void {
    this.#delete.run(record.id);
    this.#byId.delete(record.id);
    if (this.#byName.get(record.name) === record.id) this.#byName.delete(record.name);
  }

  /** @throws InvalidParameter, Conflict */
  checkName(name: string): void {
    if (!NAME.test(name)) {
      throw invalidParameter(`Invalid container name (${name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`);
    }
    const owner = this.#byName.get(name);
    if (owner !== undefined) {
      throw conflict(
        `Conflict. The container name "/${name}" is already in use by container "${owner}". You have to remove (or rename) that container to be able to reuse that name.`,
      );
    }
  }

  /** False once it was deleted. */
  has({ record }: T): boolean {
    return this.#byId.has(record.id);
  }

  hasName(name: string): boolean {
    return this.#byName.has(name);
  }

  /**
   * The container a client names: full id, then name, then a unique prefix of an id.
   * @throws NotFound `No such container: X`, InvalidParameter for an ambiguous prefix
   */
  get(idOrName: string): T {
    const exact = this.#byId.get(idOrName);
    if (exact) return exact;
    const named = this.#byName.get(idOrName.startsWith('/') ? idOrName.slice(1) : idOrName);
    if (named !== undefined) return this.#byId.get(named)!;
    if (idOrName !== '') {
      const matches = [...this.#byId.keys()].filter((id) => id.startsWith(idOrName));
      if (matches.length > 1) {
        throw invalidParameter(`Multiple IDs found with provided prefix: ${idOrName}`);
      }
      if (matches.length === 1) return this.#byId.get(matches[0]!)!;
    }
    throw notFound(`No such container: ${idOrName}`);
  }

  find(idOrName: string): T | undefined {
    try {
      return this.get(idOrName);
    } catch {
      return undefined;
    }
  }

  all(): IterableIterator<T> {
    return this.#byId.values();
  }

  get size(): number {
    return this.#byId.size;
  }
}
