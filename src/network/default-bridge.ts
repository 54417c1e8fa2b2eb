/** The network `bridge`: its subnet, and the links (`--link`) that only it needs lines in /etc/hosts for. */
import { invalidParameter } from '../errdefs/index.ts';
import type { BridgeDriver } from './bridge-driver.ts';
import type { HostsLine } from './container-files.ts';
import { isDefaultBridge } from './endpoints.ts';
import { type Prefix, parseCidr } from './ipv4.ts';
import { newBridgeMac } from './network-create.ts';
import { defaultBridge, type Networks, predefined, prefixOf } from './networks.ts';
import type { BridgeConfig, SandboxRecord } from './records.ts';
import type { Sandboxes } from './sandboxes.ts';
import type { Surroundings } from './surroundings.ts';
import type { NetworkLog } from './types.ts';

export interface DefaultBridgeParts {
  networks: Networks;
  sandboxes: Sandboxes;
  bridges: BridgeDriver;
  surroundings: Surroundings;
  /** Name of its link. */
  link: string;
  /** dockerd's `--bip`. */
  bip: string | undefined;
  log: NetworkLog;
}

/** Makes its record, or keeps it, unless `--bip` says otherwise or somebody else took its subnet meanwhile. */
export function ensureDefaultBridge(parts: DefaultBridgeParts): void {
  const { networks, bridges, surroundings, link } = parts;
  const known = networks.byName('bridge');
  const bip = parts.bip === undefined ? undefined : parseCidr(parts.bip);
  if (parts.bip !== undefined && bip === undefined) throw invalidParameter(`invalid bip: ${parts.bip}`);
  const present = known?.record.bridge;
  if (known && present && keeps(parts, known.record.id, present, bip?.prefix)) return;
  const bridge = defaultBridge({
    link,
    subnet: bip?.prefix ?? surroundings.freeSubnet(networks.records(), known?.record),
    ...(bip && { gateway: bip.address }),
    mtu: surroundings.mtu(),
    mac: present?.mac ?? newBridgeMac(),
  });
  const record = predefined('bridge', 'bridge', bridge);
  if (known === undefined) {
    networks.add(record);
    return;
  }
  if (present) bridges.removeLink(present.link);
  networks.replace({ ...record, id: known.record.id, created: known.record.created });
}

function keeps(
  parts: DefaultBridgeParts,
  id: string,
  bridge: BridgeConfig,
  bip: Prefix | undefined,
): boolean {
  if (parts.sandboxes.on(id).length > 0) return true;
  const subnet = prefixOf(bridge.subnet);
  if (bip !== undefined) return subnet.base === bip.base && subnet.length === bip.length;
  if (bridge.link !== parts.link) return false;
  const clash = parts.surroundings.clashes(bridge);
  if (clash) parts.log.warn(`the host uses the default bridge's subnet ${bridge.subnet}: choosing another`);
  return !clash;
}

/** The containers that `sandbox` is linked to on the default bridge, as lines of its /etc/hosts: there is no resolver. */
export function linkedHosts(sandbox: SandboxRecord, networks: Networks, sandboxes: Sandboxes): HostsLine[] {
  const lines: HostsLine[] = [];
  for (const { network, links } of sandbox.endpoints) {
    const record = networks.get(network)?.record;
    if (record === undefined || !isDefaultBridge(record)) continue;
    for (const link of links) {
      const [name = '', alias = name] = link.replace(/^\//, '').split(':');
      const target = sandboxes
        .on(network)
        .find((other) => other.name === name || other.container.startsWith(name));
      const address = target?.up ? target.endpoints.find((e) => e.network === network)?.address : undefined;
      if (target === undefined || address === undefined) continue;
      lines.push({
        address,
        names: [...new Set([alias, target.hostname, target.name])].filter((n) => n !== ''),
      });
    }
  }
  return lines;
}
