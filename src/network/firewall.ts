/**
 * Our one table of the packet filter. Its chains are written once; networks and published ports are only
 * elements of its sets and maps, so that publishing costs the same with one port or thousands (about 0.1 ms).
 *
 * - `prerouting`, `output`: what is sent to one of the host's addresses and a published port goes to the container.
 *   A neighbour's packet to 127.0.0.0/8 is left out: a port published at 127.0.0.1 is for this host only.
 * - `postrouting`: containers leave by the host's address; so that answers come back through us, so do this host's
 *   own 127.0.0.1 and a container that reaches its own network by a published port (hairpin).
 *   The latter goes by address, not by incoming link: where `br_netfilter` is loaded, that is unknown.
 * - `forward`: into a container comes what belongs to a connection, what comes from its own network, and what was
 *   published. Other networks of ours and neighbours that route to us stay out.
 * - `guard`: `route_localnet` on the bridges would open the host's 127.0.0.0/8 to containers; this closes it.
 *
 * When someone flushed the ruleset, the next change notices and writes all of it anew.
 */
import { isKind, messageOf } from '../errdefs/index.ts';
import { forgetUdpFlows, Nftables } from '../linux/index.ts';
import type { BridgeConfig, NetworkRecord, PortLease } from './records.ts';
import type { NetworkLog } from './types.ts';

/** A bridge as the firewall sees it. */
export type FirewallBridge = Pick<BridgeConfig, 'link' | 'subnet' | 'masquerade'> & { internal: boolean };

/** A network's bridge, if it has one. */
export const firewallBridge = ({ bridge, internal }: NetworkRecord): FirewallBridge[] =>
  bridge ? [{ link: bridge.link, subnet: bridge.subnet, masquerade: bridge.masquerade, internal }] : [];

/** Everything that should be in the table. */
export interface FirewallState {
  bridges: readonly FirewallBridge[];
  ports: readonly PortLease[];
}

export class Firewall {
  readonly #table: string;
  readonly #state: () => FirewallState;
  readonly #log: NetworkLog;
  #nftables: Nftables | undefined;

  /** @param state what should be in the table, asked for when it is written whole */
  constructor(table: string, state: () => FirewallState, log: NetworkLog) {
    this.#table = table;
    this.#state = state;
    this.#log = log;
  }

  get table(): string {
    return this.#table;
  }

  /** The library's context, opened at the first need. */
  get nftables(): Nftables {
    this.#nftables ??= Nftables.open();
    return this.#nftables;
  }

  /** Writes the whole table anew, in one transaction: no packet ever meets half of it. */
  rebuild(): void {
    const { bridges, ports } = this.#state();
    this.nftables.run(
      [
        `table ip ${this.#table}`,
        `delete table ip ${this.#table}`,
        skeleton(this.#table),
        ...bridges.map((bridge) => this.#bridgeElements('add', bridge)),
        this.#portElements('add', ports),
      ].join('\n'),
    );
  }

  addBridge(bridge: FirewallBridge): void {
    this.#change(this.#bridgeElements('add', bridge));
  }

  removeBridge(bridge: FirewallBridge): void {
    this.#change(this.#bridgeElements('delete', bridge));
  }

  publish(ports: readonly PortLease[]): void {
    if (ports.length === 0) return;
    this.#change(this.#portElements('add', ports));
    forgetFlows(ports);
  }

  unpublish(ports: readonly PortLease[]): void {
    if (ports.length === 0) return;
    this.#change(this.#portElements('delete', ports));
    forgetFlows(ports);
  }

  /** Removes the table. */
  remove(): void {
    this.nftables.run(`table ip ${this.#table}\ndelete table ip ${this.#table}`);
  }

  close(): void {
    this.#nftables?.close();
    this.#nftables = undefined;
  }

  #change(script: string): void {
    try {
      this.nftables.run(script);
    } catch (err) {
      if (isKind(err, 'Unavailable')) throw err;
      this.#log.warn(
        `the nftables table ${this.#table} was changed by someone; writing it anew (${messageOf(err).split('\n')[0]})`,
      );
      this.rebuild();
    }
  }

  #bridgeElements(verb: 'add' | 'delete', { link, subnet, masquerade, internal }: FirewallBridge): string {
    const element = (set: string, value: string): string =>
      `${verb} element ip ${this.#table} ${set} { ${value} }`;
    return [
      element('bridges', `"${link}"`),
      element('pairs', `"${link}" . "${link}"`),
      element('homes', `${subnet} . "${link}"`),
      ...(masquerade && !internal ? [element('subnets', subnet)] : []),
      ...(internal ? [element('internal', `"${link}"`)] : []),
    ].join('\n');
  }

  #portElements(verb: 'add' | 'delete', ports: readonly PortLease[]): string {
    const lines = (map: string, elements: string[]): string =>
      elements.length === 0 ? '' : `${verb} element ip ${this.#table} ${map} { ${elements.join(', ')} }\n`;
    const value = (port: PortLease): string =>
      verb === 'add' ? ` : ${port.address} . ${port.containerPort}` : '';
    const anywhere = ports.filter((port) => port.hostAddress === '0.0.0.0');
    const somewhere = ports.filter((port) => port.hostAddress !== '0.0.0.0');
    return (
      lines(
        'published_any',
        anywhere.map((p) => `${p.protocol} . ${p.hostPort}${value(p)}`),
      ) +
      lines(
        'published',
        somewhere.map((p) => `${p.protocol} . ${p.hostAddress} . ${p.hostPort}${value(p)}`),
      )
    );
  }
}

/**
 * UDP has no beginning: a client that goes on sending from the same port would be led for ever to where its first
 * packet went, the last holder of the port.
 */
function forgetFlows(ports: readonly PortLease[]): void {
  for (const { protocol, hostAddress, hostPort } of ports) {
    if (protocol === 'udp') forgetUdpFlows(hostPort, hostAddress === '0.0.0.0' ? undefined : hostAddress);
  }
}

const skeleton = (table: string): string => `
table ip ${table} {
  set bridges { type ifname; }
  set pairs { type ifname . ifname; }
  set internal { type ifname; }
  set homes { type ipv4_addr . ifname; flags interval; }
  set subnets { type ipv4_addr; flags interval; }
  map published { type inet_proto . ipv4_addr . inet_service : ipv4_addr . inet_service; }
  map published_any { type inet_proto . inet_service : ipv4_addr . inet_service; }
  chain publish {
    dnat ip to meta l4proto . ip daddr . th dport map @published
    dnat ip to meta l4proto . th dport map @published_any
  }
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    ip daddr != 127.0.0.0/8 fib daddr type local jump publish
  }
  chain output {
    type nat hook output priority -100; policy accept;
    fib daddr type local jump publish
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    oifname @bridges ip saddr 127.0.0.0/8 masquerade
    ct status dnat ip saddr . oifname @homes masquerade
    oifname @bridges return
    ip saddr @subnets masquerade
  }
  chain guard {
    type filter hook prerouting priority raw; policy accept;
    iifname @bridges ip daddr 127.0.0.0/8 drop
  }
  chain forward {
    type filter hook forward priority filter; policy accept;
    iifname @internal iifname . oifname != @pairs drop
    oifname @bridges jump to_container
  }
  chain to_container {
    ct state established,related accept
    iifname . oifname @pairs accept
    oifname @internal drop
    ct status dnat accept
    drop
  }
}`;
