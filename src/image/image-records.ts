/** What is written down about images: the room's tables. Facts only; the rules are elsewhere. */
import type { Descriptor, Digest } from '../oci/index.ts';
import type { Query, Store } from '../store/index.ts';

/** Steps of the schema, only ever appended. Times are milliseconds since 1970. */
const SCHEMA: readonly string[] = [
  `
  CREATE TABLE images (
    id TEXT PRIMARY KEY,
    parent TEXT,
    manifest TEXT,               -- the manifest it came with
    size INTEGER NOT NULL,       -- bytes of the files of all layers
    added INTEGER NOT NULL,
    last_tagged INTEGER
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE image_layers (    -- the chain, base first
    image TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    diff_id TEXT NOT NULL,
    PRIMARY KEY (image, position)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX image_layers_diff_id ON image_layers (diff_id);
  CREATE TABLE image_tags (
    name TEXT NOT NULL,          -- docker.io/library/busybox
    tag TEXT NOT NULL,
    image TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    manifest TEXT,               -- the image's manifest under this tag, when it has one of its own
    PRIMARY KEY (name, tag)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX image_tags_image ON image_tags (image);
  CREATE TABLE image_digests (   -- as registries know it: a manifest's or an index's digest
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    image TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    PRIMARY KEY (name, digest)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX image_digests_image ON image_digests (image);
  CREATE TABLE image_manifests ( -- manifests kept in the content store
    digest TEXT NOT NULL,
    image TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    media_type TEXT NOT NULL,
    PRIMARY KEY (image, digest)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX image_manifests_digest ON image_manifests (digest);
  CREATE TABLE layer_blobs (     -- archives in the content store that unpack to a diffID
    diff_id TEXT NOT NULL,
    digest TEXT NOT NULL,
    media_type TEXT NOT NULL,
    size INTEGER NOT NULL,
    PRIMARY KEY (diff_id, digest)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX layer_blobs_digest ON layer_blobs (digest);
  CREATE TABLE blob_sources (    -- repositories that were seen to have a blob, to mount it from
    digest TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (digest, name)
  ) STRICT, WITHOUT ROWID;
  `,
];

export interface ImageRow {
  id: Digest;
  parent: Digest | null;
  manifest: Digest | null;
  size: number;
  added: number;
  last_tagged: number | null;
}

export interface TagRow {
  name: string;
  tag: string;
  image: Digest;
  manifest: Digest | null;
}

export interface RepoDigestRow {
  name: string;
  digest: Digest;
  image: Digest;
}

/** A new image with all that is known of it. */
export interface NewImage {
  id: Digest;
  parent?: Digest;
  manifest?: { digest: Digest; mediaType: string };
  diffIds: readonly Digest[];
  size: number;
}

export class ImageRecords {
  readonly #store: Store;
  readonly #queries = new Map<string, Query<Record<string, unknown>>>();

  constructor(store: Store) {
    this.#store = store;
    store.migrate('image', SCHEMA);
  }

