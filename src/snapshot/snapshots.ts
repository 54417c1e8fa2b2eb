/** The writable snapshots: `containers/<key>/{upper,work}` over a chain of layers. All synchronous. */
import fs from 'node:fs';
import path from 'node:path';
import { conflict, invalidParameter, notFound } from '../errdefs/index.ts';
import { mountOverlay } from '../linux/index.ts';
import type { Digest } from '../oci/index.ts';
import { baseId, readChain, writeChain } from './base.ts';
import { type MountOwner, mountIdmapped } from './idmapped-overlay.ts';
import { type LayerView, misleadingDirs, rootLook } from './implied-dirs.ts';
import { copyRootAttributes, dockerInitFiles, makeInitLayer, overlayOptions } from './init-layer.ts';
import type { LayerStore } from './layer-store.ts';
import type { Trash } from './trash.ts';
import type { InitFile, PrepareOptions } from './types.ts';
import type { Unmounter } from './unmounter.ts';

/** What snapshots lie on: a chain, perhaps with an init layer on top. Shared by all containers of an image. */
interface Base {
  id: string;
  diffIds: readonly Digest[];
  /** It has an init layer. */
  init: boolean;
}

/** In a snapshot's directory: a symlink whose target is the name of its base. The cheapest file there is to write. */
const BASE = 'base';
const KEY = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/;

export interface SnapshotsOptions {
  /** The directory of all; `containers`, `bases`, `empty` and `tmp` below it are ours. */
  root: string;
  layers: LayerStore;
  trash: Trash;
  unmounter: Unmounter;
}

export class Snapshots {
  readonly #root: string;
  readonly #dir: string;
  readonly #baseDir: string;
  readonly #temp: string;
  readonly #layers: LayerStore;
  readonly #trash: Trash;
  readonly #unmounter: Unmounter;
  /** Two empty directories: overlayfs wants a lower one, and two when there is no upper one. */
  readonly #empty: [string, string];
  readonly #bases = new Map<string, Base>();
  /** By key. */
  readonly #snapshots = new Map<string, Base>();
  #next = 0;

