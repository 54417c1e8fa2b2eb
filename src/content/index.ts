/** Content-addressed blobs: ingest, verify, lease, collect. */
export class ContentStore {
  constructor(_options: { root: string }) {}
}
