/** The writable snapshots: `containers/<key>/{upper,work}` over a chain of layers. All synchronous. */
import fs from 'node:fs';
import path from 'node:path';
import { conflict, invalidParameter, notFound } from '../errdefs/index.ts';
import { mountOverlay } from '../linux/index.ts';
import { type Digest, isDigest } from '../oci/index.ts';
import {
  copyRootAttributes,
  dockerInitFiles,
  INIT_META,
  initId,
  makeInitLayer,
  overlayOptions,
} from './init-layer.ts';
import type { LayerStore } from './layer-store.ts';
import type { Trash } from './trash.ts';
import type { InitFile, PrepareOptions } from './types.ts';
import type { Unmounter } from './unmounter.ts';

/** What a snapshot lies on. */
interface Base {
  diffIds: Digest[];
  /** Its init layer. */
  init?: string;
}

const BASE = 'base.json';
const KEY = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/;

export interface SnapshotsOptions {
  /** The directory of all; `containers`, `init`, `empty` and `tmp` below it are ours. */
  root: string;
  layers: LayerStore;
  trash: Trash;
  unmounter: Unmounter;
}

export class Snapshots {
  readonly #dir: string;
  readonly #initDir: string;
  readonly #temp: string;
  readonly #layers: LayerStore;
  readonly #trash: Trash;
  readonly #unmounter: Unmounter;
  /** Two empty directories: overlayfs wants a lower one, and two when there is no upper one. */
  readonly #empty: [string, string];
  readonly #bases = new Map<string, Base>();
  readonly #inits = new Map<string, readonly Digest[]>();
  #next = 0;

  constructor({ root, layers, trash, unmounter }: SnapshotsOptions) {
    this.#dir = path.join(root, 'containers');
    this.#initDir = path.join(root, 'init');
    this.#temp = path.join(root, 'tmp');
    this.#layers = layers;
    this.#trash = trash;
    this.#unmounter = unmounter;
    this.#empty = [path.join(root, 'empty', 'a'), path.join(root, 'empty', 'b')];
    for (const dir of [this.#dir, this.#initDir, this.#temp, ...this.#empty]) {
      fs.mkdirSync(dir, { recursive: true, mode: dir.includes(`${path.sep}empty`) ? 0o755 : 0o700 });
    }
    this.#load();
  }

  #load(): void {
    for (const key of fs.readdirSync(this.#dir)) {
      const base = readJson(path.join(this.#dir, key, BASE));
      const diffIds = digests(base?.diffIds);
      if (!diffIds) continue;
      this.#bases.set(key, typeof base?.init === 'string' ? { diffIds, init: base.init } : { diffIds });
    }
    for (const id of fs.readdirSync(this.#initDir)) {
      const diffIds = digests(readJson(path.join(this.#initDir, id, INIT_META))?.diffIds);
      if (diffIds) this.#inits.set(id, diffIds);
    }
  }

  /** The snapshots that lie on a layer. */
  usersOf(diffId: Digest): string[] {
    return [...this.#bases].filter(([, base]) => base.diffIds.includes(diffId)).map(([key]) => key);
  }

  prepare(key: string, diffIds: readonly Digest[], options: PrepareOptions): void {
    if (!KEY.test(key)) throw invalidParameter(`invalid snapshot key ${JSON.stringify(key)}`);
    if (this.#bases.has(key)) throw conflict(`snapshot ${key} exists already`);
    const base: Base = { diffIds: [...diffIds] };
    const files = options.initFiles === true ? dockerInitFiles : options.initFiles || [];
    if (files.length > 0) base.init = this.#init(diffIds, files);
    const lower = this.#lower(base);
    const dir = path.join(this.#dir, key);
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
    fs.writeFileSync(`${dir}/${BASE}`, JSON.stringify(base), { mode: 0o600 });
    this.#bases.set(key, base);
  }

  has(key: string): boolean {
    return this.#bases.has(key);
  }

  #base(key: string): Base {
    const base = this.#bases.get(key);
    if (!base) throw notFound(`no such snapshot: ${key}`);
    return base;
  }

  #init(diffIds: readonly Digest[], files: readonly InitFile[]): string {
    const id = initId(diffIds, files);
    if (this.#inits.has(id)) return id;
    const temp = path.join(this.#temp, `init-${process.pid}-${Date.now()}-${this.#next++}`);
    fs.mkdirSync(temp, { mode: 0o700 });
    try {
      makeInitLayer(temp, this.#chain(diffIds), diffIds, files, (target) => this.#unmounter.unmount(target));
      const dir = path.join(this.#initDir, id);
      this.#trash.discard(dir); // one that could not be read
      fs.renameSync(temp, dir);
    } catch (err) {
      this.#trash.discard(temp);
      throw err;
    }
    this.#inits.set(id, [...diffIds]);
    return id;
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
    return base.init === undefined ? chain : [path.join(this.#initDir, base.init, 'fs'), ...chain];
  }

  /** The directories a snapshot consists of; `lower` has the top one first. */
  layout(key: string): { upper: string; lower: string[] } {
    return { upper: path.join(this.#dir, key, 'upper'), lower: this.#lower(this.#base(key)) };
  }

  mount(key: string, target: string): void {
    const lower = this.#lower(this.#base(key));
    const dir = path.join(this.#dir, key);
    mountOverlay({ lower, upper: `${dir}/upper`, work: `${dir}/work`, target, options: overlayOptions });
  }

  mountReadOnly(diffIds: readonly Digest[], target: string): void {
    const lower = this.#chain(diffIds);
    if (lower.length === 1) lower.push(this.#empty[1]);
    mountOverlay({ lower, target, readOnly: true, options: overlayOptions });
  }

  /** Nothing happens when there is none. It must not be mounted. */
  remove(key: string): void {
    if (!KEY.test(key)) return;
    this.#bases.delete(key);
    this.#trash.discard(path.join(this.#dir, key));
  }

  /** Removes the init layers of chains with `diffId`. */
  removeInits(diffId: Digest): void {
    for (const [id, diffIds] of this.#inits) if (diffIds.includes(diffId)) this.#removeInit(id);
  }

  #removeInit(id: string): void {
    this.#inits.delete(id);
    this.#trash.discard(path.join(this.#initDir, id));
  }

  /** Removes snapshots that nobody knows, and init layers whose chain is not here. */
  reconcile(liveKeys: ReadonlySet<string>): void {
    for (const key of fs.readdirSync(this.#dir)) {
      if (liveKeys.has(key)) continue;
      this.#bases.delete(key);
      this.#trash.discard(path.join(this.#dir, key));
    }
    const used = new Set([...this.#bases.values()].map((base) => base.init));
    for (const id of fs.readdirSync(this.#initDir)) {
      const diffIds = this.#inits.get(id);
      const complete = diffIds?.every((diffId) => this.#layers.has(diffId)) === true;
      if (!complete && !used.has(id)) this.#removeInit(id);
    }
  }
}

function readJson(file: string): { [key: string]: unknown } | undefined {
  try {
    const value: unknown = JSON.parse(fs.readFileSync(file, 'utf8'));
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    return undefined; // half-made: reconcile clears it
  }
}

function digests(value: unknown): Digest[] | undefined {
  return Array.isArray(value) && value.every(isDigest) ? value : undefined;
}