  #query<Row>(sql: string): Query<Row> {
    let query = this.#queries.get(sql);
    if (query === undefined) {
      query = this.#store.query(sql);
      this.#queries.set(sql, query);
    }
    return query as unknown as Query<Row>;
  }

  transaction<T>(fn: () => T): T {
    return this.#store.transaction(fn);
  }

  // ---- images

  image(id: Digest): ImageRow | undefined {
    return this.#query<ImageRow>('SELECT * FROM images WHERE id = ?').get(id);
  }

  images(): ImageRow[] {
    return this.#query<ImageRow>('SELECT * FROM images ORDER BY added, id').all();
  }

  /** IDs that begin with `sha256:` and `hex`, two at most: enough to tell unique from ambiguous. */
  byPrefix(hex: string): Digest[] {
    const from = `sha256:${hex}`;
    const rows = this.#query<{ id: Digest }>('SELECT id FROM images WHERE id >= ? AND id < ? LIMIT 2');
    return rows.all(from, `${from}g`).map((row) => row.id);
  }

  children(id: Digest): Digest[] {
    return this.#query<{ id: Digest }>('SELECT id FROM images WHERE parent = ?')
      .all(id)
      .map((row) => row.id);
  }

  /** Writes an image down; of one that is known already only what is new. */
  addImage(image: NewImage): void {
    this.transaction(() => {
      this.#query(
        `INSERT INTO images (id, parent, manifest, size, added) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET manifest = coalesce(manifest, excluded.manifest),
           parent = coalesce(excluded.parent, parent)`,
      ).run(image.id, image.parent ?? null, image.manifest?.digest ?? null, image.size, Date.now());
      image.diffIds.forEach((diffId, position) => {
        this.#query('INSERT OR IGNORE INTO image_layers (image, position, diff_id) VALUES (?, ?, ?)').run(
          image.id,
          position,
          diffId,
        );
      });
      if (image.manifest !== undefined)
        this.addManifest(image.id, image.manifest.digest, image.manifest.mediaType);
    });
  }

  /** Removes the image and every name, manifest and layer entry of it. */
  removeImage(id: Digest): void {
    this.transaction(() => {
      this.#query('UPDATE images SET parent = NULL WHERE parent = ?').run(id);
      this.#query('DELETE FROM images WHERE id = ?').run(id);
    });
  }

  diffIds(id: Digest): Digest[] {
    return this.#query<{ diff_id: Digest }>(
      'SELECT diff_id FROM image_layers WHERE image = ? ORDER BY position',
    )
      .all(id)
      .map((row) => row.diff_id);
  }

  // ---- names

  tag(name: string, tag: string): TagRow | undefined {
    return this.#query<TagRow>('SELECT * FROM image_tags WHERE name = ? AND tag = ?').get(name, tag);
  }

  tagsOf(image: Digest): TagRow[] {
    return this.#query<TagRow>('SELECT * FROM image_tags WHERE image = ? ORDER BY name, tag').all(image);
  }

  tagsNamed(name: string): TagRow[] {
    return this.#query<TagRow>('SELECT * FROM image_tags WHERE name = ? ORDER BY tag').all(name);
  }

  allTags(): TagRow[] {
    return this.#query<TagRow>('SELECT * FROM image_tags ORDER BY name, tag').all();
  }

  setTag(name: string, tag: string, image: Digest, manifest?: Digest): void {
    this.transaction(() => {
      this.#query(
        `INSERT INTO image_tags (name, tag, image, manifest) VALUES (?, ?, ?, ?)
         ON CONFLICT (name, tag) DO UPDATE SET image = excluded.image, manifest = excluded.manifest`,
      ).run(name, tag, image, manifest ?? null);
      this.#query('UPDATE images SET last_tagged = ? WHERE id = ?').run(Date.now(), image);
    });
  }

  removeTag(name: string, tag: string): void {
    this.#query('DELETE FROM image_tags WHERE name = ? AND tag = ?').run(name, tag);
  }

  repoDigest(name: string, digest: Digest): RepoDigestRow | undefined {
    return this.#query<RepoDigestRow>('SELECT * FROM image_digests WHERE name = ? AND digest = ?').get(
      name,
      digest,
    );
  }

  repoDigestsOf(image: Digest): RepoDigestRow[] {
    return this.#query<RepoDigestRow>(
      'SELECT * FROM image_digests WHERE image = ? ORDER BY name, digest',
    ).all(image);
  }

  allRepoDigests(): RepoDigestRow[] {
    return this.#query<RepoDigestRow>('SELECT * FROM image_digests ORDER BY name, digest').all();
  }

  setRepoDigest(name: string, digest: Digest, image: Digest): void {
    this.#query(
      `INSERT INTO image_digests (name, digest, image) VALUES (?, ?, ?)
       ON CONFLICT (name, digest) DO UPDATE SET image = excluded.image`,
    ).run(name, digest, image);
  }

  removeRepoDigest(name: string, digest: Digest): void {
    this.#query('DELETE FROM image_digests WHERE name = ? AND digest = ?').run(name, digest);
  }

  // ---- content

  addManifest(image: Digest, digest: Digest, mediaType: string): void {
    this.#query('INSERT OR IGNORE INTO image_manifests (digest, image, media_type) VALUES (?, ?, ?)').run(
      digest,
      image,
      mediaType,
    );
  }

  manifestsOf(image: Digest): { digest: Digest; media_type: string }[] {
    return this.#query<{ digest: Digest; media_type: string }>(
      'SELECT digest, media_type FROM image_manifests WHERE image = ? ORDER BY digest',
    ).all(image);
  }

  addLayerBlob(diffId: Digest, blob: Descriptor): void {
    this.#query(
      `INSERT INTO layer_blobs (diff_id, digest, media_type, size) VALUES (?, ?, ?, ?)
       ON CONFLICT (diff_id, digest) DO NOTHING`,
    ).run(diffId, blob.digest, blob.mediaType, blob.size);
  }

  layerBlobs(diffId: Digest): Descriptor[] {
    return this.#query<{ digest: Digest; media_type: string; size: number }>(
      'SELECT digest, media_type, size FROM layer_blobs WHERE diff_id = ? ORDER BY digest',
    )
      .all(diffId)
      .map((row) => ({ mediaType: row.media_type, digest: row.digest, size: row.size }));
  }

  /** The layer that a blob unpacks to, when it did so before. */
  diffIdOf(blob: Digest): Digest | undefined {
    return this.#query<{ diff_id: Digest }>('SELECT diff_id FROM layer_blobs WHERE digest = ?').get(blob)
      ?.diff_id;
  }

  removeLayerBlobs(diffId: Digest): void {
    this.#query('DELETE FROM layer_blobs WHERE diff_id = ?').run(diffId);
  }

  addSource(blob: Digest, name: string): void {
    this.#query('INSERT OR IGNORE INTO blob_sources (digest, name) VALUES (?, ?)').run(blob, name);
  }

  /** Repositories seen to have the blob. */
  sources(blob: Digest): string[] {
    return this.#query<{ name: string }>('SELECT name FROM blob_sources WHERE digest = ? ORDER BY name')
      .all(blob)
      .map((row) => row.name);
  }

  removeSource(blob: Digest, name?: string): void {
    if (name === undefined) this.#query('DELETE FROM blob_sources WHERE digest = ?').run(blob);
    else this.#query('DELETE FROM blob_sources WHERE digest = ? AND name = ?').run(blob, name);
  }

  // ---- what is alive

  layerInUse(diffId: Digest): boolean {
    return (
      this.#query<{ n: number }>('SELECT 1 AS n FROM image_layers WHERE diff_id = ? LIMIT 1').get(diffId) !==
      undefined
    );
  }

  blobInUse(digest: Digest): boolean {
    const row = this.#query<{ n: number }>(
      `SELECT 1 AS n WHERE EXISTS (SELECT 1 FROM images WHERE id = ?1)
         OR EXISTS (SELECT 1 FROM image_manifests WHERE digest = ?1)
         OR EXISTS (SELECT 1 FROM layer_blobs b JOIN image_layers l ON l.diff_id = b.diff_id WHERE b.digest = ?1)`,
    ).get(digest);
    return row !== undefined;
  }

  /** Drops what is known of blobs and layers that no image has. */
  forgetUnused(): void {
    this.transaction(() => {
      this.#query('DELETE FROM layer_blobs WHERE diff_id NOT IN (SELECT diff_id FROM image_layers)').run();
      this.#query(
        `DELETE FROM blob_sources WHERE digest NOT IN (SELECT digest FROM layer_blobs)
           AND digest NOT IN (SELECT id FROM images)`,
      ).run();
    });
  }

  /** Every diffID of every image. */
  allDiffIds(): Digest[] {
    return this.#query<{ diff_id: Digest }>('SELECT DISTINCT diff_id FROM image_layers')
      .all()
      .map((row) => row.diff_id);
  }
}
