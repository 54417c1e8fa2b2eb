/** `docker commit`: an image of what a container changed. */
import type { Readable } from 'node:stream';
import type { ContainerConfig } from '@docker/node-sdk';
import { conflict, invalidParameter, isKind, messageOf } from '../errdefs/index.ts';
import type { ImageService } from '../image/index.ts';
import type { ContainerDefaults } from '../oci/index.ts';
import type { Container } from './container.ts';
import type { ContainerStore } from './container-store.ts';
import type { ContainerDeps } from './deps.ts';
import { pauseDuring } from './pause.ts';

export interface CommitRequest {
  container: string;
  repo?: string;
  tag?: string;
  comment?: string;
  author?: string;
  /** Freeze the container meanwhile. */
  pause: boolean;
  changes: string[];
  config?: ContainerConfig;
}

/** What this needs beside the container. */
export interface CommitDeps {
  images: Pick<ImageService, 'commit'>;
  /** The layer archive of a container's changes. */
  diff(id: string): Promise<Readable>;
}

/** @returns the new image's id @throws NotFound, InvalidParameter and Conflict in Docker's words */
export async function commitContainer(
  deps: ContainerDeps,
  containers: ContainerStore<Container>,
  request: CommitRequest,
): Promise<string> {
  const { images, diff } = deps.commit;
  if (request.container === '') throw invalidParameter('invalid name or ID supplied: ""');
  const container = containers.get(request.container);
  const { record } = container;
  if (record.state.status === 'dead') {
    throw conflict(`You cannot commit container ${record.id} which is Dead`);
  }
  if (container.removing) {
    throw conflict(`You cannot commit container ${record.id} which is being removed`);
  }
  const resume = request.pause ? await pause(deps, containers, container) : undefined;
  try {
    const { image, reference } = await images.commit({
      parent: record.imageId,
      config: defaultsOf(request.config ?? record.config),
      container: defaultsOf(record.config),
      changes: request.changes,
      author: request.author,
      comment: request.comment,
      createdBy: (record.config.Cmd ?? []).join(' '),
      repo: request.repo,
      tag: request.tag,
      layer: () => diff(record.id),
    });
    deps.onEvent('commit', record, {
      comment: request.comment ?? '',
      imageID: image.id,
      imageRef: reference,
    });
    return image.id;
  } finally {
    await resume?.().catch((err: unknown) => deps.log.warn(`container ${record.id}: ${messageOf(err)}`));
  }
}

/** One that does not run, or is paused already, need not be. */
async function pause(
  deps: ContainerDeps,
  containers: ContainerStore<Container>,
  container: Container,
): Promise<(() => Promise<void>) | undefined> {
  try {
    return await pauseDuring(deps, containers, container);
  } catch (err) {
    if (isKind(err, 'Conflict')) return undefined;
    throw err;
  }
}

/** The part of a container's config that images have; the API's type is looser about `null`. */
function defaultsOf(config: ContainerConfig): ContainerDefaults {
  return config as ContainerDefaults;
}
