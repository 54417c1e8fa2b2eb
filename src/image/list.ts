/** `docker images`: summaries, and the filters that choose among them. */
import type { ImageManifestSummary, ImageSummary } from '@docker/node-sdk';
import { invalidParameter } from '../errdefs/index.ts';
import { hasLabel, parseTimestamp } from '../filters/index.ts';
import { configPlatform, type Digest, familiarName, type ImageConfig } from '../oci/index.ts';
import type { ImageRow } from './image-records.ts';
import { createdMs } from './image-view.ts';
import { originalManifests } from './manifest-plan.ts';
import { resolveId } from './resolve.ts';
import { layerSize, type Room } from './room.ts';
import type { Filters, ListOptions } from './types.ts';

/** Newest first. */
export function list(room: Room, options: ListOptions = {}): ImageSummary[] {
  const filters = options.filters ?? {};
  const keeps = imageFilter(room, filters);
  const patterns = (filters.reference ?? []).map(globOf);
  const namesOf = allNames(room, patterns);
  const rows = room.records.images();
  const dangling = danglingFilter(filters);
  const shared = options.sharedSize ? sharedLayers(room) : undefined;
  const parents = new Set(rows.map((row) => row.parent));
  const out: { summary: ImageSummary; created: number }[] = [];
  for (const row of rows) {
    const config = room.views.config(row.id);
    if (!keeps(row, config)) continue;
    const names = namesOf(row.id);
    const isDangling = names.tags.length === 0;
    if (isDangling) {
      if (patterns.length > 0 && names.digests.length === 0) continue;
      // Parents of other images are steps of a build, not images anybody asked for.
      if (!options.all && parents.has(row.id)) continue;
    }
    if (dangling !== undefined && dangling !== isDangling) continue;
    out.push({ summary: summarise(room, row, config, names, options, shared), created: createdMs(config) });
  }
  return out
    .sort((a, b) => b.created - a.created || (a.summary.Id < b.summary.Id ? -1 : 1))
    .map((o) => o.summary);
}

interface Names {
  readonly tags: string[];
  readonly digests: string[];
}

/** The names of all images that match one of the patterns; two queries, however many images there are. */
function allNames(room: Room, patterns: readonly RegExp[]): (id: Digest) => Names {
  const out = new Map<Digest, Names>();
  const add = (kind: keyof Names, image: Digest, name: string, suffix: string): void => {
    const familiar = familiarName(name);
    const full = familiar + suffix;
    if (patterns.length > 0 && !patterns.some((p) => p.test(full) || p.test(familiar))) return;
    let names = out.get(image);
    if (names === undefined) {
      names = { tags: [], digests: [] };
      out.set(image, names);
    }
    names[kind].push(full);
  };
  for (const { name, tag, image } of room.records.allTags()) add('tags', image, name, `:${tag}`);
  for (const { name, digest, image } of room.records.allRepoDigests())
    add('digests', image, name, `@${digest}`);
  return (id) => out.get(id) ?? { tags: [], digests: [] };
}

function summarise(
  room: Room,
  row: ImageRow,
  config: ImageConfig,
  names: Names,
  options: ListOptions,
  shared: ReadonlySet<Digest> | undefined,
): ImageSummary {
  return {
    Id: row.id,
    ParentId: row.parent ?? '',
    RepoTags: names.tags,
    RepoDigests: names.digests,
    Created: Math.floor(createdMs(config) / 1000),
    Size: row.size,
    SharedSize:
      shared === undefined
        ? -1
        : config.rootfs.diff_ids.reduce((n, id) => n + (shared.has(id) ? layerSize(room, id) : 0), 0),
    Labels: config.config?.Labels ?? {},
    Containers: options.containerCount ? room.usedBy(row.id).length : -1,
    ...(options.manifests ? { Manifests: manifestSummaries(room, row, config) } : {}),
  };
}

