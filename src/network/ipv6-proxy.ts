/**
 * Published ports by IPv6: the packet filter translates within IPv4 only, but clients that say `localhost` often try
 * ::1 first, and some (Node 17 to 19) nothing else. So TCP ports published on all addresses are also listened on at
 * [::], and connections passed on by this process. What does not need IPv6 never goes this way; while no daemon
 * runs, this way is closed.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { pipeline } from 'node:stream';
import type { PortLease } from './records.ts';

/** A container that does not take connections must not keep clients waiting for minutes. */
const CONNECT_TIMEOUT_MS = 10_000;

const keyOf = ({ protocol, hostAddress, hostPort }: PortLease): string =>
  `${protocol} ${hostAddress}:${hostPort}`;

export class Ipv6Proxy {
  readonly #servers = new Map<string, { server: Server; sockets: Set<Socket> }>();

  /** Listens for the leases that need it, a moment later: off the path of a container's start. */
  open(leases: readonly PortLease[]): void {
    for (const lease of leases) {
      if (lease.protocol !== 'tcp' || lease.hostAddress !== '0.0.0.0' || this.#servers.has(keyOf(lease)))
        continue;
      const sockets = new Set<Socket>();
      const server = createServer({ allowHalfOpen: true }, (client) => serve(client, lease, sockets));
      // No IPv6 here, or a program that listens on [::] alone: then IPv4 is all there is.
      server.on('error', () => {});
      this.#servers.set(keyOf(lease), { server, sockets });
      setImmediate(() => {
        if (this.#servers.get(keyOf(lease))?.server !== server) return;
        server.listen({ host: '::', port: lease.hostPort, ipv6Only: true }).unref();
      });
    }
  }

  close(leases: readonly PortLease[]): void {
    for (const lease of leases) this.#close(keyOf(lease));
  }

  closeAll(): void {
    for (const key of [...this.#servers.keys()]) this.#close(key);
  }

  #close(key: string): void {
    const entry = this.#servers.get(key);
    if (entry === undefined) return;
    this.#servers.delete(key);
    if (entry.server.listening) entry.server.close();
    for (const socket of entry.sockets) socket.destroy();
  }
}

function serve(client: Socket, { address, containerPort }: PortLease, sockets: Set<Socket>): void {
  const upstream = connect({ host: address, port: containerPort, allowHalfOpen: true });
  const timer = setTimeout(() => upstream.destroy(), CONNECT_TIMEOUT_MS);
  upstream.on('connect', () => clearTimeout(timer));
  for (const socket of [client, upstream]) {
    sockets.add(socket);
    socket.on('close', () => {
      clearTimeout(timer);
      sockets.delete(socket);
    });
  }
  // Each direction ends by itself (half-close); a broken one takes the other with it.
  for (const [from, to] of [
    [client, upstream],
    [upstream, client],
  ] as const) {
    pipeline(from, to, (err) => {
      if (!err) return;
      client.destroy();
      upstream.destroy();
    });
  }
}