  constructor({ root, layers, trash, unmounter }: SnapshotsOptions) {
    this.#root = root;
    this.#dir = path.join(root, 'containers');
    this.#baseDir = path.join(root, 'bases');
    this.#temp = path.join(root, 'tmp');
    this.#layers = layers;
    this.#trash = trash;
    this.#unmounter = unmounter;
    this.#empty = [path.join(root, 'empty', 'a'), path.join(root, 'empty', 'b')];
    for (const dir of [this.#dir, this.#baseDir, this.#temp, ...this.#empty]) {
      fs.mkdirSync(dir, { recursive: true, mode: dir.includes(`${path.sep}empty`) ? 0o755 : 0o700 });
    }
    this.#load();
  }

  #load(): void {
    for (const id of fs.readdirSync(this.#baseDir)) {
      const dir = path.join(this.#baseDir, id);
      const diffIds = readChain(dir);
      if (diffIds) this.#bases.set(id, { id, diffIds, init: fs.existsSync(`${dir}/fs`) });
    }
    for (const key of fs.readdirSync(this.#dir)) {
      const base = this.#bases.get(readLink(path.join(this.#dir, key, BASE)));
      if (base) this.#snapshots.set(key, base);
    }
  }

  /** The snapshots that lie on a layer. */
  usersOf(diffId: Digest): string[] {
    return [...this.#snapshots].filter(([, base]) => base.diffIds.includes(diffId)).map(([key]) => key);
  }

  prepare(key: string, diffIds: readonly Digest[], options: PrepareOptions): void {
    if (!KEY.test(key)) throw invalidParameter(`invalid snapshot key ${JSON.stringify(key)}`);
    if (this.#snapshots.has(key)) throw conflict(`snapshot ${key} exists already`);
    const files = options.initFiles === true ? dockerInitFiles : options.initFiles || [];
    const base = this.#findBase(diffIds, files);
    const lower = this.#lower(base);
    const dir = `${this.#dir}/${key}`;
    try {
      fs.mkdirSync(dir, { mode: 0o700 });
    } catch (err) {
      if (!(err instanceof Error && 'code' in err && err.code === 'EEXIST')) throw err;
      this.#trash.discard(dir); // half-made, or its base is unreadable
      fs.mkdirSync(dir, { mode: 0o700 });
    }
    fs.mkdirSync(`${dir}/upper`, { mode: 0o755 });
    fs.mkdirSync(`${dir}/work`, { mode: 0o700 });
    copyRootAttributes(lower[0]!, `${dir}/upper`);
    fs.symlinkSync(base.id, `${dir}/${BASE}`); // last: with it, the snapshot is whole
    this.#snapshots.set(key, base);
  }

  has(key: string): boolean {
    return this.#snapshots.has(key);
  }

  #base(key: string): Base {
    const base = this.#snapshots.get(key);
    if (!base) throw notFound(`no such snapshot: ${key}`);
    return base;
  }

  #findBase(diffIds: readonly Digest[], files: readonly InitFile[]): Base {
    const id = baseId(diffIds, files);
    return this.#bases.get(id) ?? this.#makeBase(id, diffIds, files);
  }

  #makeBase(id: string, diffIds: readonly Digest[], files: readonly InitFile[]): Base {
    const lower = this.#chain(diffIds);
    const layers = this.#views(diffIds);
    const [looks, rootLike] = [misleadingDirs(layers), rootLook(layers)];
    const init = files.length > 0 || looks.length > 0 || rootLike !== undefined;
    const content = { files, looks, rootLike: rootLike ?? lower[0]! };
    const temp = path.join(this.#temp, `base-${process.pid}-${Date.now()}-${this.#next++}`);
    fs.mkdirSync(temp, { mode: 0o700 });
    try {
      if (init) makeInitLayer(temp, lower, content, (target) => this.#unmounter.unmount(target));
      writeChain(temp, diffIds);
      const dir = path.join(this.#baseDir, id);
      this.#trash.discard(dir); // one that could not be read
      fs.renameSync(temp, dir);
    } catch (err) {
      this.#trash.discard(temp);
      throw err;
    }
    const base: Base = { id, diffIds: [...diffIds], init };
    this.#bases.set(id, base);
    return base;
  }

  /** The layers of a chain, the top one first, as far down as they count. */
  #views(diffIds: readonly Digest[]): LayerView[] {
    const out: LayerView[] = [];
    for (const diffId of diffIds.toReversed()) {
      const { implied, opaqueRoot } = this.#layers.meta(diffId);
      out.push({ dir: this.#layers.path(diffId), implied: new Set(implied) });
      if (opaqueRoot) break;
    }
    return out;
  }

  /** The directories of a chain, the top one first. A layer that comes twice only counts where it is uppermost. */
  #chain(diffIds: readonly Digest[]): string[] {
    const out = new Set<string>();
    for (const diffId of diffIds.toReversed()) {
      out.add(this.#layers.path(diffId));
      if (this.#layers.meta(diffId).opaqueRoot) break;
    }
    return out.size === 0 ? [this.#empty[0]] : [...out];
  }

  #lower(base: Base): string[] {
    const chain = this.#chain(base.diffIds);
    return base.init ? [`${this.#baseDir}/${base.id}/fs`, ...chain] : chain;
  }

  /** The directories a snapshot consists of; `lower` has the top one first. */
  layout(key: string): { upper: string; work: string; lower: string[] } {
    const dir = path.join(this.#dir, key);
    return {
      upper: path.join(dir, 'upper'),
      work: path.join(dir, 'work'),
      lower: this.#lower(this.#base(key)),
    };
  }

  mount(key: string, target: string, owner?: MountOwner): void {
    const lower = this.#lower(this.#base(key));
    const dir = path.join(this.#dir, key);
    const overlay = { lower, upper: `${dir}/upper`, work: `${dir}/work`, target, options: overlayOptions };
    if (owner === undefined) mountOverlay(overlay);
    else mountIdmapped(this.#root, overlay, owner);
  }

  mountReadOnly(diffIds: readonly Digest[], target: string): void {
    // The plain chain will do unless some directory would look wrong.
    const plain = diffIds.every((diffId) => this.#layers.meta(diffId).implied.length === 0);
    const lower = plain ? this.#chain(diffIds) : this.#lower(this.#findBase(diffIds, []));
    if (lower.length === 1) lower.push(this.#empty[1]);
    mountOverlay({ lower, target, readOnly: true, options: overlayOptions });
  }

  /** Nothing happens when there is none. It must not be mounted. */
  remove(key: string): void {
    if (!KEY.test(key)) return;
    this.#snapshots.delete(key);
    this.#trash.discard(path.join(this.#dir, key));
  }

  /** Removes the bases with `diffId`. */
  removeBases(diffId: Digest): void {
    for (const [id, { diffIds }] of this.#bases) if (diffIds.includes(diffId)) this.#removeBase(id);
  }

  #removeBase(id: string): void {
    this.#bases.delete(id);
    this.#trash.discard(path.join(this.#baseDir, id));
  }

  /** Removes snapshots that nobody knows, and bases that nothing lies on and whose layers are not here. */
  reconcile(liveKeys: ReadonlySet<string>): void {
    for (const key of fs.readdirSync(this.#dir)) {
      if (liveKeys.has(key)) continue;
      this.#snapshots.delete(key);
      this.#trash.discard(path.join(this.#dir, key));
    }
    const used = new Set([...this.#snapshots.values()].map((base) => base.id));
    for (const id of fs.readdirSync(this.#baseDir)) {
      const whole = this.#bases.get(id)?.diffIds.every((diffId) => this.#layers.has(diffId)) === true;
      if (!whole && !used.has(id)) this.#removeBase(id);
    }
  }
}

function readLink(file: string): string {
  try {
    return fs.readlinkSync(file);
  } catch {
    return ''; // half-made: reconcile clears it
  }
}
