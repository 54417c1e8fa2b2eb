/** Which host ports are published: what was asked for, the leases, and holding them against other programs. */
import { closeSync } from 'node:fs';
import { isIP } from 'node:net';
import { type ErrorKind, invalidParameter, notImplemented, WharfError } from '../errdefs/index.ts';
import { bindInetSocket, isErrno } from '../linux/index.ts';
import { ephemeralRange } from './ephemeral-range.ts';
import type { PortLease, Protocol } from './records.ts';
import type { PortMap } from './types.ts';

const ANY = '0.0.0.0';

/** A binding that was asked for; `first` 0 lets us choose the host port. */
export interface PortRequest {
  protocol: Protocol;
  containerPort: number;
  hostAddress: string;
  first: number;
  last: number;
}

/** Parses `80/tcp`; the protocol is tcp when it is left out. Throws InvalidParameter. */
export function parsePort(text: string): { port: number; protocol: Protocol } {
  const [, digits = '', protocol = 'tcp'] = /^(\d{1,5})(?:\/(\w+))?$/.exec(text) ?? [];
  const port = Number(digits);
  const known = (['tcp', 'udp', 'sctp'] as const).find((name) => name === protocol.toLowerCase());
  if (digits === '' || port > 65535)
    throw invalidParameter(`invalid port specification: ${JSON.stringify(text.split('/')[0])}`);
  if (known === undefined) throw invalidParameter(`invalid proto: ${protocol}`);
  return { port, protocol: known };
}

function parseHostPort(text: string): { first: number; last: number } {
  if (text === '') return { first: 0, last: 0 };
  const [, start = '', end = start] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? [];
  const first = Number(start);
  const last = Number(end);
  if (start === '' || last > 65535 || last < first) throw invalidParameter(`invalid hostPort: ${text}`);
  return { first, last };
}

/** Throws InvalidParameter, in Docker's words, for PortBindings that no start could make. */
export function checkPortBindings(bindings: PortMap): void {
  for (const [key, hosts] of Object.entries(bindings)) {
    parsePort(key);
    for (const { HostPort = '' } of hosts ?? []) {
      const [first = '', last = first] = HostPort.split('-');
      const isPort =
        /^\d{1,5}(-\d{1,5})?$/.test(HostPort) && Number(last) <= 65535 && Number(first) <= Number(last);
      if (HostPort !== '' && !isPort) {
        throw invalidParameter(`invalid port specification: ${JSON.stringify(HostPort)}`);
      }
    }
  }
}

/**
 * The bindings a container asks for: its PortBindings, and with `publishAll` a random host port for
 * every exposed port that has none.
 *
 * @param hostBinding the address used where the container names none
 */
export function portRequests(
  bindings: PortMap,
  exposed: readonly string[],
  publishAll: boolean,
  hostBinding: string,
): PortRequest[] {
  const requests: PortRequest[] = [];
  for (const [key, hosts] of Object.entries(bindings)) {
    const { port: containerPort, protocol } = parsePort(key);
    const addresses = (hosts ?? []).map(({ HostIp = '' }) => HostIp);
    for (const { HostIp = '', HostPort = '' } of hosts ?? []) {
      // What inspect of a dual-stack Docker shows has `::` beside 0.0.0.0: the one of them is enough.
      if (HostIp === '::' && addresses.some((address) => isIP(address) === 4)) continue;
      const hostAddress = HostIp === '' ? hostBinding : HostIp;
      if (isIP(hostAddress) === 0) throw invalidParameter(`invalid IP address: ${hostAddress}`);
      if (isIP(hostAddress) === 6)
        throw notImplemented(`publishing on an IPv6 address (${HostIp}) is not implemented`);
      requests.push({ protocol, containerPort, hostAddress, ...parseHostPort(HostPort) });
    }
  }
  if (publishAll) {
    for (const key of exposed) {
      const { port, protocol } = parsePort(key);
      if (requests.some((r) => r.containerPort === port && r.protocol === protocol)) continue;
      requests.push({ protocol, containerPort: port, hostAddress: hostBinding, first: 0, last: 0 });
    }
  }
  return requests;
}

/** Shows leases as Docker does: every exposed port, with its bindings or null. */
export function portMap(leases: readonly PortLease[], exposed: readonly string[]): PortMap {
  const map: PortMap = {};
  for (const key of exposed) map[key] = null;
  for (const { protocol, containerPort, hostAddress, hostPort } of leases) {
    const key = `${containerPort}/${protocol}`;
    map[key] = [...(map[key] ?? []), { HostIp: hostAddress, HostPort: String(hostPort) }];
  }
  return map;
}

const keyOf = (lease: Omit<PortLease, 'address' | 'containerPort'>): string =>
  `${lease.protocol} ${lease.hostAddress}:${lease.hostPort}`;

/**
 * The leases of host ports. The packet filter answers on a published port, not a socket, so nothing would stop
 * another program from listening there and never being reached: a bound socket is held on each, and others get
 * EADDRINUSE, as from Docker's proxy. While no daemon runs nothing is held, but translation goes on.
 */
