/**
 * The metadata database: one SQLite file in WAL mode, shared by the rooms above. Each room owns its
 * tables and brings them up to date with {@link Store.migrate}; no room reads another's tables.
 *
 * With `synchronous=NORMAL` a commit survives the death of the process at any point; a power cut may
 * lose the last commits but never leaves the database inconsistent (sqlite.org/wal.html).
 */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';

export type { SQLInputValue } from 'node:sqlite';

/** A prepared statement whose rows have the shape `Row`. The caller vouches for the shape: it wrote the SQL. */
export interface Query<Row> {
  get(...params: SQLInputValue[]): Row | undefined;
  all(...params: SQLInputValue[]): Row[];
  run(...params: SQLInputValue[]): { changes: number; lastInsertRowid: number };
}

export class Store {
  readonly #db: DatabaseSync;
  #depth = 0;

  private constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /** Opens (or makes) the database at `path`; `:memory:` gives one for tests. */
  static open(path: string): Store {
    if (path !== ':memory:') mkdirSync(dirname(path), { recursive: true, mode: 0o710 });
    const db = new DatabaseSync(path);
    db.exec(
      'PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON; PRAGMA busy_timeout=5000;',
    );
    db.exec('CREATE TABLE IF NOT EXISTS migrations (room TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT');
    return new Store(db);
  }

  /**
   * Brings a room's tables up to date: runs the `steps` (SQL scripts) that have not run yet, in order,
   * each in a transaction. Steps are only ever appended.
   */
  migrate(room: string, steps: readonly string[]): void {
    const row = this.query<{ version: number }>('SELECT version FROM migrations WHERE room = ?').get(room);
    for (let version = row?.version ?? 0; version < steps.length; version++) {
      this.transaction(() => {
        this.#db.exec(steps[version]!);
        this.query(
          'INSERT INTO migrations (room, version) VALUES (?, ?) ON CONFLICT (room) DO UPDATE SET version = excluded.version',
        ).run(room, version + 1);
      });
    }
  }

  /** Prepares a statement once; keep the result and use it often. */
  query<Row = Record<string, unknown>>(sql: string): Query<Row> {
    const statement: StatementSync = this.#db.prepare(sql);
    return {
      get: (...params) => statement.get(...params) as Row | undefined,
      all: (...params) => statement.all(...params) as Row[],
      run: (...params) => {
        const { changes, lastInsertRowid } = statement.run(...params);
        return { changes: Number(changes), lastInsertRowid: Number(lastInsertRowid) };
      },
    };
  }

  /** Runs `fn` (synchronous) in a transaction; nested calls join the outer one. A throw rolls back. */
  transaction<T>(fn: () => T): T {
    if (this.#depth > 0) return fn();
    this.#db.exec('BEGIN IMMEDIATE');
    this.#depth++;
    try {
      const result = fn();
      this.#db.exec('COMMIT');
      return result;
    } catch (err) {
      this.#db.exec('ROLLBACK');
      throw err;
    } finally {
      this.#depth--;
    }
  }

  close(): void {
    this.#db.close();
  }
}
