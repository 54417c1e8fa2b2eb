/** Builds, and the connections BuildKit's clients open: session and gRPC. */
import { invalidParameter, messageOf } from '../../errdefs/index.ts';
import type { Backends, BuildBackend, BuildOptions, SessionBackend } from '../backends.ts';
import { registryConfig } from '../body.ts';
import { backend, optional } from '../presence.ts';
import { sendProgress } from '../progress.ts';
import type { ApiRequest } from '../request.ts';
import type { Route } from '../router.ts';
import { arrayOf, type Decoder, decodeBody, int, mapOf, str, stringMap, strings, struct } from '../schema.ts';

/** The routes of builds. */
export function buildRoutes(backends: Backends): Route[] {
  const builds = (): BuildBackend => backend(backends, 'build');
  const sessions = (): SessionBackend => backend(backends, 'sessions');
  return [
    {
      operation: 'ImageBuild',
      method: 'POST',
      path: '/build',
      handler: async (r) => {
        const build = builds();
        const options = buildOptions(r);
        await sendProgress(r, (onProgress) => build.build({ ...options, onProgress, signal: r.signal }));
      },
    },
    {
      operation: 'BuildPrune',
      method: 'POST',
      path: '/build/prune',
      handler: async (r) => {
        const prune = optional(builds(), 'prune');
        r.json(200, await prune(pruneOptions(r)));
      },
    },
    {
      operation: 'BuildCancel',
      method: 'POST',
      path: '/build/cancel',
      handler: async (r) => {
        const id = r.query.get('id');
        if (id === undefined) throw invalidParameter('build ID not provided');
        await optional(builds(), 'cancel')(id);
        r.empty(200);
      },
    },
    {
      operation: 'Session',
      method: 'POST',
      path: '/session',
      hijack: true,
      handler: async (r) => {
        const session = optional(sessions(), 'session');
        session(await r.hijack(undefined, protocolOf(r)), r.req.headers);
      },
    },
    {
      operation: 'GRPC',
      method: 'POST',
      path: '/grpc',
      hijack: true,
      handler: async (r) => {
        const grpc = optional(sessions(), 'grpc');
        const protocol = protocolOf(r);
        if (protocol !== 'h2c') throw invalidParameter(`protocol ${protocol} not supported`);
        grpc(await r.hijack(undefined, protocol));
      },
    },
  ];
}

function protocolOf(r: ApiRequest): string {
  const protocol = r.req.headers.upgrade;
  if (!protocol) throw invalidParameter('no upgrade proto in request');
  return protocol;
}

/** A JSON query parameter of a build, decoded; `what` names it in the error. */
function jsonParameter<T>(r: ApiRequest, name: string, decoder: Decoder, what: string, none: T): T {
  const text = r.query.get(name);
  if (text === undefined) return none;
  try {
    const value: unknown = JSON.parse(text);
    return value === null ? none : (decodeBody(decoder, value) as T);
  } catch (err) {
    throw invalidParameter(`${what}: ${messageOf(err)}`);
  }
}

const NUMBERS = {
  memory: 'memory',
  memorySwap: 'memswap',
  cpuShares: 'cpushares',
  cpuQuota: 'cpuquota',
  cpuPeriod: 'cpuperiod',
  shmSize: 'shmsize',
} as const;

const TEXTS = {
  remote: 'remote',
  networkMode: 'networkmode',
  platform: 'platform',
  target: 'target',
  cpusetCpus: 'cpusetcpus',
  cpusetMems: 'cpusetmems',
  cgroupParent: 'cgroupparent',
  session: 'session',
  buildId: 'buildid',
} as const;

function buildOptions(r: ApiRequest): Omit<BuildOptions, 'onProgress' | 'signal'> {
  const { query } = r;
  const version = query.get('version') ?? '1';
  if (version !== '1' && version !== '2')
    throw invalidParameter(`invalid version ${JSON.stringify(version)}`);
  if (query.has('securityopt')) throw invalidParameter('security options are not supported on linux');
  if (query.bool('squash')) throw invalidParameter('squash is only supported with experimental mode');
  const outputs = r.has('buildOutputs')
    ? jsonParameter<BuildOptions['outputs']>(
        r,
        'outputs',
        arrayOf(struct('BuildOutput', { Type: str, Attrs: stringMap }), '[]BuildOutput'),
        'invalid outputs specified',
        [],
      )
    : [];
  const present = <V>(names: Record<string, string>, read: (name: string) => V | undefined) =>
    Object.fromEntries(
      Object.entries(names)
        .map(([key, name]) => [key, read(name)] as const)
        .filter(([, value]) => value !== undefined),
    );
  return {
    ...(query.has('remote') && query.get('remote') !== undefined ? {} : { context: r.req }),
    dockerfile: query.get('dockerfile') ?? 'Dockerfile',
    tags: query.all('t'),
    extraHosts: query.all('extrahosts'),
    quiet: query.bool('q'),
    noCache: query.bool('nocache'),
    pull: query.bool('pull'),
    rm: query.bool('forcerm') || query.get('rm') === undefined || query.bool('rm'),
    forceRm: query.bool('forcerm'),
    cacheFrom: jsonParameter(r, 'cachefrom', strings, 'error reading cache-from', []),
    buildArgs: jsonParameter(
      r,
      'buildargs',
      mapOf(str, 'map[string]*string'),
      'error reading build args',
      {},
    ),
    labels: jsonParameter(r, 'labels', stringMap, 'error reading labels', {}),
    ulimits: jsonParameter(
      r,
      'ulimits',
      arrayOf(struct('Ulimit', { Name: str, Soft: int, Hard: int }), '[]*Ulimit'),
      'error reading ulimit settings',
      [],
    ),
    squash: false,
    securityOpt: [],
    outputs,
    version,
    authConfigs: registryConfig(r.req),
    ...present(TEXTS, (name) => query.get(name)),
    ...present(NUMBERS, (name) => query.int(name)),
  };
}

function pruneOptions(r: ApiRequest): Parameters<NonNullable<BuildBackend['prune']>>[0] {
  const bytes = (name: string): number | undefined => {
    const text = r.query.get(name);
    if (text !== undefined && !/^[+-]?[0-9]+$/.test(text)) {
      throw invalidParameter(`${name} is in bytes and expects an integer, got ${text}`);
    }
    return r.query.int(name);
  };
  const named = (key: string, value: number | undefined) => (value === undefined ? {} : { [key]: value });
  return {
    all: r.query.bool('all'),
    filters: r.filters(),
    ...named('keepStorage', bytes('keep-storage')),
    ...(r.has('reservedSpace')
      ? {
          ...named('reservedSpace', bytes('reserved-space')),
          ...named('maxUsedSpace', bytes('max-used-space')),
          ...named('minFreeSpace', bytes('min-free-space')),
        }
      : {}),
  };
}
