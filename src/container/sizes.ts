import type { ContainerDeps } from './deps.ts';
import type { ContainerRecord } from './types.ts';

/** Bytes of the writable layer (absent when there are none, as in Docker), and of all that the container's root shows. */
export async function containerSizes(
  deps: Pick<ContainerDeps, 'snapshots'>,
  record: ContainerRecord,
): Promise<{ SizeRw?: number; SizeRootFs: number }> {
  const { bytes } = await deps.snapshots.usage(record.id);
  const image = record.diffIds.reduce((sum, diffId) => sum + deps.snapshots.layerSize(diffId), 0);
  return { ...(bytes > 0 ? { SizeRw: bytes } : {}), SizeRootFs: bytes + image };
}
