/**
 * Every operation of the Engine API (Docker's API description, 1.51, and what dockerd routes besides) and
 * what becomes of it here. `docs/api-coverage.md` is this table rendered; a test holds it against the routes.
 */
import type { Backends } from './backends.ts';
import type { Route } from './router.ts';

/** `needs` names the backend operation; a `?` marks one an engine may lack, which answers 501. */
interface Coverage {
  needs?: string;
  /** What is missing of it. */
  partly?: string;
  /** The engine has no backend for it yet: 501 until it has. */
  missing?: true;
  /** Docker has none such. */
  beyond?: true;
  /** Why it is not done at all. */
  refused?: string;
}

const NO_SWARM = 'a single node: 503 as a Docker that is in no swarm';
const NO_PLUGINS = 'no managed plugins';
const EXPERIMENTAL = 'experimental in Docker, 501 as without experimental mode';

const swarm = (...operations: string[]): [string, Coverage][] =>
  operations.map((o) => [o, { refused: NO_SWARM }]);

export const COVERAGE: ReadonlyMap<string, Coverage> = new Map<string, Coverage>([
  ['ContainerList', { needs: 'containers.list' }],
  [
    'ContainerCreate',
    {
      needs: 'containers.create',
      partly: 'no size limit of the writable layer (StorageOpt), no volume plugins, no images as mounts',
    },
  ],
  ['ContainerInspect', { needs: 'containers.inspect' }],
  ['ContainerTop', { needs: 'containers.top' }],
  ['ContainerLogs', { needs: 'containers.logs' }],
  ['ContainerChanges', { needs: 'containers.changes?' }],
  ['ContainerStats', { needs: 'containers.stats?' }],
  ['ContainerExport', { needs: 'containers.export?' }],
  ['ContainerResize', { needs: 'containers.resize' }],
  ['ContainerStart', { needs: 'containers.start' }],
  ['ContainerStop', { needs: 'containers.stop' }],
  ['ContainerRestart', { needs: 'containers.restart' }],
  ['ContainerKill', { needs: 'containers.kill' }],
  ['ContainerUpdate', { needs: 'containers.update?' }],
  ['ContainerRename', { needs: 'containers.rename' }],
  ['ContainerPause', { needs: 'containers.pause?' }],
  ['ContainerUnpause', { needs: 'containers.unpause?' }],
  ['ContainerAttach', { needs: 'containers.attach' }],
  ['ContainerAttachWebsocket', { needs: 'containers.attach' }],
  ['ContainerWait', { needs: 'containers.wait' }],
  ['ContainerDelete', { needs: 'containers.remove' }],
  ['ContainerArchiveInfo', { needs: 'containers.statPath?' }],
  ['ContainerArchive', { needs: 'containers.getArchive?' }],
  ['PutContainerArchive', { needs: 'containers.putArchive?' }],
  ['ContainerPrune', { needs: 'containers.prune?' }],
  ['ContainerExplain', { needs: 'containers.explain?', beyond: true }],
  ['CheckpointList', { refused: EXPERIMENTAL }],
  ['CheckpointCreate', { refused: EXPERIMENTAL }],
  ['CheckpointDelete', { refused: EXPERIMENTAL }],
  ['ContainerExec', { needs: 'exec.create' }],
  ['ExecStart', { needs: 'exec.start' }],
  ['ExecResize', { needs: 'exec.resize' }],
  ['ExecInspect', { needs: 'exec.inspect' }],
  ['ImageList', { needs: 'images.list' }],
  ['ImageBuild', { needs: 'build.build?', missing: true }],
  ['BuildPrune', { needs: 'build.prune?', missing: true }],
  ['BuildCancel', { needs: 'build.cancel?', missing: true }],
  ['ImageCreate', { needs: 'images.pull' }],
  ['ImageInspect', { needs: 'images.inspect' }],
  ['ImageHistory', { needs: 'images.history' }],
  ['ImagePush', { needs: 'images.push', partly: 'an index is pushed one platform at a time, not whole' }],
  ['ImageTag', { needs: 'images.tag' }],
  ['ImageDelete', { needs: 'images.remove' }],
  [
    'ImageSearch',
    {
      needs: 'images.search?',
      partly: 'answered by registries that list their catalog; the hub has no such list',
    },
  ],
  ['ImagePrune', { needs: 'images.prune?' }],
  ['ImageCommit', { needs: 'containers.commit?' }],
  ['ImageGet', { needs: 'images.save' }],
  ['ImageGetAll', { needs: 'images.save' }],
  ['ImageLoad', { needs: 'images.load' }],
  ['DistributionInspect', { needs: 'images.distributionInspect?' }],
  ['SystemAuth', { needs: 'system.auth' }],
  ['SystemInfo', { needs: 'system.info' }],
  ['SystemVersion', { needs: 'system.version' }],
  ['SystemPing', {}],
  ['SystemPingHead', {}],
  ['SystemEvents', { needs: 'events.subscribe' }],
  ['SystemDataUsage', { needs: 'system.diskUsage' }],
  ['VolumeList', { needs: 'volumes.list' }],
  ['VolumeCreate', { needs: 'volumes.create', partly: 'cluster volumes are a swarm matter' }],
  ['VolumeInspect', { needs: 'volumes.inspect' }],
  ['VolumeUpdate', { refused: 'only for cluster volumes, a swarm matter' }],
  ['VolumeDelete', { needs: 'volumes.remove' }],
  ['VolumePrune', { needs: 'volumes.prune?' }],
  ['NetworkList', { needs: 'networks.list' }],
  ['NetworkInspect', { needs: 'networks.inspect' }],
  ['NetworkDelete', { needs: 'networks.remove' }],
  [
    'NetworkCreate',
    {
      needs: 'networks.create',
      partly: 'driver bridge with one IPv4 subnet; not yet macvlan, ipvlan, IPv6, several subnets',
    },
  ],
  ['NetworkConnect', { needs: 'networks.connect' }],
  ['NetworkDisconnect', { needs: 'networks.disconnect' }],
  ['NetworkPrune', { needs: 'networks.prune?' }],
  ['Session', { needs: 'sessions.session?', missing: true }],
  ['GRPC', { needs: 'sessions.grpc?', missing: true }],
  ['PluginList', {}],
  ['PluginInspect', { refused: `${NO_PLUGINS}: 404` }],
  ['GetPluginPrivileges', { refused: NO_PLUGINS }],
  ['PluginPull', { refused: NO_PLUGINS }],
  ['PluginDelete', { refused: `${NO_PLUGINS}: 404` }],
  ['PluginEnable', { refused: `${NO_PLUGINS}: 404` }],
  ['PluginDisable', { refused: `${NO_PLUGINS}: 404` }],
  ['PluginUpgrade', { refused: `${NO_PLUGINS}: 404` }],
  ['PluginCreate', { refused: NO_PLUGINS }],
  ['PluginPush', { refused: `${NO_PLUGINS}: 404` }],
  ['PluginSet', { refused: `${NO_PLUGINS}: 404` }],
  ...swarm('SwarmInspect', 'SwarmLeave', 'SwarmUpdate', 'SwarmUnlockkey', 'SwarmUnlock'),
  ['SwarmInit', { refused: 'a single node: 501' }],
  ['SwarmJoin', { refused: 'a single node: 501' }],
  ...swarm('NodeList', 'NodeInspect', 'NodeDelete', 'NodeUpdate'),
  ...swarm('ServiceList', 'ServiceCreate', 'ServiceInspect', 'ServiceDelete', 'ServiceUpdate', 'ServiceLogs'),
  ...swarm('TaskList', 'TaskInspect', 'TaskLogs'),
  ...swarm('SecretList', 'SecretCreate', 'SecretInspect', 'SecretDelete', 'SecretUpdate'),
  ...swarm('ConfigList', 'ConfigCreate', 'ConfigInspect', 'ConfigDelete', 'ConfigUpdate'),
]);

