import { mkdirSync } from 'node:fs';
import { notFound } from '../errdefs/index.ts';
import { toOutside } from '../linux/index.ts';
import { type ShimHandle, startShim } from '../runtime/index.ts';
import { containerCgroup, driverArguments } from './cgroup.ts';
import type { ContainerLogs } from './container-logs.ts';
import type { ContainerDeps } from './deps.ts';
import { containerPaths } from './paths.ts';
import type { ContainerRecord } from './types.ts';
import { isRemapped } from './user-namespace.ts';

/** Starts an idle monitor for a container. @throws NotFound for an unknown runtime, SyscallError */
export function openShim(deps: ContainerDeps, logs: ContainerLogs, record: ContainerRecord): ShimHandle {
  const paths = containerPaths(deps.dataRoot, deps.execRoot, record.id);
  mkdirSync(paths.rootfs, { recursive: true, mode: 0o711 });
  const runtime = deps.runtimes[record.hostConfig.Runtime ?? deps.defaultRuntime];
  if (!runtime) throw notFound(`unknown or invalid runtime name: ${record.hostConfig.Runtime}`);
  const { config } = record;
  const ids = isRemapped(deps, record.hostConfig) ? deps.idMap : undefined;
  return startShim({
    shimPath: deps.shimPath,
    id: record.id,
    bundle: paths.bundle,
    runtimePath: runtime.path,
    runtimeArgs: [...runtime.args, ...driverArguments(deps.cgroupDriver)],
    ...(deps.shimCgroup ? { shimCgroup: deps.shimCgroup } : {}),
    runtimeRoot: `${deps.execRoot}/runtime`,
    socketPath: paths.socket,
    ...logs.shimOptions(record),
    exitPath: paths.exit,
    cgroupPaths: containerCgroup(deps, record).directories(),
    tty: config.Tty ?? false,
    openStdin: config.OpenStdin ?? false,
    stdinOnce: config.StdinOnce ?? false,
    ...(ids ? { stdioOwner: { uid: toOutside(ids.uids, 0) ?? 0, gid: toOutside(ids.gids, 0) ?? 0 } } : {}),
  });
}
