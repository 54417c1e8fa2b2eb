/**
 * Content-addressed blobs: configs, manifests, compressed layers, each a file named by its SHA-256.
 *
 * A blob comes in through an *ingest*: a temporary file known by a *ref* of the caller's choice, hashed while it is
 * written. `commit` checks digest and size, makes the bytes durable (fsync) and renames the file into place, so a
 * blob is either whole and right or not there, whenever the machine stops. An ingest that was broken off can be
 * taken up again by its ref. A *lease* keeps blobs from being collected while an operation is under way that has
 * not yet written down who needs them; leases end with the process, which is right, for the operation does, too.
 */
export { type BlobInfo, ContentStore, type ContentStoreOptions } from './content-store.ts';
export type { ContentWriter, Expected } from './content-writer.ts';
export { type Lease, Leases } from './leases.ts';