export class HostPorts {
  readonly #sockets = new Map<string, number>();
  readonly #leased = new Map<string, Set<string>>();
  #next = 0;

  /** Leases all of `requests` for the container at `address`, or none. Throws with Docker's wording. */
  reserve(requests: readonly PortRequest[], address: string): PortLease[] {
    const leases: PortLease[] = [];
    try {
      for (const request of requests) leases.push(this.#reserve(request, address));
    } catch (err) {
      this.release(leases);
      throw err;
    }
    return leases;
  }

  /** Takes over a lease that is in force already. False when another program has the port meanwhile. */
  adopt(lease: PortLease): boolean {
    this.#note(lease);
    try {
      this.#hold(lease);
      return true;
    } catch {
      return false;
    }
  }

  release(leases: readonly PortLease[]): void {
    for (const lease of leases) {
      this.#leased.get(`${lease.protocol} ${lease.hostPort}`)?.delete(lease.hostAddress);
      const fd = this.#sockets.get(keyOf(lease));
      if (fd === undefined) continue;
      this.#sockets.delete(keyOf(lease));
      closeSync(fd);
    }
  }

  /** Closes the sockets, not the leases. */
  close(): void {
    for (const fd of this.#sockets.values()) closeSync(fd);
    this.#sockets.clear();
  }

  #reserve({ protocol, containerPort, hostAddress, first, last }: PortRequest, address: string): PortLease {
    let failure: unknown;
    for (const hostPort of first === 0 ? this.#ephemeral() : range(first, last)) {
      const lease = { protocol, hostAddress, hostPort, address, containerPort };
      if (this.#isLeased(lease)) {
        failure ??= allocated(lease);
        continue;
      }
      try {
        this.#hold(lease);
        this.#note(lease);
        return lease;
      } catch (err) {
        failure ??= bindFailure(lease, err);
        if (isErrno(err, 'EADDRNOTAVAIL')) break;
      }
    }
    throw failure ?? new WharfError('System', 'all ports are allocated');
  }

  *#ephemeral(): Generator<number> {
    const { first, last } = ephemeralRange();
    if (this.#next < first || this.#next > last) this.#next = first;
    for (let i = first; i <= last; i++) {
      const port = this.#next;
      this.#next = port === last ? first : port + 1;
      yield port;
    }
  }

  #isLeased({ protocol, hostAddress, hostPort }: PortLease): boolean {
    const addresses = this.#leased.get(`${protocol} ${hostPort}`);
    if (addresses === undefined || addresses.size === 0) return false;
    return hostAddress === ANY || addresses.has(ANY) || addresses.has(hostAddress);
  }

  #note({ protocol, hostAddress, hostPort }: PortLease): void {
    const key = `${protocol} ${hostPort}`;
    const addresses = this.#leased.get(key) ?? new Set();
    this.#leased.set(key, addresses.add(hostAddress));
  }

  #hold(lease: PortLease): void {
    const fd = holdPort(lease);
    if (fd !== undefined) this.#sockets.set(keyOf(lease), fd);
  }
}

function* range(first: number, last: number): Generator<number> {
  for (let port = first; port <= last; port++) yield port;
}

/** Binds the port. SCTP is not held: kernels often lack it. */
function holdPort({ protocol, hostAddress, hostPort }: PortLease): number | undefined {
  if (protocol === 'sctp') return undefined;
  try {
    return bindInetSocket(protocol, hostAddress, hostPort);
  } catch (err) {
    if (protocol === 'udp' || !isErrno(err, 'EADDRINUSE')) throw err;
    // Perhaps only old connections in TIME_WAIT, which do not matter: then listening is allowed.
    closeSync(bindInetSocket(protocol, hostAddress, hostPort, { reuseAddress: true, backlog: 1 }));
    return bindInetSocket(protocol, hostAddress, hostPort, { reuseAddress: true });
  }
}

const allocated = ({ hostAddress, hostPort }: PortLease): WharfError =>
  new WharfError('System', `Bind for ${hostAddress}:${hostPort} failed: port is already allocated`, {
    code: 'EADDRINUSE',
  });

const REASONS: Readonly<Record<string, { words: string; kind: ErrorKind }>> = {
  EADDRINUSE: { words: 'address already in use', kind: 'System' },
  EADDRNOTAVAIL: { words: 'cannot assign requested address', kind: 'System' },
  EACCES: { words: 'permission denied', kind: 'System' },
};

function bindFailure({ protocol, hostAddress, hostPort }: PortLease, cause: unknown): unknown {
  for (const [code, { words, kind }] of Object.entries(REASONS)) {
    if (!isErrno(cause, code)) continue;
    return new WharfError(kind, `listen ${protocol}4 ${hostAddress}:${hostPort}: bind: ${words}`, {
      code,
      cause,
    });
  }
  return cause;
}
