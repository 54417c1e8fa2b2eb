/** Containers in a user namespace of their own (`--userns-remap` of the daemon, unless `--userns=host`). */
import { readlinkSync } from 'node:fs';
import type { HostConfig } from '@docker/node-sdk';
import { conflict, invalidParameter } from '../errdefs/index.ts';
import {
  closeFd,
  type IdMap,
  makeNetworkNamespaceIn,
  makeUserNamespace,
  O,
  openAt,
  toOutside,
} from '../linux/index.ts';
import type { Container } from './container.ts';
import type { ContainerDeps, MountOwner } from './deps.ts';
import { scratchDirectory } from './directories.ts';
import type { ContainerRecord } from './types.ts';

/** True when a container with these options gets a user namespace. */
export function isRemapped(deps: Pick<ContainerDeps, 'idMap'>, { UsernsMode }: HostConfig): boolean {
  return deps.idMap !== undefined && UsernsMode !== 'host';
}

/**
 * The ids of a container's user namespace, which its files have where they are mounted: those of its run, or of the next one. Undefined when they
 * are the machine's. On the disk files have the ids inside.
 */
export function idMapping(deps: Pick<ContainerDeps, 'idMap'>, record: ContainerRecord): IdMap | undefined {
  if (['running', 'paused'].includes(record.state.status)) return record.idMap;
  return isRemapped(deps, record.hostConfig) ? deps.idMap : undefined;
}

/** What a user namespace cannot do. @throws InvalidParameter in Docker's words */
export function checkUserNamespace(deps: Pick<ContainerDeps, 'idMap'>, host: HostConfig): void {
  if (!isRemapped(deps, host)) return;
  if (host.Privileged) {
    throw invalidParameter(
      'privileged mode is incompatible with user namespaces.  You must run the container in the host namespace when running privileged mode',
      { hint: 'Give --userns=host' },
    );
  }
  if (host.NetworkMode === 'host') {
    throw invalidParameter("cannot share the host's network namespace when user namespaces are enabled", {
      hint: 'Give --userns=host',
    });
  }
  if (host.PidMode === 'host') {
    throw invalidParameter('cannot share the host PID namespace when user namespaces are enabled', {
      hint: 'Give --userns=host',
    });
  }
}

/** A run's user namespace. */
export interface RunUserNamespace {
  /** For the runtime to join; good until {@link close}. */
  path: string;
  /** A network namespace that belongs to it. */
  network: number;
  owner: MountOwner;
  /** Lets go of it, when the runtime is in it or has failed. May be called twice. */
  close(): void;
}

/**
 * The user namespace of a run: a new one, or that of a container whose namespaces are joined, for only who is root there may
 * use them. Notes the ids in the record.
 * @throws Conflict when that container has none or they are two; SyscallError
 */
export function openUserNamespace(
  deps: ContainerDeps,
  record: ContainerRecord,
  find: (id: string) => Container | undefined,
): RunUserNamespace | undefined {
  record.idMap = undefined;
  if (!isRemapped(deps, record.hostConfig)) return undefined;
  const donor = donorOfAll(record, find);
  const map = donor?.record.idMap ?? deps.idMap!;
  const { user, network } = donor
    ? joinedNamespace(deps, donor.record)
    : makeUserNamespace(deps.shimPath, map);
  record.idMap = map;
  let open = true;
  return {
    path: `/proc/${process.pid}/fd/${user}`,
    network,
    owner: ownerOf(deps, user, map),
    close() {
      if (!open) return;
      open = false;
      closeFd(user);
      closeFd(network);
    },
  };
}

/** A user namespace in which a container's files are looked at beside its run. */
export interface ViewUserNamespace {
  map: IdMap;
  owner: MountOwner;
  close(): void;
}

/** @throws SyscallError */
export function viewUserNamespace(
  deps: ContainerDeps,
  record: ContainerRecord,
): ViewUserNamespace | undefined {
  const map = idMapping(deps, record);
  if (map === undefined) return undefined;
  const { user, network } = makeUserNamespace(deps.shimPath, map);
  closeFd(network);
  return { map, owner: ownerOf(deps, user, map), close: () => closeFd(user) };
}

const ownerOf = ({ execRoot }: ContainerDeps, userNamespace: number, map: IdMap): MountOwner => ({
  userNamespace,
  rootUid: toOutside(map.uids, 0) ?? 0,
  rootGid: toOutside(map.gids, 0) ?? 0,
  scratch: scratchDirectory(execRoot),
});

function joinedNamespace(deps: ContainerDeps, { state }: ContainerRecord): { user: number; network: number } {
  const user = openAt(-100, `/proc/${state.pid}/ns/user`, O.RDONLY);
  try {
    return { user, network: makeNetworkNamespaceIn(deps.shimPath, user) };
  } catch (err) {
    closeFd(user);
    throw err;
  }
}

/** The container whose namespaces are joined. */
function donorOfAll(
  { hostConfig }: ContainerRecord,
  find: (id: string) => Container | undefined,
): Container | undefined {
  const names = [hostConfig.NetworkMode, hostConfig.PidMode, hostConfig.IpcMode].flatMap((mode) =>
    mode?.startsWith('container:') ? [mode.slice('container:'.length)] : [],
  );
  const donors = [...new Set(names)].flatMap((name) => find(name) ?? []);
  for (const { record } of donors) {
    if (record.idMap) continue;
    throw conflict(`cannot join the namespaces of container ${record.id}: it is not in a user namespace`, {
      hint: 'Run both with --userns=host, or neither',
    });
  }
  const spaces = new Set(donors.map(({ record }) => readlinkSync(`/proc/${record.state.pid}/ns/user`)));
  if (spaces.size > 1) {
    throw conflict('cannot join the namespaces of containers that are in different user namespaces');
  }
  return donors[0];
}
