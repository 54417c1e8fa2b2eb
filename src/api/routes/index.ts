/** All routes of the API. */
import type { Backends } from '../backends.ts';
import type { Route } from '../router.ts';
import { archiveRoutes } from './archive.ts';
import { attachRoutes } from './attach.ts';
import { buildRoutes } from './build.ts';
import { containerRoutes } from './containers.ts';
import { eventRoutes } from './events.ts';
import { execRoutes } from './exec.ts';
import { imageTransferRoutes } from './image-transfer.ts';
import { imageRoutes } from './images.ts';
import { networkRoutes } from './networks.ts';
import { checkpointRoutes, pluginRoutes, swarmRoutes } from './refused.ts';
import { systemRoutes } from './system.ts';
import { volumeRoutes } from './volumes.ts';

/** The route table for these backends. Order matters where one path pattern holds another. */
export function allRoutes(backends: Backends, options: { builderVersion: '1' | '2' }): Route[] {
  return [
    ...systemRoutes(backends, options.builderVersion),
    ...eventRoutes(backends),
    ...checkpointRoutes(),
    ...archiveRoutes(backends),
    ...attachRoutes(backends),
    ...containerRoutes(backends),
    ...execRoutes(backends),
    ...imageTransferRoutes(backends),
    ...imageRoutes(backends),
    ...networkRoutes(backends),
    ...volumeRoutes(backends),
    ...buildRoutes(backends),
    ...swarmRoutes(),
    ...pluginRoutes(),
  ];
}
