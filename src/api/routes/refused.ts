/**
 * What Wharf does not do: swarm (it is a single node), managed plugins, checkpoints. It answers as a Docker
 * does that never joined a swarm, has no plugins and is not in experimental mode.
 */
import { notFound, notImplemented, unavailable } from '../../errdefs/index.ts';
import type { Route } from '../router.ts';

/** Docker's answer to everything that needs a manager. */
export const NOT_A_MANAGER =
  'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.';

type Row = readonly [operation: string, method: Route['method'], path: string];

const MANAGER_ONLY: readonly Row[] = [
  ['SwarmInspect', 'GET', '/swarm'],
  ['SwarmUnlockkey', 'GET', '/swarm/unlockkey'],
  ['SwarmUpdate', 'POST', '/swarm/update'],
  ['SwarmUnlock', 'POST', '/swarm/unlock'],
  ['NodeList', 'GET', '/nodes'],
  ['NodeInspect', 'GET', '/nodes/{id}'],
  ['NodeDelete', 'DELETE', '/nodes/{id}'],
  ['NodeUpdate', 'POST', '/nodes/{id}/update'],
  ['ServiceList', 'GET', '/services'],
  ['ServiceCreate', 'POST', '/services/create'],
  ['ServiceLogs', 'GET', '/services/{id}/logs'],
  ['ServiceInspect', 'GET', '/services/{id}'],
  ['ServiceDelete', 'DELETE', '/services/{id}'],
  ['ServiceUpdate', 'POST', '/services/{id}/update'],
  ['TaskList', 'GET', '/tasks'],
  ['TaskLogs', 'GET', '/tasks/{id}/logs'],
  ['TaskInspect', 'GET', '/tasks/{id}'],
  ['SecretList', 'GET', '/secrets'],
  ['SecretCreate', 'POST', '/secrets/create'],
  ['SecretInspect', 'GET', '/secrets/{id}'],
  ['SecretDelete', 'DELETE', '/secrets/{id}'],
  ['SecretUpdate', 'POST', '/secrets/{id}/update'],
  ['ConfigList', 'GET', '/configs'],
  ['ConfigCreate', 'POST', '/configs/create'],
  ['ConfigInspect', 'GET', '/configs/{id}'],
  ['ConfigDelete', 'DELETE', '/configs/{id}'],
  ['ConfigUpdate', 'POST', '/configs/{id}/update'],
];

const NO_SWARM: readonly Row[] = [
  ['SwarmInit', 'POST', '/swarm/init'],
  ['SwarmJoin', 'POST', '/swarm/join'],
];

const NO_PLUGINS: readonly Row[] = [
  ['GetPluginPrivileges', 'GET', '/plugins/privileges'],
  ['PluginPull', 'POST', '/plugins/pull'],
  ['PluginCreate', 'POST', '/plugins/create'],
];

const UNKNOWN_PLUGIN: readonly Row[] = [
  ['PluginInspect', 'GET', '/plugins/{name}/json'],
  ['PluginEnable', 'POST', '/plugins/{name}/enable'],
  ['PluginDisable', 'POST', '/plugins/{name}/disable'],
  ['PluginUpgrade', 'POST', '/plugins/{name}/upgrade'],
  ['PluginPush', 'POST', '/plugins/{name}/push'],
  ['PluginSet', 'POST', '/plugins/{name}/set'],
  ['PluginDelete', 'DELETE', '/plugins/{name}'],
];

const routes = (rows: readonly Row[], handler: Route['handler']): Route[] =>
  rows.map(([operation, method, path]) => ({ operation, method, path, handler }));

/** The routes of swarm mode: all refused. */
export const swarmRoutes = (): Route[] => [
  ...routes(MANAGER_ONLY, () => {
    throw unavailable(NOT_A_MANAGER);
  }),
  ...routes(NO_SWARM, () => {
    throw notImplemented('not implemented: swarm mode');
  }),
  {
    operation: 'SwarmLeave',
    method: 'POST',
    path: '/swarm/leave',
    handler: () => {
      throw unavailable('This node is not part of a swarm');
    },
  },
];

/** The routes of plugins: there are none, and none can be installed. */
export const pluginRoutes = (): Route[] => [
  { operation: 'PluginList', method: 'GET', path: '/plugins', handler: (r) => r.json(200, []) },
  ...routes(NO_PLUGINS, () => {
    throw notImplemented('not implemented: managed plugins');
  }),
  ...routes(UNKNOWN_PLUGIN, (r) => {
    throw notFound(`plugin "${r.param('name')}" not found`);
  }),
];

/** The routes of checkpoints. */
export const checkpointRoutes = (): Route[] =>
  routes(
    [
      ['CheckpointList', 'GET', '/containers/{id}/checkpoints'],
      ['CheckpointCreate', 'POST', '/containers/{id}/checkpoints'],
      ['CheckpointDelete', 'DELETE', '/containers/{id}/checkpoints/{checkpoint}'],
    ],
    () => {
      throw notImplemented(
        'This experimental feature is disabled by default. Start the Docker daemon in experimental mode in order to enable it.',
      );
    },
  );
