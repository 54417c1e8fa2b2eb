/**
 * At start: makes the kernel agree with the leases. What has no live container goes (namespaces, links, leases);
 * what a live one needs is put back (after somebody removed a bridge, or flushed the firewall).
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../errdefs/index.ts';
import { deleteNetns } from '../linux/index.ts';
import type { BridgeDriver } from './bridge-driver.ts';
import type { HostPorts } from './host-ports.ts';
import type { Networks } from './networks.ts';
import type { NetworkRecords, SandboxRecord } from './records.ts';
import type { Sandboxes } from './sandboxes.ts';
import type { NetworkLog } from './types.ts';

export interface ReconcileParts {
  records: NetworkRecords;
  networks: Networks;
  sandboxes: Sandboxes;
  bridges: BridgeDriver;
  hostPorts: HostPorts;
  netnsDir: string;
  log: NetworkLog;
}

/** Drops the sandboxes of containers that are gone, takes over those of `live` ones. Before bridges are made. */
export function reconcileLeases(parts: ReconcileParts, live: ReadonlySet<string>): void {
  for (const sandbox of parts.records.sandboxes()) {
    if (live.has(sandbox.container) && sandbox.endpoints.every((e) => parts.networks.get(e.network))) {
      parts.sandboxes.adopt(sandbox);
    } else {
      attempt(parts.log, `network of container ${sandbox.container}`, () => discard(parts, sandbox));
    }
  }
  if (!existsSync(parts.netnsDir)) return;
  const kept = new Set(parts.sandboxes.all().map(({ netns }) => netns));
  for (const name of readdirSync(parts.netnsDir)) {
    const path = join(parts.netnsDir, name);
    if (!kept.has(path)) attempt(parts.log, `namespace ${path}`, () => deleteNetns(path));
  }
}

function discard({ bridges, records }: ReconcileParts, sandbox: SandboxRecord): void {
  deleteNetns(sandbox.netns);
  for (const { link } of sandbox.endpoints) if (link !== '') bridges.removeLink(link);
  records.deleteSandbox(sandbox.container);
}

/** Makes the bridges, puts back what hangs on them, removes host ends that nobody leased. */
export function reconcileLinks(parts: ReconcileParts): void {
  const { networks, sandboxes, bridges, hostPorts, log } = parts;
  for (const { record } of networks.all()) {
    const { bridge } = record;
    if (bridge) attempt(log, `bridge ${bridge.link}`, () => bridges.ensure(bridge));
  }
  for (const sandbox of sandboxes.all()) {
    attempt(log, `network of container ${sandbox.container}`, () => restore(parts, sandbox));
    for (const port of sandbox.ports) {
      if (hostPorts.adopt(port)) continue;
      log.warn(
        `port ${port.hostAddress}:${port.hostPort} of container ${sandbox.name} was taken by another program`,
      );
    }
  }
  const leased = new Set(sandboxes.all().flatMap(({ endpoints }) => endpoints.map(({ link }) => link)));
  for (const { record } of networks.all()) {
    if (!record.bridge) continue;
    const strays = bridges.ports(record.bridge.link).filter((link) => !leased.has(link));
    for (const link of strays) attempt(log, `link ${link}`, () => bridges.removeLink(link));
  }
}

function restore({ sandboxes, bridges, log }: ReconcileParts, sandbox: SandboxRecord): void {
  const attachments = sandboxes.attachments(sandbox);
  if (attachments.length > 0 && !existsSync(sandbox.netns)) {
    log.warn(
      `the namespace ${sandbox.netns} of container ${sandbox.name} is gone: its network cannot be restored`,
    );
    return;
  }
  const present = attachments.filter(({ endpoint }) => bridges.hasLink(endpoint.link));
  const missing = attachments.filter((attachment) => !present.includes(attachment));
  for (const attachment of present) bridges.reattach(attachment);
  if (missing.length > 0) bridges.attach(sandbox.netns, missing);
}

/** One thing that cannot be set right must not keep the daemon from starting. */
function attempt(log: NetworkLog, what: string, fn: () => void): void {
  try {
    fn();
  } catch (err) {
    log.warn(`reconciling ${what}: ${messageOf(err)}`);
  }
}
