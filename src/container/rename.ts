import { conflict, invalidParameter, isKind, messageOf } from '../errdefs/index.ts';
import type { Container } from './container.ts';
import type { ContainerStore } from './container-store.ts';
import type { ContainerDeps } from './deps.ts';

/**
 * Gives a container another name; its networks know it at once, also while it runs.
 * @throws InvalidParameter for no name or the one it has, Conflict for one that is taken
 */
export function renameContainer(
  deps: Pick<ContainerDeps, 'network' | 'onEvent'>,
  containers: ContainerStore<Container>,
  container: Container,
  name: string,
): void {
  const next = name.replace(/^\//, '');
  if (next === '') throw invalidParameter('Neither old nor new names may be empty');
  const old = container.record.name;
  if (next === old) throw invalidParameter('Renaming a container with the same name as its current name');
  try {
    containers.rename(container, next);
  } catch (err) {
    if (!isKind(err, 'Conflict')) throw err;
    throw conflict(`Error when allocating new name: ${messageOf(err)}`, { cause: err });
  }
  if (container.running) deps.network.rename(container.id, next);
  deps.onEvent('rename', container.record, { oldName: `/${old}` });
}
