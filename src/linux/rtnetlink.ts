/**
 * The kernel's network configuration (man 7 rtnetlink), synchronously: one round trip is about 10 µs.
 *
 * Requests are values (`newVeth(…)`, `newAddress(…)`); {@link Rtnetlink.run} sends any number of them at once.
 *
 * ```ts
 * const rtnetlink = Rtnetlink.open();
 * rtnetlink.run(newVeth('wh1', { name: 'eth0', netns: { fd }, up: true }, { master: bridge.index, up: true }));
 * ```
 */
import { getLink, getLinks, type Link, parseLink } from './rtnetlink-link.ts';
import {
  type Address,
  getAddresses,
  getNeighbours,
  getRoutes,
  type Neighbour,
  parseAddress,
  parseNeighbour,
  parseRoute,
  type Route,
} from './rtnetlink-route.ts';
import { NETLINK_ROUTE, type NetlinkRequest, NetlinkSocket } from './rtnetlink-socket.ts';

export class Rtnetlink {
  readonly #socket: NetlinkSocket;

  private constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /** For the network namespace the process is in now; it keeps to that one. */
  static open(): Rtnetlink {
    return new Rtnetlink(NetlinkSocket.open(NETLINK_ROUTE));
  }

  /** Runs the requests in order; all are tried, the first failure is thrown (NetlinkError). */
  run(...requests: NetlinkRequest[]): void {
    this.#socket.run(...requests);
  }

  /**
   * Runs the requests (64 at most) in order without making this thread wait, on a socket of their own. For what the
   * kernel takes long for: deleting links. Call it in the namespace this socket is of.
   */
  async runOnThread(...requests: NetlinkRequest[]): Promise<void> {
    const socket = NetlinkSocket.open(NETLINK_ROUTE);
    try {
      await socket.runOnThread(...requests);
    } finally {
      socket.close();
    }
  }

  /** The link of this name or index, if there is one. */
  link(nameOrIndex: string | number): Link | undefined {
    const message = this.#socket.get(getLink(nameOrIndex));
    return message && parseLink(message);
  }

  links(): Link[] {
    return this.#socket.dump(getLinks()).map(parseLink);
  }

  addresses(): Address[] {
    return this.#socket.dump(getAddresses()).map(parseAddress);
  }

  /** Routes of all tables, IPv4 and IPv6. */
  routes(): Route[] {
    return this.#socket.dump(getRoutes()).map(parseRoute);
  }

  neighbours(options: { bridge?: boolean } = {}): Neighbour[] {
    return this.#socket.dump(getNeighbours(options)).map(parseNeighbour);
  }

  close(): void {
    this.#socket.close();
  }
}
