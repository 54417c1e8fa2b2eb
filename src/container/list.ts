/** Containers as `GET /containers/json` lists them. */
import type { ContainerSummary, PortSummary } from '@docker/node-sdk';
import { invalidParameter } from '../errdefs/index.ts';
import { type Filters, matchLabels } from '../filters/index.ts';
import type { Container } from './container.ts';
import type { ContainerStore } from './container-store.ts';
import type { ContainerDeps } from './deps.ts';
import { mountPoints, networkNames } from './inspect.ts';
import { compareTimes, humanDuration } from './time.ts';

export interface ListRequest {
  all: boolean;
  limit: number;
  filters: Filters;
}

/** Newest first. @throws InvalidParameter for bad filter values, NotFound for unknown `before` and `since` */
export function listContainers(
  deps: ContainerDeps,
  containers: ContainerStore<Container>,
  request: ListRequest,
  imageMatches: (imageId: string, ancestor: string) => boolean,
): Container[] {
  const { filters } = request;
  const all =
    request.all || request.limit > 0 || ['status', 'exited', 'before', 'since'].some((key) => filters[key]);
  const matches = makeMatcher(deps, containers, filters, imageMatches);
  const found: Container[] = [];
  const newestFirst = [...containers.all()].sort((a, b) => compareTimes(b.record.created, a.record.created));
  for (const container of newestFirst) {
    if (!all && !container.running && !container.restartTimer) continue;
    if (!matches(container)) continue;
    found.push(container);
    if (request.limit > 0 && found.length === request.limit) break;
  }
  return found;
}

const STATUSES = ['created', 'restarting', 'running', 'removing', 'paused', 'exited', 'dead'];
const HEALTH = ['starting', 'healthy', 'unhealthy', 'none'];

function makeMatcher(
  deps: ContainerDeps,
  containers: ContainerStore<Container>,
  filters: Filters,
  imageMatches: (imageId: string, ancestor: string) => boolean,
): (container: Container) => boolean {
  const tests: ((container: Container) => boolean)[] = [];
  const any = (key: string, make: (value: string) => (container: Container) => boolean): void => {
    const values = filters[key];
    if (!values?.length) return;
    const made = values.map(make);
    tests.push((container) => made.some((test) => test(container)));
  };
  any('id', (value) => (c) => c.id.startsWith(value));
  any('name', (value) => {
    const pattern = asPattern(value);
    return (c) => pattern.test(`/${c.record.name}`) || pattern.test(c.record.name);
  });
  tests.push((c) => matchLabels(c.record.config.Labels, filters));
  any('status', (value) => {
    if (!STATUSES.includes(value)) throw invalidParameter(`invalid filter 'status=${value}'`);
    return (c) => status(c) === value;
  });
  any('exited', (value) => {
    if (!/^-?\d+$/.test(value)) throw invalidParameter(`invalid filter 'exited=${value}'`);
    return (c) => c.record.state.status === 'exited' && c.record.state.exitCode === Number(value);
  });
  any('ancestor', (value) => (c) => c.record.config.Image === value || imageMatches(c.record.imageId, value));
  any(
    'volume',
    (value) => (c) =>
      c.record.mounts.some((m) => m.name === value || m.destination === value || m.source === value),
  );
  any('network', (value) => (c) => {
    const networks = deps.network.settings(c.id)?.Networks ?? {};
    return (
      networkNames(c.record).includes(value) ||
      Object.entries(networks).some(
        ([name, endpoint]) => name === value || endpoint.NetworkID?.startsWith(value),
      )
    );
  });
  any('publish', (value) => portTest(deps, value, (p) => p.PublicPort));
  any('expose', (value) => portTest(deps, value, (p) => p.PrivatePort));
  any('health', (value) => {
    if (!HEALTH.includes(value)) throw invalidParameter(`invalid filter 'health=${value}'`);
    return (c) => (c.health?.status ?? 'none') === value;
  });
  any('is-task', (value) => () => value === 'false' || value === '0');
  for (const before of filters.before ?? []) {
    const { created } = containers.get(before).record;
    tests.push((c) => compareTimes(c.record.created, created) < 0);
  }
  for (const since of filters.since ?? []) {
    const { created } = containers.get(since).record;
    tests.push((c) => compareTimes(c.record.created, created) > 0);
  }
  return (container) => tests.every((test) => test(container));
}

