/** Which containers `GET /containers/json` lists: its filters, in Docker's meaning and words. */
import type { PortSummary } from '@docker/node-sdk';
import { invalidParameter } from '../errdefs/index.ts';
import { type Filters, matchLabels } from '../filters/index.ts';
import type { Container } from './container.ts';
import type { ContainerStore } from './container-store.ts';
import type { ContainerDeps } from './deps.ts';
import { networkNames } from './inspect-network.ts';
import { ports, status } from './list.ts';
import { compareTimes } from './time.ts';

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
  const all = request.all || request.limit > 0 || filters.status !== undefined;
  const matches = listMatcher({ deps, containers, imageMatches }, filters);
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

type Test = (container: Container) => boolean;

interface ListParts {
  deps: Pick<ContainerDeps, 'network'>;
  containers: ContainerStore<Container>;
  imageMatches: (imageId: string, ancestor: string) => boolean;
}

const STATUSES = ['created', 'running', 'paused', 'restarting', 'removing', 'exited', 'dead'];
const HEALTH = ['none', 'starting', 'healthy', 'unhealthy'];

/** A test per filter: a container is listed when it passes all. */
const TESTS: Readonly<Record<string, (value: string, parts: ListParts) => Test>> = {
  id: (value) => (c) => value !== '' && c.id.startsWith(value),
  name: (value) => {
    const pattern = asPattern(value);
    return ({ record: { name } }) => pattern.test(`/${name}`) || pattern.test(name);
  },
  status: (value) => {
    if (!STATUSES.includes(value)) throw unknownValue('status', value, 'state', STATUSES);
    return (c) => status(c) === value;
  },
  exited: (value) => {
    if (!/^-?\d+$/.test(value)) {
      throw invalidParameter(
        `invalid filter 'exited=${value}': strconv.Atoi: parsing ${JSON.stringify(value)}: invalid syntax`,
      );
    }
    return ({ record: { state } }) => state.status === 'exited' && state.exitCode === Number(value);
  },
  ancestor:
    (value, { imageMatches }) =>
    ({ record }) =>
      record.config.Image === value || imageMatches(record.imageId, value),
  volume:
    (value) =>
    ({ record }) =>
      record.mounts.some((m) => m.name === value || m.destination === value || m.source === value),
  network:
    (value, { deps }) =>
    (c) => {
      const networks = deps.network.settings(c.id)?.Networks ?? {};
      return (
        networkNames(c.record).includes(value) ||
        Object.entries(networks).some(
          ([name, endpoint]) => name === value || endpoint.NetworkID?.startsWith(value),
        )
      );
    },
  health: (value) => {
    if (!HEALTH.includes(value)) throw unknownValue('health', value, 'health', HEALTH);
    return (c) => (c.health?.status ?? 'none') === value;
  },
  'is-task': (value) => () => value === 'false' || value === '0',
};

/** @throws InvalidParameter for values that make no sense, NotFound for unknown `before` and `since` */
export function listMatcher(parts: ListParts, filters: Filters): Test {
  const tests: Test[] = [(c) => matchLabels(c.record.config.Labels, filters)];
  for (const [name, make] of Object.entries(TESTS)) {
    const values = filters[name];
    if (values?.length) tests.push(anyOf(values.map((value) => make(value, parts))));
  }
  // A port that is published or one that is exposed: either filter will do where both are given.
  const ofPorts = [
    ...(filters.publish ?? []).map((value) => portTest(parts, 'publish', value, (p) => p.PublicPort)),
    ...(filters.expose ?? []).map((value) => portTest(parts, 'expose', value, (p) => p.PrivatePort)),
  ];
  if (ofPorts.length > 0) tests.push(anyOf(ofPorts));
  for (const [name, direction] of [['before', -1] as const, ['since', 1] as const]) {
    for (const value of filters[name] ?? []) {
      const { created } = parts.containers.get(value).record;
      tests.push((c) => compareTimes(c.record.created, created) * direction > 0);
    }
  }
  return (container) => tests.every((test) => test(container));
}

const anyOf =
  (tests: Test[]): Test =>
  (container) =>
    tests.some((test) => test(container));

/** Docker's name filter is a regular expression; one that is none is taken literally. */
function asPattern(value: string): RegExp {
  try {
    return new RegExp(value);
  } catch {
    return new RegExp(value.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  }
}

function portTest(
  { deps }: ListParts,
  filter: string,
  value: string,
  port: (summary: PortSummary) => number | undefined,
): Test {
  const match = /^(\d+)(?:-(\d+))?(?:\/(tcp|udp|sctp))?$/.exec(value);
  if (!match) {
    throw invalidParameter(
      `error while looking up for ${filter} ${value}: strconv.ParseUint: parsing ${JSON.stringify(value)}: invalid syntax`,
    );
  }
  const low = Number(match[1]);
  const high = Number(match[2] ?? match[1]);
  const type = match[3] ?? 'tcp';
  return (c) =>
    ports(deps, c).some((summary) => {
      const number = port(summary);
      return number !== undefined && number >= low && number <= high && summary.Type === type;
    });
}

const unknownValue = (filter: string, value: string, what: string, known: readonly string[]): Error =>
  invalidParameter(
    `invalid filter '${filter}=${value}': invalid value for ${what} (${value}): must be one of ${known.join(', ')}`,
  );
