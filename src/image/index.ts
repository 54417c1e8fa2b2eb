/**
 * Images: what they are called and where their parts are.
 *
 * An *image* is a config whose digest is its ID, and a chain of layers by diffID. A *tag* (`repo:tag`) names one
 * image and moves freely; a *repo digest* (`repo@sha256:…`) says under which manifest or index digest a registry
 * knows it. The bytes (config, manifests, compressed layers) lie in the content store as they came; the unpacked
 * layers lie in the snapshot room. An image lives as long as a tag, a digest or somebody's wish keeps it; what
 * no image refers to any more is collected when an image is removed, unless a running transfer holds a lease on it.
 */

export { chainIds } from './chain-id.ts';
export { applyChanges } from './changes.ts';
export { ImageService } from './image-service.ts';
export type * from './types.ts';
