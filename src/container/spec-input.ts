/** A container in the terms of the runtime room: what its OCI config is made of. */
import { readFileSync } from 'node:fs';
import { conflict, invalidParameter, isKind, messageOf, notFound, system } from '../errdefs/index.ts';
import { lastInside, RootedDir } from '../linux/index.ts';
import {
  execProcess,
  type GeneratedSpec,
  generateSpec,
  type JoinedNamespaces,
  resolveUser,
  type Spec,
  type SpecProcess,
} from '../runtime/index.ts';
import { driverAnnotations, runtimeCgroupsPath } from './cgroup.ts';
import type { Container, ExecRequest } from './container.ts';
import type { ContainerDeps } from './deps.ts';
import type { OciMount } from './mount-table.ts';
import type { ContainerRecord } from './types.ts';

/**
 * The namespaces of other containers that this one joins.
 * @throws NotFound, Conflict when such a container does not run
 */
export function joinedNamespaces(
  record: ContainerRecord,
  find: (id: string) => Container | undefined,
): JoinedNamespaces {
  const { NetworkMode, PidMode, IpcMode } = record.hostConfig;
  return {
    network: joined('network', NetworkMode, find),
    pid: joined('pid', PidMode, find),
    ipc: joined('ipc', IpcMode, find),
  };
}

/** Docker has other words for each kind. */
function joined(
  kind: 'network' | 'pid' | 'ipc',
  mode: string | undefined,
  find: (id: string) => Container | undefined,
): string | undefined {
  if (!mode?.startsWith('container:')) return undefined;
  const name = mode.slice('container:'.length);
  const other = find(name);
  if (kind === 'network') {
    if (!other) throw notFound(`No such container: ${name}`);
    if (!other.running) {
      const { name: ofOther, state } = other.record;
      throw conflict(
        `cannot join network namespace of a non running container: container ${ofOther} is ${state.status}`,
      );
    }
    return `/proc/${other.record.state.pid}/ns/net`;
  }
  const failed = `failed to join ${kind.toUpperCase()} namespace: `;
  if (!other) throw invalidParameter(`${failed}No such container: ${name}`);
  if (!other.running) throw conflict(`${failed}container ${other.id} is not running`);
  if (kind === 'ipc' && other.record.hostConfig.IpcMode !== 'shareable') {
    throw invalidParameter(
      `${failed}container ${other.id}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)`,
    );
  }
  return `/proc/${other.record.state.pid}/ns/${kind}`;
}

/** The container whose namespace `record` joins, if it does; checked by {@link joinedNamespaces}. */
export function donorOf(
  record: ContainerRecord,
  field: 'IpcMode' | 'NetworkMode',
  find: (id: string) => Container | undefined,
): Container | undefined {
  const mode = record.hostConfig[field] ?? '';
  return mode.startsWith('container:') ? find(mode.slice('container:'.length)) : undefined;
}

/** The OCI config of a run. @throws InvalidParameter for options that make no sense, an unknown user */
export function containerSpec(
  deps: ContainerDeps,
  record: ContainerRecord,
  run: {
    root: RootedDir;
    rootfs: string;
    mounts: OciMount[];
    namespaces: JoinedNamespaces;
    linkEnv: readonly string[];
  },
): GeneratedSpec {
  const { config, hostConfig } = record;
  return generateSpec({
    config,
    hostConfig,
    args: [record.path, ...record.args],
    rootfs: run.rootfs,
    user: initUser(run.root, config.User ?? '', hostConfig.GroupAdd ?? []),
    mounts: run.mounts,
    namespaces: run.namespaces,
    ...(record.idMap ? { lastGid: lastInside(record.idMap.gids) } : {}),
    cgroupsPath: runtimeCgroupsPath(deps, record),
    annotations: driverAnnotations(deps, record),
    initPath: deps.initPath,
    ...deps.security,
    init: deps.init,
    linkEnv: run.linkEnv,
    cdi: deps.cdi,
  });
}

/** Docker answers 500 where the image lacks the user: the request was good. */
function initUser(root: RootedDir, user: string, groups: readonly string[]): ReturnType<typeof resolveUser> {
  try {
    return resolveUser(root, user, groups);
  } catch (err) {
    if (!isKind(err, 'InvalidParameter')) throw err;
    throw system(messageOf(err), { cause: err });
  }
}

/** What this machine cannot give of what is asked for, told at creation. @throws InvalidParameter for bad options */
export function createWarnings(deps: ContainerDeps, record: ContainerRecord): string[] {
  const { config, hostConfig } = record;
  try {
    return generateSpec({
      config,
      // What CDI describes is looked up at the start, as in Docker.
      hostConfig: { ...hostConfig, DeviceRequests: [] },
      args: [record.path, ...record.args],
      rootfs: '/',
      user: { uid: 0, gid: 0, additionalGids: [], home: '/' },
      mounts: [],
      cgroupsPath: runtimeCgroupsPath(deps, record),
      initPath: deps.initPath,
      ...deps.security,
    }).warnings;
  } catch (err) {
    // A device may appear before the start; Docker looks for it then, too.
    if (isKind(err, 'System', 'NotFound')) return [];
    throw err;
  }
}

/** The OCI config of the container's present run. */
export function runSpec(container: Container, configPath: string): Spec {
  if (container.spec) return container.spec;
  const spec = JSON.parse(readFileSync(configPath, 'utf8')) as Spec;
  // The compiled seccomp program is one of them, some ten kilobytes.
  for (const name of Object.keys(spec.annotations ?? {})) spec.annotations![name] = '';
  container.spec = spec;
  return spec;
}

/** The OCI process of an exec in a running container. @throws InvalidParameter for an unknown user */
export function execSpec(container: Container, configPath: string, request: ExecRequest): SpecProcess {
  return execProcess(runSpec(container, configPath).process, {
    args: request.argv,
    env: request.env,
    containerEnv: container.record.config.Env ?? [],
    tty: request.tty,
    privileged: request.privileged,
    ...(request.workingDir ? { cwd: request.workingDir } : {}),
    ...(request.user ? { user: userOf(container.record, request.user) } : {}),
    ...(request.consoleSize ? { consoleSize: request.consoleSize } : {}),
  });
}

/** Looked up in the container's own view of its files, mounts included. */
function userOf(record: ContainerRecord, user: string): ReturnType<typeof resolveUser> {
  const root = RootedDir.open(`/proc/${record.state.pid}/root`);
  try {
    return resolveUser(root, user, record.hostConfig.GroupAdd ?? []);
  } finally {
    root.close();
  }
}
