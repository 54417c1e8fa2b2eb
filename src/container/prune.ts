import type { ContainerPruneResponse } from '@docker/node-sdk';
import { isKind } from '../errdefs/index.ts';
import { type Filters, matchLabels, parseTimestamp } from '../filters/index.ts';
import type { Container } from './container.ts';
import type { ContainerStore } from './container-store.ts';
import type { ContainerDeps } from './deps.ts';
import type { Lifecycle } from './lifecycle.ts';

/** Docker has null for an empty list. */
const NONE_DELETED = { ContainersDeleted: null as unknown as string[] };

/** Removes the containers that do not run and match `filters` (`label`, `label!`, `until`). */
export async function pruneContainers(
  deps: Pick<ContainerDeps, 'snapshots' | 'onPrune'>,
  containers: ContainerStore<Container>,
  lifecycle: Lifecycle,
  filters: Filters,
): Promise<ContainerPruneResponse> {
  const until = filters.until?.[0];
  const before = until === undefined ? undefined : parseTimestamp(until);
  const deleted: string[] = [];
  let reclaimed = 0;
  for (const container of [...containers.all()]) {
    const { record } = container;
    if (container.running || container.restartTimer || container.removing) continue;
    if (before !== undefined && Date.parse(record.created) > before) continue;
    if (!matchLabels(record.config.Labels, filters)) continue;
    const { bytes } = await deps.snapshots.usage(record.id);
    if (container.running || container.removing) continue;
    try {
      await lifecycle.remove(container, { force: false, volumes: false });
    } catch (err) {
      // Started or removed by somebody else meanwhile.
      if (!isKind(err, 'Conflict')) throw err;
      continue;
    }
    reclaimed += bytes;
    deleted.push(record.id);
  }
  deps.onPrune(reclaimed);
  return {
    ...(deleted.length > 0 ? { ContainersDeleted: deleted } : NONE_DELETED),
    SpaceReclaimed: reclaimed,
  };
}