/** Docker's name filter is a regular expression; one that is none is taken literally. */
function asPattern(value: string): RegExp {
  try {
    return new RegExp(value);
  } catch {
    return new RegExp(value.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  }
}

function portTest(
  deps: ContainerDeps,
  value: string,
  port: (summary: PortSummary) => number | undefined,
): (container: Container) => boolean {
  const match = /^(\d+)(?:-(\d+))?(?:\/(tcp|udp|sctp))?$/.exec(value);
  if (!match) throw invalidParameter(`invalid filter: invalid port specification: ${value}`);
  const low = Number(match[1]);
  const high = Number(match[2] ?? match[1]);
  return (c) =>
    ports(deps, c).some((summary) => {
      const number = port(summary);
      return number !== undefined && number >= low && number <= high && summary.Type === (match[3] ?? 'tcp');
    });
}

function status(container: Container): string {
  return container.restartTimer ? 'restarting' : container.record.state.status;
}

export function summarize(deps: ContainerDeps, container: Container, imageName: string): ContainerSummary {
  const { record } = container;
  const networks = deps.network.settings(record.id)?.Networks;
  return {
    Id: record.id,
    Names: [`/${record.name}`],
    Image: imageName,
    ImageID: record.imageId,
    Command: [record.path, ...record.args.map((arg) => (arg.includes(' ') ? `'${arg}'` : arg))].join(' '),
    Created: Math.floor(Date.parse(record.created) / 1000),
    Ports: ports(deps, container),
    Labels: record.config.Labels ?? {},
    State: status(container) as NonNullable<ContainerSummary['State']>,
    Status: statusText(container),
    HostConfig: { NetworkMode: record.hostConfig.NetworkMode ?? '' },
    NetworkSettings: {
      Networks:
        networks ??
        Object.fromEntries(networkNames(record).map((name) => [name, record.endpoints[name] ?? {}])),
    },
    Mounts: mountPoints(deps, record),
    Health: {
      Status: container.health?.status ?? 'none',
      FailingStreak: container.health?.failingStreak ?? 0,
    },
  };
}

function ports(deps: ContainerDeps, container: Container): PortSummary[] {
  if (!container.running) return [];
  const map = deps.network.settings(container.id)?.Ports ?? {};
  return Object.entries(map).flatMap(([key, bindings]) => {
    const [port = '', type = 'tcp'] = key.split('/');
    const common = { PrivatePort: Number(port), Type: type as PortSummary['Type'] };
    if (!bindings?.length) return [common];
    return bindings.map((binding) => ({
      IP: binding.HostIp ?? '',
      PublicPort: Number(binding.HostPort),
      ...common,
    }));
  });
}

function healthText({ health }: Container): string {
  if (!health) return '';
  return health.status === 'starting' ? ' (health: starting)' : ` (${health.status})`;
}

/** `Up 5 minutes`, `Exited (0) 2 hours ago`: the STATUS column. */
export function statusText(container: Container): string {
  const { state } = container.record;
  const ago = (time: string): string => humanDuration(Date.now() - Date.parse(time));
  if (container.restartTimer) return `Restarting (${state.exitCode}) ${ago(state.finishedAt)} ago`;
  switch (state.status) {
    case 'running':
      return `Up ${ago(state.startedAt)}${healthText(container)}`;
    case 'paused':
      return `Up ${ago(state.startedAt)} (Paused)`;
    case 'exited':
      return `Exited (${state.exitCode}) ${ago(state.finishedAt)} ago`;
    case 'dead':
      return 'Dead';
    case 'created':
      return 'Created';
  }
}
