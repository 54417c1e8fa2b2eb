/**
 * The rooms of `src/` and what each may import: DESIGN's table as data. An arrow that is not here does not exist.
 * `errdefs`, `store` and `filters` stand below everything and are open to all.
 */

/** Open to every room. */
export const GROUND = ['errdefs', 'store', 'filters'] as const;

const BELOW_CONTAINER = [
  'linux',
  'workers',
  'oci',
  'archive',
  'content',
  'snapshot',
  'distribution',
  'image',
  'runtime',
  'network',
  'volume',
  'logging',
];

/** room → the rooms whose index.ts it may import, beside {@link GROUND}. */
export const ROOMS: Readonly<Record<string, readonly string[]>> = {
  errdefs: [],
  store: [],
  filters: [],
  linux: [],
  oci: [],
  template: [],
  content: ['oci'],
  workers: ['linux'],
  archive: ['linux', 'workers', 'oci'],
  snapshot: ['linux', 'workers', 'oci', 'archive', 'content'],
  distribution: ['oci', 'content'],
  image: ['oci', 'content', 'snapshot', 'distribution'],
  runtime: ['linux', 'oci'],
  network: ['linux'],
  volume: ['linux'],
  logging: ['linux', 'template'],
  container: BELOW_CONTAINER,
  build: BELOW_CONTAINER,
  engine: [...BELOW_CONTAINER, 'container', 'build'],
  api: ['oci'],
  daemon: ['engine', 'api'],
  cli: ['oci', 'template'],
  hub: ['oci', 'content'],
};

/** Arrows that carry types only: nothing of them is left when the program runs. */
export const TYPE_ARROWS: Readonly<Record<string, readonly string[]>> = {
  cli: ['api'],
  engine: ['api'],
};

/** npm packages that belong to certain rooms; one that is not named here may be used by any. */
export const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  koffi: ['linux'],
  undici: ['distribution', 'cli'],
  yaml: ['runtime'],
  '@docker/node-sdk': ['api', 'engine', 'container', 'cli', 'image', 'network', 'volume'],
};
