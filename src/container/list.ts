/** Containers as `GET /containers/json` lists them. */
import type { ContainerSummary, PortSummary } from '@docker/node-sdk';
import type { Container } from './container.ts';
import type { ContainerDeps } from './deps.ts';
import { mountPoints } from './inspect.ts';
import { listedNetworks } from './inspect-network.ts';
import { humanDuration } from './time.ts';

/** The state as lists tell it. */
export function status(container: Container): string {
  if (container.removing) return 'removing';
  return container.restartTimer ? 'restarting' : container.record.state.status;
}

export function summarize(deps: ContainerDeps, container: Container, imageName: string): ContainerSummary {
  const { record } = container;
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
    NetworkSettings: { Networks: listedNetworks(deps, record) },
    Mounts: mountPoints(deps, record),
    Health: {
      Status: container.health?.status ?? 'none',
      FailingStreak: container.health?.failingStreak ?? 0,
    },
  };
}

/** The ports of a running container, published or only exposed. */
export function ports(deps: Pick<ContainerDeps, 'network'>, container: Container): PortSummary[] {
  if (!container.running) return [];
  const map = deps.network.settings(container.id)?.Ports ?? {};
  const all = Object.entries(map).flatMap(([key, bindings]) => {
    const [port = '', type = 'tcp'] = key.split('/');
    const common = { PrivatePort: Number(port), Type: type as PortSummary['Type'] };
    if (!bindings?.length) return [common];
    return bindings.map((binding) => ({
      IP: binding.HostIp ?? '',
      PublicPort: Number(binding.HostPort),
      ...common,
    }));
  });
  return all.sort((a, b) => a.PrivatePort - b.PrivatePort);
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
