/** The engine in the shape of the small backends that the Engine API's routes ask for. */
import type {
  EndpointSettings,
  EventMessage,
  NetworkConnectRequest,
  NetworkCreateRequest,
  NetworkDisconnectRequest,
} from '@docker/node-sdk';
import { forbidden } from '../errdefs/index.ts';
import type { Engine } from './engine.ts';

/** Made to fit `api`'s `Backends`; the composition root checks that it does. */
export function engineBackends(engine: Engine) {
  const { containers, images, networks, volumes } = engine;
  return {
    containers: {
      list: engine.listContainers.bind(engine),
      inspect: containers.inspect.bind(containers),
      create: engine.createContainer.bind(engine),
      start: containers.start.bind(containers),
      stop: containers.stop.bind(containers),
      restart: containers.restart.bind(containers),
      kill: containers.kill.bind(containers),
      rename: containers.rename.bind(containers),
      remove: containers.remove.bind(containers),
      wait: containers.wait.bind(containers),
      explain: containers.explanations.explain.bind(containers.explanations),
      resize: containers.resize.bind(containers),
      attach: containers.attach.bind(containers),
      logs: containers.logs.bind(containers),
      top: containers.top.bind(containers),
      stats: containers.stats.stats.bind(containers.stats),
      pause: containers.pause.bind(containers),
      unpause: containers.unpause.bind(containers),
      update: containers.updates.update.bind(containers.updates),
      // Docker has null for an empty list.
      changes: async (id: string) => {
        const changes = await engine.changes(id);
        return changes.length > 0 ? changes : (null as unknown as typeof changes);
      },
      commit: containers.commit.bind(containers),
      export: containers.files.export.bind(containers.files),
      statPath: containers.files.stat.bind(containers.files),
      getArchive: containers.files.get.bind(containers.files),
      putArchive: containers.files.put.bind(containers.files),
      prune: containers.prune.bind(containers),
    },
    exec: {
      create: containers.execs.create.bind(containers.execs),
      start: containers.execs.start.bind(containers.execs),
      inspect: containers.execs.inspect.bind(containers.execs),
      resize: containers.execs.resize.bind(containers.execs),
    },
    images: {
      list: (o: Parameters<typeof images.list>[0]) => images.list({ ...o, containerCount: true }),
      inspect: images.inspect.bind(images),
      history: images.history.bind(images),
      tag: images.tag.bind(images),
      remove: images.remove.bind(images),
      pull: async (o: Parameters<typeof images.pull>[0]) => void (await images.pull(o)),
      push: images.push.bind(images),
      load: async (o: Parameters<typeof images.load>[0]) => void (await images.load(o)),
      import: async (o: Parameters<typeof images.import>[0]) => (await images.import(o)).id,
      save: images.save.bind(images),
      prune: images.prune.bind(images),
      search: images.search.bind(images),
      distributionInspect: images.distributionInspect.bind(images),
    },
    networks: {
      list: networks.list.bind(networks),
      inspect: networks.inspect.bind(networks),
      create: (request: NetworkCreateRequest) => networks.create(request),
      remove: networks.remove.bind(networks),
      connect: (id: string, request: NetworkConnectRequest) => connect(engine, id, request),
      disconnect: (id: string, request: NetworkDisconnectRequest) => disconnect(engine, id, request),
      prune: networks.prune.bind(networks),
    },
    volumes: {
      list: (filters: Readonly<Record<string, readonly string[]>>) => ({
        Volumes: volumes.list(filters),
        Warnings: [],
      }),
      inspect: volumes.inspect.bind(volumes),
      create: volumes.create.bind(volumes),
      remove: (name: string, o: { force: boolean }) => volumes.remove(name, o.force),
      prune: volumes.prune.bind(volumes),
    },
    system: {
      info: engine.info.bind(engine),
      version: engine.version.bind(engine),
      diskUsage: engine.diskUsage.bind(engine),
      auth: images.authCheck.bind(images),
    },
    events: {
      subscribe: (
        o: { since?: bigint; until?: bigint; filters: Readonly<Record<string, readonly string[]>> },
        listener: (event: EventMessage) => void,
      ) => engine.subscribe(o, listener),
    },
  };
}

/** A running container is attached now; a stopped one at its next start. */
function connect(engine: Engine, network: string, request: NetworkConnectRequest): Promise<void> {
  const { containers, networks } = engine;
  return containers.exclusively(request.Container ?? '', (record, running) => {
    const { Name: name = network } = networks.inspect(network);
    const config: EndpointSettings = request.EndpointConfig ?? {};
    if (record.endpoints[name] && !running) {
      throw forbidden(`endpoint with name ${record.name} already exists in network ${name}`);
    }
    if (running) networks.connect(network, record, config);
    containers.setEndpoint(record.id, name, config);
  });
}

function disconnect(engine: Engine, network: string, request: NetworkDisconnectRequest): Promise<void> {
  const { containers, networks } = engine;
  return containers.exclusively(request.Container ?? '', (record, running) => {
    const { Name: name = network } = networks.inspect(network);
    if (running) networks.disconnect(network, record, request.Force ?? false);
    else if (!record.endpoints[name] && (record.leftNetworkMode || record.hostConfig.NetworkMode !== name)) {
      throw forbidden(`container ${record.id} is not connected to network ${name}`);
    }
    containers.setEndpoint(record.id, name, undefined);
  });
}
