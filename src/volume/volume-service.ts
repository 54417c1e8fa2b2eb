import { randomBytes } from 'node:crypto';
import { lstatSync, mkdirSync, opendirSync, renameSync } from 'node:fs';
import { lstat, opendir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Volume, VolumeCreateOptions } from '@docker/node-sdk';
import { conflict, invalidParameter, messageOf, notFound } from '../errdefs/index.ts';
import { type Filters, matchLabels } from '../filters/index.ts';
import { unmountIfMounted } from '../linux/index.ts';
import type { Query, Store } from '../store/index.ts';
import { mountLocal, parseLocalOptions } from './local-options.ts';

export interface VolumeServiceOptions {
  store: Store;
  /** Directory of the volumes, `<data root>/volumes`. */
  root: string;
  /** Ids of the containers that name the volume in their mounts, running or not. */
  usedBy: (name: string) => string[];
  onEvent: (action: VolumeAction, name: string, attributes: Record<string, string>) => void;
}

type VolumeAction = 'create' | 'mount' | 'unmount' | 'destroy' | 'prune';

interface VolumeRow {
  name: string;
  driver: string;
  labels: string;
  options: string;
  created: string;
  anonymous: number;
}

const MIGRATIONS = [
  `CREATE TABLE volumes (
    name TEXT PRIMARY KEY, driver TEXT NOT NULL, labels TEXT NOT NULL, options TEXT NOT NULL,
    created TEXT NOT NULL, anonymous INTEGER NOT NULL) STRICT`,
];

/** The label Docker puts on volumes it named itself; `prune` without `all` takes only these. */
export const ANONYMOUS_LABEL = 'com.docker.volume.anonymous';
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;
const MAX_NAME = 255;

/**
 * Volumes of the driver `local`: a directory `<root>/<name>/_data` each, which outlives the containers
 * that use it. A volume with the options `type`, `device` and `o` is a file system mounted there while
 * a container runs with it.
 */
export class VolumeService {
  readonly #root: string;
  readonly #options: VolumeServiceOptions;
  readonly #byName: Query<VolumeRow>;
  readonly #all: Query<VolumeRow>;
  readonly #insert: Query<never>;
  readonly #delete: Query<never>;
  /** Users by volume. */
  readonly #mounted = new Map<string, Set<string>>();