/** The operations that these backends lack, so that the API answers 501 to them. */
export function absentOperations(backends: Backends): string[] {
  return [...COVERAGE].flatMap(([operation, { needs }]) => {
    if (needs === undefined) return [];
    const [name = '', method = ''] = needs.replace('?', '').split('.');
    const owner: unknown = Reflect.get(backends, name);
    const present =
      typeof owner === 'object' && owner !== null && typeof Reflect.get(owner, method) === 'function';
    return present ? [] : [operation];
  });
}

function statusOf({ partly, missing, refused, beyond }: Coverage): string {
  if (beyond) return 'beyond Docker';
  if (refused) return `refused: ${refused}`;
  if (missing) return 'not yet: 501';
  return partly ? `partly: ${partly}` : 'done';
}

/** The table as Markdown rows, one per operation, with the request of its (first) route. */
export function renderCoverage(routes: readonly Route[]): string {
  const rows = [...COVERAGE].map(([operation, coverage]) => {
    const route = routes.find((r) => r.operation === operation);
    const { needs } = coverage;
    const status = statusOf(coverage);
    const backend = needs ? `\`${needs}\`` : '–';
    return `| ${operation} | \`${route?.method} ${route?.path}\` | ${backend} | ${status} |`;
  });
  return ['| operation | request | backend | status |', '|---|---|---|---|', ...rows, ''].join('\n');
}

/** The operations that the table says the engine lacks. */
export function missingOperations(): string[] {
  return [...COVERAGE].flatMap(([operation, { missing }]) => (missing ? [operation] : []));
}
