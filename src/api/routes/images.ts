/** Images: list, facts, names, removal. What moves bytes is in `image-transfer.ts`. */
import { invalidParameter } from '../../errdefs/index.ts';
import type { Backends, ImageBackend } from '../backends.ts';
import { registryAuth } from '../body.ts';
import { backend, optional } from '../presence.ts';
import type { ApiRequest } from '../request.ts';
import type { Route } from '../router.ts';
import type { Filters, Platform } from '../types.ts';

/** The routes of images but for transfers. */
export function imageRoutes(backends: Backends): Route[] {
  const images = (): ImageBackend => backend(backends, 'images');
  return [
    {
      operation: 'ImageList',
      method: 'GET',
      path: '/images/json',
      handler: async (r) =>
        r.json(
          200,
          await images().list({
            all: r.query.bool('all'),
            filters: listFilters(r),
            sharedSize: r.has('sharedSize') && r.query.bool('shared-size'),
            manifests: r.has('listManifests') && r.query.bool('manifests'),
          }),
        ),
    },
    {
      operation: 'ImageSearch',
      method: 'GET',
      path: '/images/search',
      handler: async (r) => {
        const search = optional(images(), 'search');
        const limit = r.query.int('limit') ?? 0;
        if (limit < 0) throw invalidParameter('invalid limit specified');
        const term = r.query.get('term') ?? '';
        const auth = registryAuth(r.req);
        const found = await search({
          term,
          limit,
          filters: r.filters(),
          ...(auth ? { auth } : {}),
          signal: r.signal,
        });
        r.json(200, found);
      },
    },
    {
      operation: 'ImageHistory',
      method: 'GET',
      path: '/images/{name}/history',
      handler: async (r) => {
        const platform = r.has('historyPlatform') ? onePlatform(r) : undefined;
        r.json(200, await images().history(r.param('name'), platform ? { platform } : {}));
      },
    },
    {
      operation: 'ImageInspect',
      method: 'GET',
      path: '/images/{name}/json',
      handler: async (r) => {
        const manifests = r.has('inspectManifests') && r.query.bool('manifests');
        const platform = r.has('inspectPlatform') ? onePlatform(r) : undefined;
        if (manifests && platform) {
          throw invalidParameter('conflicting options: manifests and platform options cannot both be set');
        }
        const options = { manifests, ...(platform ? { platform } : {}) };
        r.json(200, await images().inspect(r.param('name'), options));
      },
    },
    {
      operation: 'ImageTag',
      method: 'POST',
      path: '/images/{name}/tag',
      handler: async (r) => {
        const repo = r.query.get('repo') ?? '';
        if (repo === 'sha256') {
          throw invalidParameter('refusing to create an ambiguous tag using digest algorithm as name');
        }
        await images().tag(r.param('name'), repo, r.query.get('tag'));
        r.empty(201);
      },
    },
    {
      operation: 'ImagePrune',
      method: 'POST',
      path: '/images/prune',
      handler: async (r) => r.json(200, await optional(images(), 'prune')(r.filters())),
    },
    {
      operation: 'ImageDelete',
      method: 'DELETE',
      path: '/images/{name}',
      handler: async (r) => {
        const name = r.param('name');
        if (name.trim() === '') throw invalidParameter('image name cannot be blank');
        const removed = await images().remove(name, {
          force: r.query.bool('force'),
          noPrune: r.query.bool('noprune'),
          platforms: r.has('removePlatforms') ? r.query.platforms('platforms') : [],
        });
        r.json(200, removed);
      },
    },
    {
      operation: 'DistributionInspect',
      method: 'GET',
      path: '/distribution/{name}/json',
      handler: async (r) => {
        const inspect = optional(images(), 'distributionInspect');
        const auth = registryAuth(r.req);
        r.json(200, await inspect(r.param('name'), { ...(auth ? { auth } : {}), signal: r.signal }));
      },
    },
  ];
}

/** The `platform` parameter where only one may be given. */
export function onePlatform(r: ApiRequest): Platform | undefined {
  const [platform, ...more] = r.query.platforms('platform');
  if (more.length > 0) {
    throw invalidParameter(
      'multiple platform parameters are not supported in this API version; use API version 1.52 or later',
    );
  }
  return platform;
}

/** API < 1.25 named the reference filter `filter`. */
function listFilters(r: ApiRequest): Filters {
  const filters = r.filters();
  const old = r.version < 25 ? r.query.get('filter') : undefined;
  return old !== undefined && !filters.reference ? { ...filters, reference: [old] } : filters;
}
