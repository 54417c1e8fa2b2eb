/** Volumes. */
import type { VolumeCreateOptions } from '@docker/node-sdk';
import { unavailable } from '../../errdefs/index.ts';
import type { Backends, VolumeBackend } from '../backends.ts';
import { volumeCreateRequest } from '../body-types.ts';
import { backend, optional } from '../presence.ts';
import type { Route } from '../router.ts';
import { NOT_A_MANAGER } from './refused.ts';

/** The routes of volumes. */
export function volumeRoutes(backends: Backends): Route[] {
  const volumes = (): VolumeBackend => backend(backends, 'volumes');
  return [
    {
      operation: 'VolumeList',
      method: 'GET',
      path: '/volumes',
      handler: async (r) => {
        const { Volumes = [], Warnings } = await volumes().list(r.filters());
        r.json(200, { Volumes, Warnings: Warnings ?? null });
      },
    },
    {
      operation: 'VolumeCreate',
      method: 'POST',
      path: '/volumes/create',
      handler: async (r) => {
        const options = (await r.body<VolumeCreateOptions>(volumeCreateRequest)) ?? {};
        if (options.ClusterVolumeSpec) throw unavailable(NOT_A_MANAGER);
        r.json(201, await volumes().create(options));
      },
    },
    {
      operation: 'VolumePrune',
      method: 'POST',
      path: '/volumes/prune',
      handler: async (r) => {
        const prune = optional(volumes(), 'prune');
        const filters = r.filters();
        r.json(200, await prune(r.has('pruneAnonymousOnly') ? filters : { ...filters, all: ['true'] }));
      },
    },
    {
      operation: 'VolumeInspect',
      method: 'GET',
      path: '/volumes/{name}',
      handler: async (r) => r.json(200, await volumes().inspect(r.param('name'))),
    },
    {
      operation: 'VolumeUpdate',
      method: 'PUT',
      path: '/volumes/{name}',
      handler: () => {
        throw unavailable('volume update only valid for cluster volumes, but swarm is unavailable');
      },
    },
    {
      operation: 'VolumeDelete',
      method: 'DELETE',
      path: '/volumes/{name}',
      handler: async (r) => {
        await volumes().remove(r.param('name'), { force: r.query.bool('force') });
        r.empty(204);
      },
    },
  ];
}
