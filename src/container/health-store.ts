/** The health of containers in the database: a new daemon goes on where the old one ended. */
import type { Query, Store } from '../store/index.ts';
import type { HealthState } from './health-state.ts';

const MIGRATIONS = [
  'CREATE TABLE container_health (container TEXT PRIMARY KEY, state TEXT NOT NULL) STRICT, WITHOUT ROWID',
];
/** Milliseconds that the newest probes of a container whose status does not change may be unwritten. */
const PATIENCE = 10_000;

/**
 * A changed status or streak is written at once; probes that only say the same again now and then, since a hundred
 * containers may be probed each second.
 */
export class HealthStore {
  readonly #write: Query<never>;
  readonly #delete: Query<never>;
  readonly #store: Store;
  readonly #unwritten = new Map<string, HealthState>();
  #timer: NodeJS.Timeout | undefined;

  constructor(store: Store) {
    store.migrate('container_health', MIGRATIONS);
    this.#store = store;
    this.#write = store.query(
      'INSERT INTO container_health VALUES (?, ?) ON CONFLICT (container) DO UPDATE SET state = excluded.state',
    );
    this.#delete = store.query('DELETE FROM container_health WHERE container = ?');
  }

  load(): Map<string, HealthState> {
    return new Map(
      this.#store
        .query<{ container: string; state: string }>('SELECT container, state FROM container_health')
        .all()
        .map(({ container, state }) => [container, JSON.parse(state) as HealthState]),
    );
  }

  save(id: string, state: HealthState, before: HealthState | undefined): void {
    if (before?.status === state.status && before.failingStreak === state.failingStreak) {
      this.#unwritten.set(id, state);
      this.#timer ??= setTimeout(() => this.flush(), PATIENCE).unref();
    } else {
      this.#unwritten.delete(id);
      this.#write.run(id, JSON.stringify(state));
    }
  }

  delete(id: string): void {
    this.#unwritten.delete(id);
    this.#delete.run(id);
  }

  /** Writes what is unwritten. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#unwritten.size === 0) return;
    this.#store.transaction(() => {
      for (const [id, state] of this.#unwritten) this.#write.run(id, JSON.stringify(state));
    });
    this.#unwritten.clear();
  }
}
