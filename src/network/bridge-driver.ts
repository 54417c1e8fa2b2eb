/**
 * Bridges and the veth pairs that tie containers to them. Everything here is synchronous: a container's
 * whole attachment is two sends of rtnetlink, well under a millisecond.
 */
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { system } from '../errdefs/index.ts';
import {
  deleteLink,
  isErrno,
  type Link,
  linkIndex,
  type NetlinkRequest,
  newAddress,
  newBridge,
  newRoute,
  newVeth,
  Rtnetlink,
  replaceRoute,
  setBridgePort,
  setLink,
  withNetns,
} from '../linux/index.ts';
import { parseCidr } from './ipv4.ts';
import type { BridgeConfig, EndpointRecord } from './records.ts';
import type { NetworkLog } from './types.ts';

/** Prefix of the host ends of our veth pairs: what is left over can be counted. */
export const VETH_PREFIX = 'wh';

/** One endpoint to be made: its record, its bridge, and whether the default route goes through it. */
export interface Attachment {
  endpoint: EndpointRecord;
  bridge: BridgeConfig;
  defaultRoute: boolean;
}

export class BridgeDriver {
  readonly #rtnetlink: Rtnetlink;
  readonly #log: NetworkLog;
  readonly #indexes = new Map<string, number>();

  constructor(rtnetlink: Rtnetlink, log: NetworkLog) {
    this.#rtnetlink = rtnetlink;
    this.#log = log;
  }

  /** Makes the bridge, or sets right what is there: address, MTU, up, kernel settings. */
  ensure(bridge: BridgeConfig): void {
    const address = `${bridge.gateway}/${parseCidr(bridge.subnet)?.prefix.length}`;
    let link = this.#rtnetlink.link(bridge.link);
    if (link === undefined) {
      this.#rtnetlink.run(newBridge(bridge.link, { mac: bridge.mac, mtu: bridge.mtu }));
      link = this.#link(bridge.link);
    }
    const { index } = link;
    const present = this.#rtnetlink.addresses().some((a) => a.index === index && a.address === address);
    this.#rtnetlink.run(
      ...(present ? [] : [newAddress({ index, address })]),
      setLink(index, { up: true, ...(link.mtu !== bridge.mtu && { mtu: bridge.mtu }) }),
    );
    // Lets 127.0.0.1 of the host be translated to a container; the firewall keeps containers out of 127/8.
    writeSetting(`net/ipv4/conf/${bridge.link}/route_localnet`, '1');
    writeSetting(`net/ipv6/conf/${bridge.link}/accept_ra`, '0');
    this.#indexes.set(bridge.link, index);
  }

  /** The kernel forwards between links only when told to; containers need it. Says so when it changes it. */
  enableForwarding(): void {
    if (readSetting('net/ipv4/ip_forward') === '1') return;
    if (writeSetting('net/ipv4/ip_forward', '1')) this.#log.info('set sysctl net.ipv4.ip_forward=1');
    else this.#log.warn('cannot set sysctl net.ipv4.ip_forward=1: containers reach only this host');
  }

  /** Removes a bridge and the host ends that hang on it. The kernel takes tens of milliseconds; this thread does not wait. */
  async remove(name: string): Promise<void> {
    this.#indexes.delete(name);
    await Promise.all([...this.ports(name), name].map((link) => this.removeLinkLater(link)));
  }

  /** Removes a link when it is there, at once: this thread waits for the kernel. */
  removeLink(name: string): void {
    this.#indexes.delete(name);
    try {
      this.#rtnetlink.run(deleteLink(name));
    } catch (err) {
      if (!isErrno(err, 'ENODEV')) throw err;
    }
  }

  /** Removes a link when it is there. */
  async removeLinkLater(name: string): Promise<void> {
    try {
      await this.#rtnetlink.runOnThread(deleteLink(name));
    } catch (err) {
      if (!isErrno(err, 'ENODEV')) throw err;
    }
  }

  hasLink(name: string): boolean {
    return this.#rtnetlink.link(name) !== undefined;
  }

  /** The host ends that hang on the bridge `name`. */
  ports(name: string): string[] {
    const bridge = this.#rtnetlink.link(name);
    if (bridge === undefined) return [];
    return this.#rtnetlink
      .links()
      .filter((link) => link.master === bridge.index && link.name.startsWith(VETH_PREFIX))
      .map((link) => link.name);
  }

  /**
   * Ties the namespace at `netnsPath` to its bridges: veth pairs, addresses, routes, lo. On failure the
   * host ends are removed again. `first` is true when the namespace is fresh.
   */
  attach(netnsPath: string, attachments: readonly Attachment[]): void {
    const fd = openSync(netnsPath, 'r');
    try {
      if (attachments.length > 0) this.#createPairs(fd, attachments);
      withNetns(netnsPath, () => configureInside(attachments));
    } catch (err) {
      for (const { endpoint } of attachments) this.removeLink(endpoint.link);
      throw err;
    } finally {
      closeSync(fd);
    }
  }

  /** Puts back a host end that lost its bridge (the bridge was deleted and made anew). */
  reattach({ endpoint, bridge }: Attachment): void {
    const link = this.#link(endpoint.link);
    const master = this.#index(bridge.link);
    if (link.master !== master || !link.up) this.#rtnetlink.run(setLink(link.index, { master, up: true }));
  }

  /**
   * Lets a container reach itself by its published port. Only where `br_netfilter` is loaded: there the bridge itself
   * turns the translated frame around, and without this it sends none back to the port it came from.
   */
  allowHairpin(link: string): void {
    if (readSetting('net/bridge/bridge-nf-call-iptables') !== '1') return;
    this.#rtnetlink.run(setBridgePort(this.#link(link).index, { hairpin: true }));
  }

  /** After the endpoint that had it went: the default route of a namespace goes by this bridge. */
  ensureDefaultRoute(netnsPath: string, bridge: BridgeConfig): void {
    withNetns(netnsPath, () => {
      const rtnetlink = Rtnetlink.open();
      try {
        rtnetlink.run(replaceRoute({ to: 'default', via: bridge.gateway }));
      } finally {
        rtnetlink.close();
      }
    });
  }

  #createPairs(netns: number, attachments: readonly Attachment[]): void {
    const create = (): void =>
      this.#rtnetlink.run(
        ...attachments.map(({ endpoint, bridge }) =>
          newVeth(
            endpoint.link,
            { name: endpoint.interfaceName, netns: { fd: netns }, mac: endpoint.mac, mtu: bridge.mtu },
            { master: this.#index(bridge.link), mtu: bridge.mtu, up: true },
          ),
        ),
      );
    try {
      create();
    } catch (err) {
      // Somebody deleted a bridge under us, or it is another one by now: make it, and try once more.
      if (!isErrno(err, 'ENODEV', 'EINVAL', 'EOPNOTSUPP')) throw err;
      for (const { endpoint, bridge } of attachments) {
        this.removeLink(endpoint.link);
        this.ensure(bridge);
      }
      create();
    }
    for (const { endpoint, bridge } of attachments) {
      if (!bridge.icc)
        this.#rtnetlink.run(setBridgePort(this.#link(endpoint.link).index, { isolated: true }));
    }
  }

  #index(name: string): number {
    const known = this.#indexes.get(name);
    if (known !== undefined) return known;
    const { index } = this.#link(name);
    this.#indexes.set(name, index);
    return index;
  }

  #link(name: string): Link {
    const link = this.#rtnetlink.link(name);
    if (link === undefined) throw system(`network: link ${name} is not there`);
    return link;
  }
}

