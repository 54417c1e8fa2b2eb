/**
 * The DNS server at 127.0.0.11 of each container on a user's network: knows the names of the containers it
 * can reach, and passes other questions on. Its sockets are opened in the container's namespace and live here.
 *
 * It listens on port 53 itself. A container that wants that port (a DNS server: its image exposes 53) would then
 * be refused it, so there the resolver takes another port, and a rule in the container's namespace leads there,
 * as Docker always does it; we do not always, since translation slows down all of a container's traffic.
 */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createServer, type Server, type Socket } from 'node:net';
import { messageOf } from '../errdefs/index.ts';
import { bindInetSocket, isErrno, Nftables, withNetns } from '../linux/index.ts';
import { RESOLVER_ADDRESS } from './container-files.ts';
import { forward, framed } from './dns-forward.ts';
import { type DnsQuery, parseQuery, RCODE, response } from './dns-message.ts';
import { answer, type NameSources } from './dns-names.ts';
import type { SandboxRecord } from './records.ts';
import type { SandboxResolver } from './sandboxes.ts';
import type { NetworkLog } from './types.ts';

const PORT = 53;
/** Docker's. */
const TTL_SECONDS = 600;
/** Questions passed on at a time, per container: one that asks without end must not use up the daemon. */
const PENDING_MAX = 1024;
const TCP_IDLE_MS = 10_000;

export interface ResolverParts extends NameSources {
  /** The nameservers for containers that name none. */
  nameservers: () => readonly string[];
  log: NetworkLog;
}

interface Listener {
  udp: UdpSocket;
  tcp: Server;
  connections: Set<Socket>;
  pending: number;
}

export class Resolver implements SandboxResolver {
  readonly #parts: ResolverParts;
  readonly #listeners = new Map<string, Listener>();

  constructor(parts: ResolverParts) {
    this.#parts = parts;
  }

  /** Starts to answer in the sandbox. Nothing happens when it does already. */
  open(sandbox: SandboxRecord): void {
    if (this.#listeners.has(sandbox.container)) return;
    const { udp: udpFd, tcp: tcpFd } = openSockets(sandbox);
    const listener: Listener = {
      udp: createSocket('udp4'),
      tcp: createServer(),
      connections: new Set(),
      pending: 0,
    };
    const complain = (err: Error): void =>
      this.#parts.log.warn(`resolver of ${sandbox.name}: ${err.message}`);
    listener.udp.on('error', complain);
    listener.tcp.on('error', complain);
    listener.udp.on('message', (message, from) => {
      this.#handle(sandbox, listener, message, 'udp', (reply) => {
        if (this.#listeners.get(sandbox.container) !== listener) return;
        listener.udp.send(reply, from.port, from.address, () => {});
      });
    });
    listener.tcp.on('connection', (socket) => this.#serveTcp(sandbox, listener, socket));
    listener.udp.bind({ fd: udpFd });
    listener.tcp.listen({ fd: tcpFd });
    listener.udp.unref();
    listener.tcp.unref();
    this.#listeners.set(sandbox.container, listener);
  }

  /** Stops answering; at once, since the sockets keep the namespace alive. */
  close(containerId: string): void {
    const listener = this.#listeners.get(containerId);
    if (listener === undefined) return;
    this.#listeners.delete(containerId);
    listener.udp.close();
    listener.tcp.close();
    for (const socket of listener.connections) socket.destroy();
  }

  closeAll(): void {
    for (const id of [...this.#listeners.keys()]) this.close(id);
  }

  #serveTcp(sandbox: SandboxRecord, listener: Listener, socket: Socket): void {
    let received = Buffer.alloc(0);
    listener.connections.add(socket);
    socket.setTimeout(TCP_IDLE_MS, () => socket.destroy());
    socket.on('close', () => listener.connections.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.on('data', (data: Buffer) => {
      received = Buffer.concat([received, data]);
      while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
        const end = 2 + received.readUInt16BE(0);
        const message = Buffer.from(received.subarray(2, end));
        received = received.subarray(end);
        this.#handle(sandbox, listener, message, 'tcp', (reply) => socket.write(framed(reply)));
      }
    });
  }

  #handle(
    sandbox: SandboxRecord,
    listener: Listener,
    message: Buffer,
    protocol: 'udp' | 'tcp',
    reply: (message: Buffer) => void,
  ): void {
    const query = parseQuery(message);
    if (query === undefined) return;
    const records = answer(sandbox, query, this.#parts);
    if (records !== undefined) {
      reply(response(query, RCODE.success, records, TTL_SECONDS));
      return;
    }
    if (!this.#mayForward(sandbox) || listener.pending >= PENDING_MAX) {
      reply(response(query, RCODE.serverFailure));
      return;
    }
    listener.pending++;
    this.#forward(sandbox, query, message, protocol)
      .then(reply, (err: unknown) => this.#parts.log.warn(`resolver of ${sandbox.name}: ${messageOf(err)}`))
      .finally(() => listener.pending--);
  }

  async #forward(
    sandbox: SandboxRecord,
    query: DnsQuery,
    message: Buffer,
    protocol: 'udp' | 'tcp',
  ): Promise<Buffer> {
    const servers = sandbox.dns.length > 0 ? sandbox.dns : this.#parts.nameservers();
    return (await forward(message, servers, protocol)) ?? response(query, RCODE.serverFailure);
  }

  /** A container with internal networks only shall not reach the world, by DNS neither. */
  #mayForward(sandbox: SandboxRecord): boolean {
    return sandbox.endpoints.some(({ network }) => this.#parts.network(network)?.internal === false);
  }
}

/** Bound sockets in the sandbox's namespace, on port 53 or led to from there. */
function openSockets(sandbox: SandboxRecord): { udp: number; tcp: number } {
  const wantsPort = sandbox.exposed.some((port) => port.startsWith(`${PORT}/`));
  return withNetns(sandbox.netns, () => {
    if (!wantsPort) {
      try {
        return bindBoth(PORT);
      } catch (err) {
        // A program of the container has it (it came while no daemon ran).
        if (!isErrno(err, 'EADDRINUSE')) throw err;
      }
    }
    const sockets = bindBoth(ALTERNATIVE_PORT);
    redirect();
    return sockets;
  });
}

function bindBoth(port: number): { udp: number; tcp: number } {
  return {
    udp: bindInetSocket('udp', RESOLVER_ADDRESS, port),
    tcp: bindInetSocket('tcp', RESOLVER_ADDRESS, port, { reuseAddress: true }),
  };
}

/** Any will do that programs do not use: nobody else binds 127.0.0.11, but binding 0.0.0.0 would clash. */
const ALTERNATIVE_PORT = 45353;

/** In the namespace the thread is in: what is sent to 127.0.0.11:53 goes to the alternative port. */
function redirect(): void {
  const nftables = Nftables.open();
  try {
    nftables.run(`
      table ip wharf_dns
      delete table ip wharf_dns
      table ip wharf_dns {
        chain output {
          type nat hook output priority -100; policy accept;
          ip daddr ${RESOLVER_ADDRESS} udp dport ${PORT} dnat to ${RESOLVER_ADDRESS}:${ALTERNATIVE_PORT}
          ip daddr ${RESOLVER_ADDRESS} tcp dport ${PORT} dnat to ${RESOLVER_ADDRESS}:${ALTERNATIVE_PORT}
        }
      }`);
  } finally {
    nftables.close();
  }
}
