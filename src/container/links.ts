/**
 * Links of the default bridge (`--link NAME:ALIAS`): lines of /etc/hosts, which the network room writes, and environment
 * variables that tell of the linked container's ports. On a user's network a link is an alias that the resolver knows.
 * The linked container is kept by its id, as it may be renamed; how Docker shows a link is `/name:/parent/alias`.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import type { HostConfig } from '@docker/node-sdk';
import { conflict, invalidParameter, messageOf, notFound, system } from '../errdefs/index.ts';
import type { Container } from './container.ts';
import type { ContainerStore } from './container-store.ts';
import type { ContainerDeps } from './deps.ts';
import { containerPaths } from './paths.ts';
import type { ContainerRecord, LinkRecord } from './types.ts';

type Find = (idOrName: string) => Container | undefined;

const JOIN = 'container:';
const VIA_HOST =
  "conflicting options: host type networking can't be used with links. This would result in undefined behavior";

/** `NAME`, `NAME:ALIAS`, or as inspect shows it, `/NAME:/PARENT/ALIAS`. @throws InvalidParameter in Docker's words */
function parseLink(text: string): { name: string; alias: string } {
  if (text === '') throw invalidParameter('empty string specified for links');
  const [name = '', alias = name, ...more] = text.split(':');
  if (more.length > 0) throw invalidParameter(`bad format for links: ${text}`);
  return { name: name.replace(/^\//, ''), alias: alias.slice(alias.lastIndexOf('/') + 1) };
}

/**
 * The links of a container that is being made; none unless it is on the default bridge.
 * @throws InvalidParameter for a container that does not exist or has the host's network
 */
export function resolveLinks({ Links, NetworkMode }: HostConfig, find: Find): LinkRecord[] {
  if (!Links?.length) return [];
  if (NetworkMode === 'host') throw invalidParameter(VIA_HOST);
  if (NetworkMode !== 'bridge') return [];
  return Links.map((text) => {
    const { name, alias } = parseLink(text);
    let target = find(name);
    // A link to who shares another's network is one to that other.
    while (target?.record.hostConfig.NetworkMode?.startsWith(JOIN)) {
      target = find(target.record.hostConfig.NetworkMode.slice(JOIN.length));
    }
    if (!target) throw invalidParameter(`could not get container for ${name}: No such container: ${name}`);
    if (target.record.hostConfig.NetworkMode === 'host') throw invalidParameter(VIA_HOST);
    return { id: target.id, alias };
  });
}

/** Links as inspect shows them; null when there are none. A link to a removed container is gone with it. */
export function linksShown(record: ContainerRecord, find: Find): string[] | null {
  const shown = (record.links ?? []).flatMap(({ id, alias }) => {
    const target = find(id);
    return target ? [`/${target.record.name}:/${record.name}/${alias}`] : [];
  });
  return shown.length > 0 ? shown : null;
}

/** The further names that links give: containers' ids to `/parent/alias`. */
export function linkedNames(containers: Iterable<Container>): ReadonlyMap<string, readonly string[]> {
  const names = new Map<string, string[]>();
  for (const { record } of containers) {
    for (const { id, alias } of record.links ?? []) {
      names.set(id, [...(names.get(id) ?? []), `/${record.name}/${alias}`]);
    }
  }
  return names;
}

/** Links as the network room takes them, by id. */
export function linkRequests({ links = [], hostConfig }: ContainerRecord): string[] {
  return links.length > 0 || hostConfig.NetworkMode === 'bridge'
    ? links.map(({ id, alias }) => `${id}:${alias}`)
    : (hostConfig.Links ?? []);
}

/**
 * The variables that a container gets for its links, while it starts.
 * @throws System in Docker's words when a linked container does not run
 */
export function linkEnvironment(deps: ContainerDeps, record: ContainerRecord, find: Find): string[] {
  return (record.links ?? []).flatMap(({ id, alias }) => {
    const target = find(id);
    if (!target) return [];
    const path = `/${record.name}/${alias}`;
    if (!target.running) {
      throw system(`Cannot link to a non running container: /${target.record.name} AS ${path}`);
    }
    const address = deps.network.settings(id)?.Networks?.bridge?.IPAddress;
    if (!address) throw system(`container ${id} not attached to default bridge network`);
    return variables(alias, path, address, target.record);
  });
}

interface Port {
  number: number;
  protocol: string;
}

/** Docker's names for what a linked container has (runconfig of links, since API 1.0). */
function variables(alias: string, path: string, address: string, { config }: ContainerRecord): string[] {
  const prefix = alias.toUpperCase().replaceAll('-', '_');
  const ports = Object.keys(config.ExposedPorts ?? {})
    .map(parsePort)
    .sort(byPort);
  const out: string[] = [];
  const url = ({ number, protocol }: Port): string => `${protocol}://${address}:${number}`;
  const name = ({ number, protocol }: Port): string => `${prefix}_PORT_${number}_${protocol.toUpperCase()}`;
  const [first] = ports;
  if (first) out.push(`${prefix}_PORT=${url(first)}`);
  for (const [start, end] of ranges(ports)) {
    // Docker tells of three and more.
    if (end.number < start.number + 2) continue;
    out.push(`${name(start)}_START=${url(start)}`, `${name(start)}_ADDR=${address}`);
    out.push(`${name(start)}_PROTO=${start.protocol}`, `${name(start)}_PORT_START=${start.number}`);
    out.push(`${name(start)}_END=${url(end)}`, `${name(start)}_PORT_END=${end.number}`);
  }
  for (const port of ports) {
    out.push(`${name(port)}=${url(port)}`, `${name(port)}_ADDR=${address}`);
    out.push(`${name(port)}_PORT=${port.number}`, `${name(port)}_PROTO=${port.protocol}`);
  }
  out.push(`${prefix}_NAME=${path}`);
  for (const entry of config.Env ?? []) {
    const equals = entry.indexOf('=');
    if (equals > 0 && !/^(HOME|PATH)=/i.test(entry)) out.push(`${prefix}_ENV_${entry}`);
  }
  return out;
}

function parsePort(text: string): Port {
  const [number = '', protocol = 'tcp'] = text.split('/');
  return { number: Number(number), protocol };
}

const byPort = (a: Port, b: Port): number =>
  a.number - b.number || Number(b.protocol === 'tcp') - Number(a.protocol === 'tcp');

/** Runs of ports that follow each other, of one protocol. */
function ranges(ports: readonly Port[]): [Port, Port][] {
  const found: [Port, Port][] = [];
  for (const port of ports) {
    const last = found.at(-1);
    const follows = last && port.protocol === last[1].protocol && port.number === last[1].number + 1;
    if (follows) last[1] = port;
    else found.push([port, port]);
  }
  return found;
}

/** The links of all containers: what happens to them after a container was made. */
export class Links {
  readonly #deps: ContainerDeps;
  readonly #containers: ContainerStore<Container>;

  constructor(deps: ContainerDeps, containers: ContainerStore<Container>) {
    this.#deps = deps;
    this.#containers = containers;
  }

  /** A container runs (again), perhaps with another address: who is linked to it learns that. */
  announce(target: Container): void {
    for (const container of this.#containers.all()) {
      const link = container.running && container.record.links?.find(({ id }) => id === target.id);
      const address = link && this.#deps.network.settings(target.id)?.Networks?.bridge?.IPAddress;
      if (link && address) this.#rewrite(container, link.alias, address);
    }
  }

  /**
   * `rm --link PARENT/ALIAS`.
   * @throws Conflict for the name of a container, NotFound for no link, in Docker's words
   */
  remove(path: string): void {
    const slash = path.lastIndexOf('/');
    const [parentName, alias] = [path.slice(0, Math.max(slash, 0)).replace(/^\//, ''), path.slice(slash + 1)];
    if (parentName === '') {
      this.#containers.get(alias);
      throw conflict('Conflict, cannot remove the default link name of the container');
    }
    const parent = this.#containers.find(parentName);
    const links = parent?.record.links ?? [];
    if (!parent || !links.some((link) => link.alias === alias)) throw notFound(`No such container: ${path}`);
    parent.record.links = links.filter((link) => link.alias !== alias);
    this.#containers.save(parent);
    if (parent.running) this.#rewrite(parent, alias, undefined);
  }

  /** In place: the file is mounted in the container. */
  #rewrite(container: Container, alias: string, address: string | undefined): void {
    const { hosts } = containerPaths(this.#deps.dataRoot, this.#deps.execRoot, container.id);
    try {
      const lines = readFileSync(hosts, 'utf8').split('\n');
      const changed = lines.flatMap((line) => {
        const [, names] = /^\S+\t(.*)$/.exec(line) ?? [];
        if (names?.split(' ')[0] !== alias) return [line];
        return address === undefined ? [] : [`${address}\t${names}`];
      });
      writeFileSync(hosts, changed.join('\n'));
    } catch (err) {
      this.#deps.log.warn(`container ${container.id}: /etc/hosts not brought up to date: ${messageOf(err)}`);
    }
  }
}
