/** The finished layers on the disk: `layers/<hex>/fs` and, next to it, what is known about them. */
import fs from 'node:fs';
import path from 'node:path';
import { conflict, notFound } from '../errdefs/index.ts';
import { type Digest, hexOf, isDigest } from '../oci/index.ts';
import type { LayerMeta } from './unpack.ts';

const META = 'layer.json';
/** Present when the layer's files are known to be on the disk, not only in memory. */
const SYNCED = 'synced';

/** Identifies this boot of the kernel: files that were not flushed are only whole during it. */
export function bootId(): string {
  return fs.readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
}

export class LayerStore {
  readonly #dir: string;
  readonly #layers = new Map<Digest, LayerMeta>();

  constructor(dir: string) {
    this.#dir = dir;
    fs.mkdirSync(dir, { recursive: true, mode: 0o700 });
    for (const hex of fs.readdirSync(dir)) {
      const meta = readMeta(path.join(dir, hex));
      if (meta && hexOf(meta.diffId) === hex) this.#layers.set(meta.diffId, meta);
    }
  }

  has(diffId: Digest): boolean {
    return this.#layers.has(diffId);
  }

  list(): Digest[] {
    return [...this.#layers.keys()];
  }

  /** Throws NotFound. */
  meta(diffId: Digest): LayerMeta {
    const meta = this.#layers.get(diffId);
    if (!meta) throw notFound(`layer ${diffId} is not unpacked here`);
    return meta;
  }

  #entry(diffId: Digest): string {
    return path.join(this.#dir, hexOf(diffId));
  }

  /** The directory that overlayfs mounts. Throws NotFound. */
  path(diffId: Digest): string {
    this.meta(diffId);
    return `${this.#entry(diffId)}/fs`;
  }

  /**
   * Makes `temp` (with its `fs` directory) the layer of `meta.diffId`. False when there is one already: then `temp`
   * is still the caller's.
   */
  commit(temp: string, meta: LayerMeta): boolean {
    if (this.#layers.has(meta.diffId)) return false;
    fs.writeFileSync(path.join(temp, META), JSON.stringify(meta), { mode: 0o600 });
    try {
      fs.renameSync(temp, this.#entry(meta.diffId));
    } catch (err) {
      if (err instanceof Error && 'code' in err && (err.code === 'ENOTEMPTY' || err.code === 'EEXIST')) {
        throw conflict(`layer ${meta.diffId} is in the way and not known`, { cause: err });
      }
      throw err;
    }
    this.#layers.set(meta.diffId, meta);
    return true;
  }

  /** All of the layer has reached the disk. */
  markSynced(diffId: Digest): void {
    if (this.#layers.has(diffId))
      fs.writeFileSync(path.join(this.#entry(diffId), SYNCED), '', { mode: 0o600 });
  }

  /** Forgets the layer and gives the directory to be thrown away. */
  forget(diffId: Digest): string {
    this.meta(diffId);
    this.#layers.delete(diffId);
    return this.#entry(diffId);
  }

  /** Directories that are no whole layers: without their facts, or from before a crash of the machine. */
  strays(): string[] {
    const boot = bootId();
    return fs
      .readdirSync(this.#dir)
      .filter((hex) => {
        const diffId = `sha256:${hex}`;
        const meta = isDigest(diffId) ? this.#layers.get(diffId) : undefined;
        if (!meta) return true;
        if (meta.bootId === boot || fs.existsSync(path.join(this.#dir, hex, SYNCED))) return false;
        this.#layers.delete(meta.diffId);
        return true;
      })
      .map((hex) => path.join(this.#dir, hex));
  }

  /** Layers of this boot that are not known to be on the disk. */
  unsynced(): Digest[] {
    return this.list().filter((id) => !fs.existsSync(path.join(this.#entry(id), SYNCED)));
  }
}

function readMeta(dir: string): LayerMeta | undefined {
  try {
    const meta = JSON.parse(fs.readFileSync(path.join(dir, META), 'utf8')) as Partial<LayerMeta>;
    const whole =
      isDigest(meta.diffId) &&
      typeof meta.size === 'number' &&
      typeof meta.entries === 'number' &&
      typeof meta.opaqueRoot === 'boolean' &&
      Array.isArray(meta.implied) &&
      typeof meta.bootId === 'string';
    return whole ? (meta as LayerMeta) : undefined;
  } catch {
    return undefined; // half-made: reconcile clears it
  }
}
