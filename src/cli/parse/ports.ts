/** `-p` and `--expose`: `[ip:][host:]container[/proto]` with ranges, and `published=…,target=…`. */
import { isIP } from 'node:net';
import type { PortBinding } from '@docker/node-sdk';
import { cut } from './csv.ts';

/** Ports in the API's terms: keys such as `80/tcp`. */
export interface Ports {
  exposed: Record<string, Record<string, never>>;
  bindings: Record<string, PortBinding[]>;
}

interface Range {
  start: number;
  end: number;
}

function parsePort(text: string): number {
  if (!/^\d+$/.test(text))
    throw new Error(`strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`);
  const port = Number(text);
  if (port > 65535) throw new Error(`strconv.ParseUint: parsing ${JSON.stringify(text)}: value out of range`);
  return port;
}

/** A port or `first-last`. @throws Error */
export function parsePortRange(text: string): Range {
  if (text === '') throw new Error('empty string specified for ports');
  const [from, to] = cut(text, '-');
  const start = parsePort(from);
  const end = to === undefined ? start : parsePort(to);
  if (end < start) throw new Error(`invalid range specified for port: ${text}`);
  return { start, end };
}

/** The parts of a spec from the right: an address may hold colons. */
function splitSpec(spec: string): { ip: string; host: string; container: string } {
  const parts = spec.split(':');
  const container = parts.pop() ?? '';
  const host = parts.pop() ?? '';
  return { ip: parts.join(':'), host, container };
}

function attempt(text: string, what: string): Range {
  try {
    return parsePortRange(text);
  } catch {
    throw new Error(`invalid ${what}: ${text}`);
  }
}

function addSpec(ports: Ports, spec: string): void {
  const { ip: rawIp, host, container } = splitSpec(spec);
  const [portText, givenProto = 'tcp'] = cut(container, '/');
  const proto = givenProto.toLowerCase();
  let ip = rawIp;
  if (ip.startsWith('[')) {
    if (!ip.endsWith(']')) throw new Error(`invalid IP address: ${ip}`);
    ip = ip.slice(1, -1);
  }
  if (ip !== '' && isIP(ip) === 0) throw new Error(`invalid IP address: ${ip}`);
  if (portText === '') throw new Error(`no port specified: ${spec}<empty>`);
  const range = attempt(portText, 'containerPort');
  const hostRange = host === '' ? undefined : attempt(host, 'hostPort');
  const count = range.end - range.start;
  if (hostRange && hostRange.end - hostRange.start !== count && range.start !== range.end) {
    throw new Error(`invalid ranges specified for container and host Ports: ${portText} and ${host}`);
  }
  if (!['tcp', 'udp', 'sctp'].includes(proto)) throw new Error(`invalid proto: ${givenProto}`);
  for (let i = 0; i <= count; i++) {
    const key = `${range.start + i}/${proto}`;
    let hostPort = hostRange ? String(hostRange.start + i) : '';
    // One container port with a range of host ports: the daemon takes a free one of them.
    if (hostRange && count === 0 && hostRange.end > hostRange.start)
      hostPort = `${hostRange.start}-${hostRange.end}`;
    ports.exposed[key] = {};
    ports.bindings[key] = [...(ports.bindings[key] ?? []), { HostIp: ip, HostPort: hostPort }];
  }
}

/** `published=8080,target=80,protocol=udp` in the short form. */
function standardNotation(spec: string): string {
  if (!spec.includes('=')) return spec;
  const values: Record<string, string> = { published: '', target: '', protocol: 'tcp' };
  for (const field of spec.split(',')) {
    const [key, value] = cut(field, '=');
    if (value === undefined)
      throw new Error(`invalid publish opts format (should be name=value but got '${field}')`);
    values[key] = value;
  }
  return `${values.published}:${values.target}/${values.protocol}`;
}

/** Ports of `-p` and `--expose` together. @throws Error with docker's words */
export function parsePorts(publish: readonly string[], expose: readonly string[]): Ports {
  const ports: Ports = { exposed: {}, bindings: {} };
  for (const spec of publish) addSpec(ports, standardNotation(spec));
  for (const spec of expose) {
    if (spec.includes(':')) throw new Error(`invalid port format for --expose: ${spec}`);
    const [portText, givenProto = 'tcp'] = cut(spec, '/');
    let range: Range;
    try {
      range = parsePortRange(portText);
    } catch (err) {
      throw new Error(`invalid range format for --expose: ${spec}, error: ${(err as Error).message}`);
    }
    for (let port = range.start; port <= range.end; port++)
      ports.exposed[`${port}/${givenProto.toLowerCase()}`] = {};
  }
  return ports;
}
