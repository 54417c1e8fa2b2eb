/**
 * Answers of older API versions, in one table, per Docker's API version history (docs/api/CHANGELOG of
 * moby). Backends answer in the newest shape; each row below changes it for versions under `below`.
 */
import type { ApiVersion } from './api-version.ts';

type Fields = Record<string, unknown>;

interface Shape {
  readonly operation: string;
  /** The row applies to versions under this minor number. */
  readonly below: ApiVersion;
  /** Gets a shallow copy of the object (of each object, for lists) and changes it. */
  readonly shape: (answer: Fields) => void;
}

const drop =
  (...names: string[]) =>
  (answer: Fields): void => {
    for (const name of names) delete answer[name];
  };

/** Above every served version: fields all of them have although the newest types left them out. */
const ALWAYS: ApiVersion = 52;

const virtualSize = (image: Fields): void => {
  image.VirtualSize = image.Size;
};

/** API < 1.50 showed these container fields in an image's config, always empty. */
const LEGACY_IMAGE_CONFIG: Fields = {
  Hostname: '',
  Domainname: '',
  AttachStdin: false,
  AttachStdout: false,
  AttachStderr: false,
  Tty: false,
  OpenStdin: false,
  StdinOnce: false,
  Image: '',
};

const IMAGE_CONFIG: Fields = {
  User: '',
  Env: null,
  Cmd: null,
  Volumes: null,
  WorkingDir: '',
  Entrypoint: null,
  OnBuild: null,
  Labels: null,
};

/** The bridge's endpoint, repeated on top of NetworkSettings until API 1.52. */
const BRIDGE_FIELDS: Fields = {
  EndpointID: '',
  Gateway: '',
  GlobalIPv6Address: '',
  GlobalIPv6PrefixLen: 0,
  IPAddress: '',
  IPPrefixLen: 0,
  IPv6Gateway: '',
  MacAddress: '',
};

const NETWORK_SETTINGS: Fields = {
  Bridge: '',
  HairpinMode: false,
  LinkLocalIPv6Address: '',
  LinkLocalIPv6PrefixLen: 0,
  SecondaryIPAddresses: null,
  SecondaryIPv6Addresses: null,
};

function legacyNetworkSettings(container: Fields): void {
  const settings = container.NetworkSettings as Fields | undefined;
  if (!settings) return;
  const bridge = ((settings.Networks as Fields | undefined)?.bridge ?? {}) as Fields;
  const top = Object.fromEntries(
    Object.keys(BRIDGE_FIELDS).map((name) => [name, bridge[name] ?? BRIDGE_FIELDS[name]]),
  );
  container.NetworkSettings = { ...NETWORK_SETTINGS, ...top, ...settings };
}

/** API < 1.45 listed the short id and host name among a user-defined network's aliases. */
function aliasesWithShortId(container: Fields): void {
  const settings = container.NetworkSettings as Fields | undefined;
  const networks = settings?.Networks as Record<string, Fields> | undefined;
  if (!settings || !networks) return;
  const shortId = String(container.Id ?? '').slice(0, 12);
  const hostname = (container.Config as Fields | undefined)?.Hostname;
  const changed = Object.entries(networks).map(([name, endpoint]) => {
    if (name === 'bridge' || name === 'host' || name === 'none') return [name, endpoint];
    const aliases = [...((endpoint.Aliases as string[] | null) ?? []), shortId, hostname].filter(Boolean);
    return [name, { ...endpoint, Aliases: [...new Set(aliases)] }];
  });
  container.NetworkSettings = { ...settings, Networks: Object.fromEntries(changed) };
}

const expectedCommit = (info: Fields, name: string): void => {
  const commit = info[name] as Fields | undefined;
  info[name] = { ID: commit?.ID ?? '', Expected: commit?.ID ?? '' };
};

