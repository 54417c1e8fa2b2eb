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
import type { ContainerPaths } from './paths.ts';
import type { ContainerRecord } from './types.ts';

/** True when a container with these options gets a user namespace. */
export function isRemapped(deps: Pick<ContainerDeps, 'idMap'>, { UsernsMode }: HostConfig): boolean {
  return deps.idMap !== undefined && UsernsMode !== 'host';
}

/**
 * The ids of a running container: files that it makes have those on the outside. Undefined when they are the host's, and when it does
 * not run: what is mounted then for commit, cp and the like shows the image's own ids.
 */
export function idMapping(record: ContainerRecord): IdMap | undefined {
  return ['running', 'paused'].includes(record.state.status) ? record.idMap : undefined;
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
  paths: ContainerPaths,
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
    owner: {
      userNamespace: user,
      rootUid: toOutside(map.uids, 0) ?? 0,
      rootGid: toOutside(map.gids, 0) ?? 0,
      scratch: `${paths.subpaths}/layers`,
    },
    close() {
      if (!open) return;
      open = false;
      closeFd(user);
      closeFd(network);
    },
  };
}

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
