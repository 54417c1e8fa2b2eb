/** Questions to registries that change nothing here. */
import type { DistributionInspect, ImageSearchResponseItem } from '@docker/node-sdk';
import type { RegistryAuth } from '../distribution/index.ts';
import { invalidParameter, notImplemented } from '../errdefs/index.ts';
import {
  CONFIG_MAX_BYTES,
  configPlatform,
  DEFAULT_DOMAIN,
  type Platform,
  parseImageConfig,
  parseReference,
} from '../oci/index.ts';
import type { Room } from './room.ts';
import { fetchSmallBlob } from './small-blob.ts';
import type { Filters } from './types.ts';

const SEARCH_LIMIT = 25;

/** The descriptor a name stands for and the platforms it has. Throws the registry's error. */
export async function distributionInspect(
  room: Room,
  name: string,
  options: { auth?: RegistryAuth; signal?: AbortSignal },
): Promise<DistributionInspect> {
  const ref = parseReference(name);
  const repository = await room.registry.repository(ref, {
    purpose: 'pull',
    ...(options.auth && { auth: options.auth }),
  });
  const { bytes, digest, mediaType, manifest } = await repository.manifest(
    ref.digest ?? ref.tag ?? 'latest',
    options.signal,
  );
  const Descriptor = { mediaType, digest, size: bytes.length };
  if (manifest.kind === 'index') {
    const platforms = manifest.manifests.map((m) => m.platform).filter((p) => p !== undefined);
    return { Descriptor, Platforms: platforms.map(plain) };
  }
  if (manifest.config.size > CONFIG_MAX_BYTES)
    throw invalidParameter('invalid image config: larger than 8 MiB');
  using hold = room.collector.hold();
  const { digest: id } = manifest.config;
  hold.blobs.add(id);
  const had = room.content.has(id);
  await fetchSmallBlob(room, repository, manifest.config, options.signal);
  const config = parseImageConfig(room.content.readBytes(id, CONFIG_MAX_BYTES));
  hold.release();
  if (!had) await room.collector.drop([], [id]);
  return { Descriptor, Platforms: [plain(configPlatform(config))] };
}

function plain(p: Platform): DistributionInspect['Platforms'][number] {
  const { 'os.features': features, ...rest } = p;
  return { ...rest, ...(features === undefined ? {} : { 'os.features': [...features] }) };
}

/**
 * Searches the catalog of a registry: `host/term`. The hub's search is a service of its own that is not spoken
 * here: NotImplemented.
 */
export async function search(
  room: Room,
  options: { term: string; limit?: number; filters?: Filters; auth?: RegistryAuth; signal?: AbortSignal },
): Promise<ImageSearchResponseItem[]> {
  const [first = '', ...rest] = options.term.split('/');
  const isHost = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost');
  if (!isHost)
    throw notImplemented(`searching ${DEFAULT_DOMAIN} is not supported: search a registry as host/term`);
  const wanted = Object.keys(options.filters ?? {});
  // A catalog knows neither stars nor who is official.
  if (wanted.includes('stars') || options.filters?.['is-official']?.includes('true')) return [];
  const names = await room.registry.catalog(first, rest.join('/'), {
    limit: options.limit || SEARCH_LIMIT,
    ...(options.auth && { auth: options.auth }),
    ...(options.signal && { signal: options.signal }),
  });
  return names.map((name) => ({
    name: `${first}/${name}`,
    description: '',
    is_official: false,
    is_automated: false,
    star_count: 0,
  }));
}