const SHAPES: readonly Shape[] = [
  { operation: 'ContainerList', below: ALWAYS, shape: drop('Health') },
  { operation: 'ContainerList', below: 48, shape: drop('ImageManifestDescriptor') },
  {
    operation: 'ContainerList',
    below: 46,
    shape: (container) => {
      const { Annotations: _, ...hostConfig } = (container.HostConfig ?? {}) as Fields;
      container.HostConfig = hostConfig;
    },
  },
  { operation: 'ContainerStats', below: 52, shape: drop('os_type') },
  { operation: 'ContainerInspect', below: ALWAYS, shape: legacyNetworkSettings },
  { operation: 'ContainerInspect', below: 48, shape: drop('ImageManifestDescriptor') },
  { operation: 'ContainerInspect', below: 45, shape: aliasesWithShortId },
  { operation: 'ImageList', below: 51, shape: (image) => Object.assign(image, { Containers: -1 }) },
  { operation: 'ImageList', below: 48, shape: drop('Descriptor') },
  { operation: 'ImageList', below: 44, shape: virtualSize },
  {
    operation: 'ImageList',
    below: 43,
    shape: (image) => {
      const empty = (list: unknown): boolean => !Array.isArray(list) || list.length === 0;
      if (empty(image.RepoTags) && empty(image.RepoDigests)) {
        image.RepoTags = ['<none>:<none>'];
        image.RepoDigests = ['<none>@<none>'];
      }
    },
  },
  {
    operation: 'ImageInspect',
    below: ALWAYS,
    shape: (image) => {
      for (const name of ['Parent', 'Comment', 'DockerVersion', 'Author']) image[name] ??= '';
      image.RepoTags ??= [];
      image.RepoDigests ??= [];
      image.Config = { ...IMAGE_CONFIG, ...(image.Config as Fields | undefined) };
    },
  },
  {
    operation: 'ImageInspect',
    below: 50,
    shape: (image) => {
      image.Config = { ...LEGACY_IMAGE_CONFIG, ...(image.Config as Fields) };
    },
  },
  { operation: 'ImageInspect', below: 48, shape: drop('Descriptor', 'Manifests') },
  {
    operation: 'ImageInspect',
    below: 45,
    shape: (image) => {
      image.Container ??= '';
      image.ContainerConfig ??= { ...LEGACY_IMAGE_CONFIG, ...IMAGE_CONFIG };
    },
  },
  {
    operation: 'ImageInspect',
    below: 44,
    shape: (image) => {
      virtualSize(image);
      image.Created ??= '0001-01-01T00:00:00Z';
    },
  },
  { operation: 'SystemInfo', below: 50, shape: drop('DiscoveredDevices') },
  {
    operation: 'SystemInfo',
    below: 50,
    shape: (info) => Object.assign(info, { BridgeNfIptables: false, BridgeNfIp6tables: false }),
  },
  {
    operation: 'SystemInfo',
    below: 49,
    shape: (info) => {
      delete info.FirewallBackend;
      for (const name of ['ContainerdCommit', 'RuncCommit', 'InitCommit']) expectedCommit(info, name);
      info.RegistryConfig = {
        AllowNondistributableArtifactsCIDRs: null,
        AllowNondistributableArtifactsHostnames: null,
        ...(info.RegistryConfig as Fields | undefined),
      };
    },
  },
  { operation: 'SystemInfo', below: 46, shape: drop('Containerd') },
  {
    operation: 'SystemInfo',
    below: 44,
    shape: (info) => {
      const runtimes = (info.Runtimes ?? {}) as Record<string, Fields>;
      info.Runtimes = Object.fromEntries(
        Object.entries(runtimes).map(([name, { status: _, ...runtime }]) => [name, runtime]),
      );
    },
  },
  {
    operation: 'SystemDataUsage',
    below: 44,
    shape: (usage) => {
      const images = usage.Images as Fields[] | undefined;
      if (images) usage.Images = images.map((image) => ({ ...image, VirtualSize: image.Size }));
    },
  },
  { operation: 'NetworkList', below: 48, shape: drop('EnableIPv4') },
  { operation: 'NetworkInspect', below: 48, shape: drop('EnableIPv4') },
];

const BY_OPERATION = Map.groupBy(SHAPES, (row) => row.operation);

/** The answer of an operation in the shape of `version`; the value itself is not changed. */
export function shapeAnswer(operation: string, version: ApiVersion, answer: unknown): unknown {
  const rows = BY_OPERATION.get(operation)?.filter((row) => version < row.below);
  if (!rows || rows.length === 0 || typeof answer !== 'object' || answer === null) return answer;
  const one = (value: Fields): Fields => {
    const copy = { ...value };
    for (const row of rows) row.shape(copy);
    return copy;
  };
  return Array.isArray(answer) ? answer.map((value) => one(value as Fields)) : one(answer as Fields);
}

/** Fields of events that Docker keeps for old clients: all versions we serve show them. */
export function shapeEvent(event: {
  Type?: string;
  Action?: string;
  Actor?: { ID?: string; Attributes?: Record<string, string> };
}): unknown {
  const legacy =
    event.Type === 'container'
      ? { status: event.Action, id: event.Actor?.ID, from: event.Actor?.Attributes?.image }
      : event.Type === 'image'
        ? { status: event.Action, id: event.Actor?.ID }
        : undefined;
  return legacy ? { ...legacy, ...event } : event;
}
