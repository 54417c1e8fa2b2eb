/** Images as values, put together from records and content. */
import type { ContentStore } from '../content/index.ts';
import {
  CONFIG_MAX_BYTES,
  type Digest,
  familiarName,
  type ImageConfig,
  parseImageConfig,
} from '../oci/index.ts';
import type { ImageRecords, ImageRow } from './image-records.ts';
import type { Image } from './types.ts';

/** Configs kept parsed. */
const CACHE_SIZE = 256;

export class ImageViews {
  readonly #records: ImageRecords;
  readonly #content: ContentStore;
  readonly #configs = new Map<Digest, ImageConfig>();

  constructor(records: ImageRecords, content: ContentStore) {
    this.#records = records;
    this.#content = content;
  }

  /** The image's config; throws when its blob is lost or damaged. */
  config(id: Digest): ImageConfig {
    const cached = this.#configs.get(id);
    if (cached !== undefined) return cached;
    const config = parseImageConfig(this.#content.readBytes(id, CONFIG_MAX_BYTES));
    const oldest = this.#configs.size >= CACHE_SIZE ? this.#configs.keys().next().value : undefined;
    if (oldest !== undefined) this.#configs.delete(oldest);
    this.#configs.set(id, config);
    return config;
  }

  get(id: Digest): Image | undefined {
    const row = this.#records.image(id);
    return row && this.of(row);
  }

  of(row: ImageRow): Image {
    const config = this.config(row.id);
    return {
      id: row.id,
      config,
      diffIds: config.rootfs.diff_ids,
      repoTags: this.#records.tagsOf(row.id).map((t) => `${familiarName(t.name)}:${t.tag}`),
      repoDigests: this.#records.repoDigestsOf(row.id).map((d) => `${familiarName(d.name)}@${d.digest}`),
      size: row.size,
      created: config.created ?? '',
      ...(row.manifest === null ? {} : { manifestDigest: row.manifest }),
      ...(row.parent === null ? {} : { parent: row.parent }),
    };
  }

  forget(id: Digest): void {
    this.#configs.delete(id);
  }
}

/** Milliseconds since 1970 of an image's creation; 0 when its config does not say. */
export function createdMs(config: ImageConfig): number {
  const ms = Date.parse(config.created ?? '');
  return Number.isNaN(ms) ? 0 : ms;
}