/** Layers of more than one image. */
function sharedLayers(room: Room): Set<Digest> {
  const seen = new Set<Digest>();
  const shared = new Set<Digest>();
  for (const row of room.records.images()) {
    for (const diffId of new Set(room.records.diffIds(row.id)))
      (seen.has(diffId) ? shared : seen).add(diffId);
  }
  return shared;
}

/** The manifests an image is known by (API 1.47 and newer). */
export function manifestSummaries(room: Room, row: ImageRow, config: ImageConfig): ImageManifestSummary[] {
  return originalManifests(room, row.id, row.manifest).map(({ bytes, digest, manifest }) => {
    const blobs = manifest.layers.reduce((n, layer) => n + (room.content.info(layer.digest)?.size ?? 0), 0);
    const content = blobs + bytes.length + manifest.config.size;
    const platform = configPlatform(config);
    return {
      ID: digest,
      Descriptor: { mediaType: manifest.mediaType, digest, size: bytes.length },
      Available: true,
      Size: { Content: content, Total: content + row.size },
      Kind: 'image',
      ImageData: {
        Platform: {
          os: platform.os,
          architecture: platform.architecture,
          ...(platform.variant ? { variant: platform.variant } : {}),
        },
        Containers: room.usedBy(row.id).map((user) => user.id),
        Size: { Unpacked: row.size },
      },
    };
  });
}

/** `dangling=true` or `false`, undefined when it is not asked. */
export function danglingFilter(filters: Filters): boolean | undefined {
  const values = filters.dangling;
  if (values === undefined || values.length === 0) return undefined;
  const bools = values.map((v) => {
    if (['1', 'true', 't', 'True', 'TRUE', 'T'].includes(v)) return true;
    if (['0', 'false', 'f', 'False', 'FALSE', 'F'].includes(v)) return false;
    throw invalidParameter(`invalid filter 'dangling=[${values.join(' ')}]'`);
  });
  return bools.includes(true);
}

/** The filters that look at the image alone: `label`, `label!`, `before`, `since`, `until`. */
export function imageFilter(room: Room, filters: Filters): (row: ImageRow, config: ImageConfig) => boolean {
  const checks: ((row: ImageRow, config: ImageConfig) => boolean)[] = [];
  for (const label of filters.label ?? []) checks.push((_, config) => hasLabel(config.config?.Labels, label));
  for (const label of filters['label!'] ?? [])
    checks.push((_, config) => !hasLabel(config.config?.Labels, label));
  for (const ref of filters.before ?? []) {
    const limit = createdMs(room.views.config(resolveId(room.records, ref)));
    checks.push((_, config) => createdMs(config) < limit);
  }
  for (const ref of filters.since ?? []) {
    const limit = createdMs(room.views.config(resolveId(room.records, ref)));
    checks.push((_, config) => createdMs(config) > limit);
  }
  for (const until of filters.until ?? []) {
    const limit = parseTimestamp(until);
    checks.push((_, config) => createdMs(config) <= limit);
  }
  return (row, config) => checks.every((check) => check(row, config));
}

/** Go's path.Match: `*` and `?` stop at slashes. Throws InvalidParameter for a bad pattern. */
export function globOf(pattern: string): RegExp {
  let out = '';
  for (let i = 0; i < pattern.length; i++) {
    const c = pattern[i]!;
    if (c === '*') out += '[^/]*';
    else if (c === '?') out += '[^/]';
    else if (c === '[') {
      const end = pattern.indexOf(']', i + 2);
      if (end < 0) throw invalidParameter(`syntax error in pattern: ${pattern}`);
      out += `[${pattern.slice(i + 1, end).replace(/\\/g, '\\\\')}]`;
      i = end;
    } else if (c === '\\' && i + 1 < pattern.length) out += RegExp.escape(pattern[++i]!);
    else out += RegExp.escape(c);
  }
  try {
    return new RegExp(`^${out}$`);
  } catch (cause) {
    throw invalidParameter(`syntax error in pattern: ${pattern}`, { cause });
  }
}
