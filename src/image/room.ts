/** What the operations of this room share. */
import type { ContentStore } from '../content/index.ts';
import type { Registry } from '../distribution/index.ts';
import { isKind, system } from '../errdefs/index.ts';
import type { Digest, ImageConfig, Platform } from '../oci/index.ts';
import type { Collector } from './collect.ts';
import type { ImageRecords } from './image-records.ts';
import type { ImageViews } from './image-view.ts';
import type { ImageEvent, ImageUser, LayerStore } from './types.ts';

export interface Room {
  readonly records: ImageRecords;
  readonly views: ImageViews;
  readonly content: ContentStore;
  readonly snapshots: LayerStore;
  readonly collector: Collector;
  readonly registry: Registry;
  readonly platform: Platform;
  readonly maxDownloads: number;
  readonly maxUploads: number;
  readonly usedBy: (id: Digest) => readonly ImageUser[];
  readonly onEvent: (event: ImageEvent) => void;
  readonly log: (message: string) => void;
}

/** Tells of an event with Docker's attributes: the image's labels and its name. */
export function tell(
  room: Room,
  action: ImageEvent['action'],
  id: string,
  name: string,
  config: ImageConfig | undefined,
): void {
  room.onEvent({ action, id, attributes: { ...config?.config?.Labels, name } });
}

/** Bytes of the files of a chain. */
export function chainSize(room: Room, diffIds: readonly Digest[]): number {
  return diffIds.reduce((sum, diffId) => sum + layerSize(room, diffId), 0);
}

/** Bytes of the files of a layer; 0 while it waits to be unpacked again after a crash of the machine. */
export function layerSize(room: Room, diffId: Digest): number {
  return room.snapshots.hasLayer(diffId) ? room.snapshots.layerSize(diffId) : 0;
}

/**
 * Wrong or missing credentials for a registry are no 401 of this API, as in dockerd: the stock CLI would ask for
 * a login on its standard input, which a script never gives.
 */
export function withoutStatus(err: unknown): unknown {
  return isKind(err, 'Unauthorized') ? system(err.message, { cause: err }) : err;
}
