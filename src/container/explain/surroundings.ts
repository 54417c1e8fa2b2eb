/** What a container needs of its surroundings and is not there now. */
import { existsSync } from 'node:fs';
import { isKind } from '../../errdefs/index.ts';
import type { ContainerDeps } from '../deps.ts';
import type { ContainerRecord } from '../types.ts';
import type { Finding } from './finding.ts';

/** Bind mounts whose source is gone, volumes that were removed. */
export function explainMounts(deps: Pick<ContainerDeps, 'volumes'>, record: ContainerRecord): Finding[] {
  return record.mounts.flatMap((mount): Finding[] => {
    const { type, source = '', name = '', destination } = mount;
    if (type === 'bind' && !existsSync(source)) {
      return [
        {
          Code: 'mount-missing',
          Text: `${source}, which is mounted at ${destination}, does not exist any more.`,
          Evidence: [`there is no ${source} on this machine`],
          Try: [`Bring ${source} back; at a start an empty directory would take its place`],
        },
      ];
    }
    if (type === 'volume' && !deps.volumes.exists(name)) {
      return [
        {
          Code: 'volume-missing',
          Text: `Its volume ${name}, mounted at ${destination}, was removed.`,
          Evidence: [`there is no volume ${name}`],
          Try: ['A start makes a new and empty one of that name'],
        },
      ];
    }
    return [];
  });
}

/** The image of a container may go: its layers stay as long as it does. */
export function explainImage(
  deps: Pick<ContainerDeps, 'resolveImage'>,
  { imageId, config }: ContainerRecord,
): Finding | undefined {
  try {
    deps.resolveImage(imageId);
    return undefined;
  } catch (err) {
    if (!isKind(err, 'NotFound')) throw err;
  }
  return {
    Code: 'image-gone',
    Text: `Its image ${config.Image ?? imageId} was removed. The container does not need it to start; a new one would.`,
    Evidence: [`no image has the id ${imageId}`],
    Try: [`Pull or load ${config.Image ?? 'it'} again before you make another container of it`],
  };
}
