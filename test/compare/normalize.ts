/**
 * Takes out of a payload what must differ between two engines (ids, times, addresses, places, pids), so that what is
 * left can be compared. Whether such a value is there at all, and of which form, stays visible.
 */
const ZERO_TIME = '0001-01-01T00:00:00Z';

/** Fields whose number is a moment, a pid or a size of this run. */
const VOLATILE_NUMBERS = new Set([
  ...['Created', 'Pid', 'time', 'timeNano', 'NFd', 'NGoroutines', 'NEventsListener', 'MemTotal'],
  ...['SizeRootFs', 'SizeRw', 'SpaceReclaimed', 'LayersSize', 'Size', 'SharedSize', 'VirtualSize'],
]);

/** Fields whose text is of this run. */
const VOLATILE_TEXTS = new Set(['EndpointID', 'SandboxID', 'SandboxKey', 'HostPort', 'execDuration']);

/** Lists without an order of their own. */
const SORTED_BY: Readonly<Record<string, (item: Record<string, unknown>) => string>> = {
  Mounts: (mount) => String(mount.Destination),
  Ports: (port) => `${port.PrivatePort}/${port.Type} ${port.IP}`,
};

export class Normalizer {
  readonly #directory: string;

  /** @param directory of the engine's sandbox, below which are its roots */
  constructor(directory: string) {
    this.#directory = directory;
  }

  normalize(value: unknown, key = ''): unknown {
    if (typeof value === 'string') return this.#text(value, key);
    if (typeof value === 'number') return value !== 0 && VOLATILE_NUMBERS.has(key) ? `<${key}>` : value;
    if (Array.isArray(value)) {
      const order = SORTED_BY[key];
      const items = order ? value.toSorted((a, b) => order(a).localeCompare(order(b))) : value;
      return items.map((item) => this.normalize(item));
    }
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([name, field]) => [this.#text(name, ''), this.normalize(field, name)]),
    );
  }

  #text(text: string, key: string): string {
    if (text !== '' && VOLATILE_TEXTS.has(key)) return `<${key}>`;
    if (text === ZERO_TIME) return text;
    return text
      .replaceAll(this.#directory, '<dir>')
      .replace(/\b[0-9a-f]{64}\b/g, '<id>')
      .replace(/\b[0-9a-f]{12}\b/g, '<short id>')
      .replace(/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)/g, '<time>')
      .replace(/\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b/g, '<mac>')
      .replace(/\b(?:172\.(?:1[6-9]|2\d|3[01])|192\.168)\.\d+\.\d+(?!\.)\b/g, '<address>')
      .replace(/\b(Up|About|Exited \(\d+\)|Restarting \(\d+\)) .*?(seconds?|minutes?)/, '$1 <duration>');
  }
}