/** The container's side, run inside its namespace. */
function configureInside(attachments: readonly Attachment[]): void {
  const rtnetlink = Rtnetlink.open();
  try {
    const requests: NetlinkRequest[] = [setLink(LOOPBACK_INDEX, { up: true })];
    for (const { endpoint, bridge, defaultRoute } of attachments) {
      // As Docker: no IPv6 on links of networks without it. Before the link is up, so that none is ever sent.
      writeSetting(`net/ipv6/conf/${endpoint.interfaceName}/disable_ipv6`, '1');
      const index = linkIndex(endpoint.interfaceName);
      if (index === undefined) {
        throw system(`network: ${endpoint.interfaceName} is missing in the container`);
      }
      const address = `${endpoint.address}/${parseCidr(bridge.subnet)?.prefix.length}`;
      requests.push(setLink(index, { up: true }), newAddress({ index, address }));
      if (defaultRoute) requests.push(newRoute({ to: 'default', via: bridge.gateway }));
    }
    rtnetlink.run(...requests);
  } finally {
    rtnetlink.close();
  }
}

/** lo is the first link of every namespace. */
const LOOPBACK_INDEX = 1;

/** Writes a sysctl of the current network namespace. False when it cannot be written (read-only, not built in). */
function writeSetting(name: string, value: string): boolean {
  try {
    writeFileSync(`/proc/sys/${name}`, value);
    return true;
  } catch {
    return false;
  }
}

function readSetting(name: string): string | undefined {
  try {
    return readFileSync(`/proc/sys/${name}`, 'utf8').trim();
  } catch {
    return undefined;
  }
}
