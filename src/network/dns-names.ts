/** Who has which name, as one container sees it: the containers on the user's networks it is on itself. */
import { DNS_TYPE, type DnsQuery, type DnsRecord, encodeName, reversedAddress } from './dns-message.ts';
import { dnsNames, isDefaultBridge } from './endpoints.ts';
import { parseIpv4 } from './ipv4.ts';
import type { EndpointRecord, NetworkRecord, SandboxRecord } from './records.ts';

/** What the lookup needs of the room. */
export interface NameSources {
  network(id: string): NetworkRecord | undefined;
  /** Sandboxes with an endpoint on the network. */
  sandboxesOn(networkId: string): readonly SandboxRecord[];
}

interface Candidate {
  sandbox: SandboxRecord;
  endpoint: EndpointRecord;
  network: NetworkRecord;
}

function* visible(from: SandboxRecord, sources: NameSources): Generator<Candidate> {
  for (const { network: id } of from.endpoints) {
    const network = sources.network(id);
    if (network === undefined || isDefaultBridge(network)) continue;
    for (const sandbox of sources.sandboxesOn(id)) {
      if (!sandbox.up) continue;
      for (const endpoint of sandbox.endpoints) {
        if (endpoint.network === id) yield { sandbox, endpoint, network };
      }
    }
  }
}

/** Names that only `from` knows: the aliases of its links (`container:alias`). */
function linkedName(from: SandboxRecord, name: string): string {
  for (const { links } of from.endpoints) {
    for (const link of links) {
      const [target = '', alias = target] = link.split(':');
      if (alias.toLowerCase() === name) return target.replace(/^\//, '').toLowerCase();
    }
  }
  return name;
}

/** The addresses of a name, as `from` sees it; `name.network` works as well as `name`. */
export function addressesOf(from: SandboxRecord, asked: string, sources: NameSources): string[] {
  const name = linkedName(from, asked);
  const addresses = new Set<string>();
  for (const { sandbox, endpoint, network } of visible(from, sources)) {
    const suffix = `.${network.name.toLowerCase()}`;
    const bare = name.endsWith(suffix) ? name.slice(0, -suffix.length) : name;
    const names = dnsNames(sandbox, endpoint).map((known) => known.toLowerCase());
    if (names.includes(name) || names.includes(bare)) addresses.add(endpoint.address);
  }
  return [...addresses];
}

function nameOf(from: SandboxRecord, address: string, sources: NameSources): string | undefined {
  for (const { sandbox, endpoint, network } of visible(from, sources)) {
    if (endpoint.address === address) return `${sandbox.name}.${network.name}`;
  }
  return undefined;
}

/** The answer to a query about containers; undefined when the name is not one of theirs. No IPv6 addresses: an empty answer. */
export function answer(from: SandboxRecord, query: DnsQuery, sources: NameSources): DnsRecord[] | undefined {
  if (query.type === DNS_TYPE.PTR) {
    const address = reversedAddress(query.name);
    const name = address === undefined ? undefined : nameOf(from, address, sources);
    return name === undefined ? undefined : [{ type: DNS_TYPE.PTR, data: encodeName(name) }];
  }
  const addresses = addressesOf(from, query.name, sources);
  if (addresses.length === 0) return undefined;
  if (query.type !== DNS_TYPE.A) return [];
  return shuffled(addresses).map((address) => ({ type: DNS_TYPE.A, data: addressBytes(address) }));
}

function addressBytes(address: string): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(parseIpv4(address) ?? 0);
  return bytes;
}

/** Several containers under one alias share the load: each answer starts with another. */
function shuffled(addresses: readonly string[]): readonly string[] {
  if (addresses.length < 2) return addresses;
  const start = Math.floor(Math.random() * addresses.length);
  return [...addresses.slice(start), ...addresses.slice(0, start)];
}
