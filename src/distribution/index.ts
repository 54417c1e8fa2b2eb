/**
 * Registries, by the OCI distribution spec and Docker's Registry HTTP API V2.
 *
 * A `Registry` knows how registries are reached; a `Repository` is one of their repositories, as one user sees it.
 * It has one or more *endpoints* (mirrors, then the registry itself; https, then http where that is allowed) and
 * settles on the first that serves. A `Session` is one endpoint under one identity: it learns from the registry's
 * challenge how to authenticate. `fetchBlob` and `pushBlob` move bytes between a repository and the content store.
 *
 *     const registry = new Registry({ insecureRegistries: ['10.0.0.0/8'] });
 *     const repository = await registry.repository(parseReference('localhost:5000/app'), { purpose: 'pull' });
 *     const { manifest } = await repository.manifest('latest');
 */
export { type RetryOptions, retry, throwIfAborted } from './backoff.ts';
export { pullError, RegistryError } from './errors.ts';
export { blobRef, type FetchBlobOptions, fetchBlob } from './fetch-blob.ts';
export { type PushBlobOptions, type PushedBlob, pushBlob } from './push-blob.ts';
export { Registry, serverHost } from './registry.ts';
export { type FetchedManifest, isUnknown, type ManifestHead, Repository } from './repository.ts';
export type * from './types.ts';
