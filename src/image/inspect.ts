/** `docker image inspect` and `docker history`. */
import type { HistoryResponseItem, ImageInspect } from '@docker/node-sdk';
import { type Digest, familiarName } from '../oci/index.ts';
import { manifestSummaries } from './list.ts';
import { originalManifests } from './manifest-plan.ts';
import { checkPlatform, completePlatform, noSuchImage, resolveId } from './resolve.ts';
import { layerSize, type Room } from './room.ts';
import type { PlatformRequest } from './types.ts';

const ZERO_TIME = '0001-01-01T00:00:00Z';

/** All that is known of an image, in the shape of the newest API. Throws as `resolve`. */
export function inspect(
  room: Room,
  ref: string,
  options: { manifests?: boolean; platform?: PlatformRequest } = {},
): ImageInspect {
  const id = resolveId(room.records, ref);
  const row = room.records.image(id);
  const image = room.views.get(id);
  if (row === undefined || image === undefined) throw noSuchImage(ref);
  const { config } = image;
  checkPlatform(ref, config, completePlatform(options.platform, room.platform));
  const original = originalManifests(room, id, row.manifest)[0];
  return {
    Id: id,
    RepoTags: [...image.repoTags],
    RepoDigests: [...image.repoDigests],
    Parent: row.parent ?? '',
    Comment: config.comment ?? config.history?.at(-1)?.comment ?? '',
    Created: config.created ?? ZERO_TIME,
    DockerVersion: config.docker_version ?? '',
    Author: config.author ?? '',
    Config: inspectConfig(config.config),
    Architecture: config.architecture,
    ...(config.variant ? { Variant: config.variant } : {}),
    Os: config.os === '' ? 'linux' : config.os,
    ...(config['os.version'] ? { OsVersion: config['os.version'] } : {}),
    Size: row.size,
    GraphDriver: { Name: 'overlay2', Data: {} },
    RootFS: { Type: 'layers', Layers: [...image.diffIds] },
    Metadata: { LastTagTime: row.last_tagged === null ? ZERO_TIME : new Date(row.last_tagged).toISOString() },
    ...(original && {
      Descriptor: {
        mediaType: original.manifest.mediaType,
        digest: original.digest,
        size: original.bytes.length,
      },
    }),
    ...(options.manifests ? { Manifests: manifestSummaries(room, row, config) } : {}),
  };
}

type Defaults = NonNullable<ReturnType<Room['views']['config']>['config']>;

/** The config as Docker shows it: commands and environment are there even when empty. */
function inspectConfig(c: Defaults | undefined): NonNullable<ImageInspect['Config']> {
  const {
    Entrypoint,
    Cmd,
    Env,
    Labels,
    Volumes,
    OnBuild,
    Healthcheck,
    Shell,
    StopTimeout: _t,
    ...rest
  } = c ?? {};
  return {
    ...rest,
    ...(Entrypoint ? { Entrypoint } : {}),
    ...(Cmd ? { Cmd } : {}),
    Env: Env ?? [],
    ...(Labels ? { Labels } : {}),
    ...(Volumes ? { Volumes } : {}),
    ...(OnBuild ? { OnBuild } : {}),
    ...(Healthcheck ? { Healthcheck } : {}),
    ...(Shell ? { Shell } : {}),
    WorkingDir: rest.WorkingDir ?? '',
    User: rest.User ?? '',
  };
}

/** The steps an image was made by, newest first. Throws as `resolve`. */
export function history(
  room: Room,
  ref: string,
  options: { platform?: PlatformRequest } = {},
): HistoryResponseItem[] {
  const id = resolveId(room.records, ref);
  const config = room.views.config(id);
  checkPlatform(ref, config, completePlatform(options.platform, room.platform));
  let layer = 0;
  const items = (config.history ?? []).map((step): HistoryResponseItem => {
    const diffId = step.empty_layer ? undefined : config.rootfs.diff_ids[layer++];
    return {
      Id: '<missing>',
      Created: Math.floor((Date.parse(step.created ?? '') || 0) / 1000),
      CreatedBy: step.created_by ?? '',
      Comment: step.comment ?? '',
      Size: diffId === undefined ? 0 : layerSize(room, diffId),
      Tags: [],
    };
  });
  items.reverse();
  // Each parent that is still here is one step down.
  let at: Digest | null | undefined = id;
  for (const item of items) {
    if (!at) break;
    item.Id = at;
    item.Tags = room.records.tagsOf(at).map((t) => `${familiarName(t.name)}:${t.tag}`);
    at = room.records.image(at)?.parent;
  }
  return items;
}