  constructor(options: VolumeServiceOptions) {
    this.#options = options;
    this.#root = options.root;
    mkdirSync(this.#root, { recursive: true, mode: 0o701 });
    options.store.migrate('volume', MIGRATIONS);
    this.#byName = options.store.query('SELECT * FROM volumes WHERE name = ?');
    this.#all = options.store.query('SELECT * FROM volumes ORDER BY name');
    this.#insert = options.store.query('INSERT INTO volumes VALUES (?, ?, ?, ?, ?, ?)');
    this.#delete = options.store.query('DELETE FROM volumes WHERE name = ?');
  }

  /**
   * Creates a volume, or returns the one of that name.
   * @throws InvalidParameter for a bad name, driver or option; Conflict when one of that name has another driver.
   */
  create(request: VolumeCreateOptions = {}): Volume {
    const anonymous = !request.Name;
    const name = request.Name || randomBytes(32).toString('hex');
    const driver = request.Driver || 'local';
    if (name.length === 1) {
      throw invalidParameter(
        `create ${name}: volume name is too short, names should be at least two alphanumeric characters`,
      );
    }
    if (!anonymous && (!NAME.test(name) || name.length > MAX_NAME)) {
      throw invalidParameter(
        `create ${name}: "${name}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
      );
    }
    const existing = this.#byName.get(name);
    if (existing) {
      if (request.Driver && request.Driver !== existing.driver) {
        throw conflict(`create ${name}: conflict: volume name must be unique`);
      }
      return this.#toVolume(existing);
    }
    if (driver !== 'local') {
      throw notFound(
        `create ${name}: error looking up volume plugin ${driver}: plugin "${driver}" not found`,
      );
    }
    const options = request.DriverOpts ?? {};
    parseLocalOptions(name, options);
    const labels = { ...request.Labels, ...(anonymous ? { [ANONYMOUS_LABEL]: '' } : {}) };
    mkdirSync(join(this.#root, name), { recursive: true, mode: 0o701 });
    mkdirSync(this.#data(name), { recursive: true, mode: 0o755 });
    const row: VolumeRow = {
      name,
      driver,
      labels: JSON.stringify(labels),
      options: JSON.stringify(options),
      created: new Date().toISOString().replace(/\.\d+Z$/, 'Z'),
      anonymous: anonymous ? 1 : 0,
    };
    this.#insert.run(row.name, row.driver, row.labels, row.options, row.created, row.anonymous);
    this.#options.onEvent('create', name, { driver });
    return this.#toVolume(row);
  }

  /** @throws NotFound `get NAME: no such volume`. */
  inspect(name: string): Volume {
    return this.#toVolume(this.#row(name));
  }

  /** True when it is a directory of ours, and nothing else is mounted there. @throws NotFound */
  isPlain(name: string): boolean {
    return this.#row(name).options === '{}';
  }

  exists(name: string): boolean {
    return this.#byName.get(name) !== undefined;
  }

  /** The volumes that match `filters` (`name`, `driver`, `label`, `dangling`). */
  list(filters: Filters = {}): Volume[] {
    checkFilters(filters, ['name', 'driver', 'label', 'dangling']);
    return this.#all
      .all()
      .map((row) => this.#toVolume(row))
      .filter((volume) => this.#matches(volume, filters));
  }

  /**
   * Makes the volume's directory ready for the container `user` and returns its path; a volume with
   * mount options is mounted for its first user.
   */
  mount(name: string, user: string): string {
    const row = this.#row(name);
    const local = parseLocalOptions(name, JSON.parse(row.options) as Record<string, string>);
    const data = this.#data(name);
    if (local) {
      const users = this.#mounted.get(name) ?? new Set();
      if (users.size === 0) mountLocal(local, data);
      this.#mounted.set(name, users.add(user));
    }
    return data;
  }

  /** Takes back what {@link mount} did for `user`; the last one unmounts. */
  unmount(name: string, user: string): void {
    const users = this.#mounted.get(name);
    if (!users?.delete(user) || users.size > 0) return;
    this.#mounted.delete(name);
    unmountIfMounted(this.#data(name));
  }

  /** Tells that a container has mounted or unmounted a volume: it knows when that fits among its own events. */
  announce(action: 'mount' | 'unmount', name: string, attributes: Record<string, string>): void {
    this.#options.onEvent(action, name, { driver: this.#byName.get(name)?.driver ?? 'local', ...attributes });
  }

  /** After a start of the daemon: `users` are the running containers by volume; other mounts go. */
  reconcile(users: ReadonlyMap<string, ReadonlySet<string>>): void {
    for (const row of this.#all.all()) {
      if (row.options === '{}') continue;
      const live = users.get(row.name);
      if (live?.size) this.#mounted.set(row.name, new Set(live));
      else unmountIfMounted(this.#data(row.name));
    }
    this.#sweepTrash();
  }

  /** True when nothing is in the volume yet, so that the image's content is to be copied into it. */
  isEmpty(name: string): boolean {
    const dir = opendirSync(this.#data(name));
    try {
      return dir.readSync() === null;
    } finally {
      dir.closeSync();
    }
  }

  /**
   * Removes a volume and its data.
   * @throws NotFound; Conflict while a container (even a stopped one) uses it.
   */
  remove(name: string, force = false): void {
    if (!this.exists(name)) {
      if (force) return;
      throw notFound(`get ${name}: no such volume`);
    }
    const users = this.#options.usedBy(name);
    if (users.length > 0) throw conflict(`remove ${name}: volume is in use - [${users.join(', ')}]`);
    this.#destroy(this.#row(name));
  }

  /** Removes unused volumes: anonymous ones, or with the filter `all=true` any. */
  async prune(filters: Filters = {}): Promise<{ VolumesDeleted: string[]; SpaceReclaimed: number }> {
    checkFilters(filters, ['label', 'label!', 'all']);
    const all = ['true', '1'].includes(filters.all?.[0] ?? '');
    const deleted: string[] = [];
    let reclaimed = 0;
    for (const row of this.#all.all()) {
      const volume = this.#toVolume(row);
      if (!(all || row.anonymous) || this.#options.usedBy(row.name).length > 0) continue;
      if (!matchLabels(volume.Labels, filters)) continue;
      reclaimed += await directorySize(this.#data(row.name));
      if (this.#options.usedBy(row.name).length > 0) continue; // taken into use while we measured
      this.#destroy(row);
      deleted.push(row.name);
    }
    this.#options.onEvent('prune', '', { reclaimed: String(reclaimed) });
    return { VolumesDeleted: deleted, SpaceReclaimed: reclaimed };
  }

  /** The volumes with their sizes in bytes and number of users, for `system df`. */
  async usage(): Promise<Volume[]> {
    return Promise.all(
      this.list().map(async (volume) => ({
        ...volume,
        UsageData: {
          Size: await directorySize(volume.Mountpoint),
          RefCount: this.#options.usedBy(volume.Name).length,
        },
      })),
    );
  }

  #destroy(row: VolumeRow): void {
    unmountIfMounted(this.#data(row.name));
    // Renamed before the row goes: the daemon may die in between, and data without a row would be
    // taken for a new volume of the same name.
    const trash = join(this.#root, `.trash-${randomBytes(8).toString('hex')}`);
    try {
      renameSync(join(this.#root, row.name), trash);
    } catch (err) {
      if (!(err instanceof Error && 'code' in err && err.code === 'ENOENT')) throw err;
    }
    this.#delete.run(row.name);
    this.#options.onEvent('destroy', row.name, { driver: row.driver });
    rm(trash, { recursive: true, force: true }).catch(() => this.#sweepTrashLater());
  }

  #sweepTrash(): void {
    readdir(this.#root)
      .then((names) =>
        Promise.all(
          names
            .filter((name) => name.startsWith('.trash-'))
            .map((name) => rm(join(this.#root, name), { recursive: true, force: true })),
        ),
      )
      .catch((err: unknown) => process.emitWarning(`volumes: trash not removed: ${messageOf(err)}`));
  }

  #sweepTrashLater(): void {
    setTimeout(() => this.#sweepTrash(), 10_000).unref();
  }

  #data(name: string): string {
    return join(this.#root, name, '_data');
  }

  #row(name: string): VolumeRow {
    const row = this.#byName.get(name);
    if (!row) throw notFound(`get ${name}: no such volume`);
    return row;
  }

  #toVolume(row: VolumeRow): Volume {
    return {
      CreatedAt: row.created,
      Driver: row.driver,
      Labels: JSON.parse(row.labels) as Record<string, string>,
      Mountpoint: this.#data(row.name),
      Name: row.name,
      // Docker shows null where none were given.
      Options: (row.options === '{}' ? null : JSON.parse(row.options)) as Record<string, string>,
      Scope: 'local',
    };
  }

  #matches(volume: Volume, filters: Filters): boolean {
    if (filters.name && !filters.name.some((part) => volume.Name.includes(part))) return false;
    if (filters.driver && !filters.driver.includes(volume.Driver)) return false;
    if (filters.dangling) {
      const wanted = ['true', '1'].includes(filters.dangling[0] ?? '');
      if ((this.#options.usedBy(volume.Name).length === 0) !== wanted) return false;
    }
    return matchLabels(volume.Labels, filters);
  }
}

function checkFilters(filters: Filters, known: readonly string[]): void {
  for (const key of Object.keys(filters)) {
    if (!known.includes(key)) throw invalidParameter(`invalid filter '${key}'`);
  }
}

/** Bytes of the files below `path` as their length says; hard links count once. Vanishing files are skipped. */
async function directorySize(path: string): Promise<number> {
  const seen = new Set<number>();
  let total = 0;
  const device = lstatSync(path, { throwIfNoEntry: false })?.dev;
  const walk = async (dir: string): Promise<void> => {
    for await (const entry of await opendir(dir)) {
      const stat = await lstat(join(dir, entry.name)).catch(() => undefined);
      if (!stat || stat.dev !== device) continue;
      if (stat.isDirectory()) await walk(join(dir, entry.name)).catch(() => undefined);
      else if (stat.nlink === 1 || !seen.has(stat.ino)) total += stat.size;
      if (stat.nlink > 1) seen.add(stat.ino);
    }
  };
  if (device !== undefined) await walk(path).catch(() => undefined);
  return total;
}
