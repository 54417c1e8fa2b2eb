/** The PORTS column: neighbouring ports as ranges, published ones with their host address. */
import type { PortSummary } from '@docker/node-sdk';

interface Group {
  ip: string;
  type: string;
  first: number;
  last: number;
}

function formatGroup({ ip, type, first, last }: Group): string {
  const range = first === last ? String(first) : `${first}-${last}`;
  return `${ip === '' ? range : `${bracketed(ip)}:${range}->${range}`}/${type}`;
}

const bracketed = (ip: string): string => (ip.includes(':') ? `[${ip}]` : ip);

const compare = (a: PortSummary, b: PortSummary): number =>
  (a.PrivatePort ?? 0) - (b.PrivatePort ?? 0) ||
  text(a.IP, b.IP) ||
  (a.PublicPort ?? 0) - (b.PublicPort ?? 0) ||
  text(a.Type, b.Type);

const text = (a = '', b = ''): number => (a < b ? -1 : a > b ? 1 : 0);

/**
 * Only ports whose host number equals the container's are drawn together to ranges, per address and protocol;
 * the others follow, one each.
 */
export function displayPorts(ports: readonly PortSummary[]): string {
  const done: string[] = [];
  const open = new Map<string, Group>();
  const mapped: string[] = [];
  for (const { IP: ip = '', PrivatePort: port = 0, PublicPort: host, Type: type = 'tcp' } of ports.toSorted(
    compare,
  )) {
    if (ip !== '' && host !== port) {
      mapped.push(`${bracketed(ip)}:${host}->${port}/${type}`);
      continue;
    }
    const key = `${ip}/${type}`;
    const group = open.get(key);
    if (group && port === group.last + 1) group.last = port;
    else {
      if (group) done.push(formatGroup(group));
      open.set(key, { ip, type, first: port, last: port });
    }
  }
  return [...done, ...[...open.values()].map(formatGroup), ...mapped].join(', ');
}
