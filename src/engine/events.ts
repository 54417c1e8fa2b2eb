import type { EventMessage } from '@docker/node-sdk';
import { nowNs } from '../container/index.ts';
import { type Filters, hasLabel } from '../filters/index.ts';

type EventType = NonNullable<EventMessage['Type']>;

/** How many events are remembered for `since`; moby keeps 256. */
const REMEMBERED = 1024;

/** An event with its time in nanoseconds, which a number cannot hold. */
interface Remembered {
  event: EventMessage;
  ns: bigint;
}

/** The engine's events: told to subscribers at once, the last {@link REMEMBERED} kept for replay. */
export class EventBus {
  readonly #past: Remembered[] = [];
  readonly #listeners = new Set<(event: EventMessage) => void>();

  get listeners(): number {
    return this.#listeners.size;
  }

  emit(type: EventType, action: string, id: string, attributes: Readonly<Record<string, string>> = {}): void {
    const ns = nowNs();
    const event: EventMessage = {
      Type: type,
      Action: action,
      Actor: { ID: id, Attributes: { ...attributes } },
      scope: 'local',
      time: Number(ns / 1_000_000_000n),
      timeNano: Number(ns),
    };
    this.#past.push({ event, ns });
    if (this.#past.length > REMEMBERED) this.#past.shift();
    for (const listener of this.#listeners) listener(event);
  }

  /** @param since replay from here (ns); absent: no replay */
  subscribe(
    { since, until, filters }: { since?: bigint; until?: bigint; filters: Filters },
    listener: (event: EventMessage) => void,
  ): { past: EventMessage[]; close(): void } {
    const matches = matcher(filters);
    const past =
      since === undefined
        ? []
        : this.#past
            .filter(({ ns, event }) => ns >= since && (until === undefined || ns <= until) && matches(event))
            .map(({ event }) => event);
    const own = (event: EventMessage): void => {
      if (matches(event)) listener(event);
    };
    this.#listeners.add(own);
    return { past, close: () => void this.#listeners.delete(own) };
  }
}

/** All keys must match, any value of a key does (moby daemon/events/filter.go has the same rules). */
function matcher(filters: Filters): (event: EventMessage) => boolean {
  return (event) =>
    Object.entries(filters).every(
      ([key, values]) => values.length === 0 || values.some((v) => matchesOne(event, key, v)),
    );
}

function matchesOne(event: EventMessage, key: string, value: string): boolean {
  const { ID: id = '', Attributes: attributes = {} } = event.Actor ?? {};
  switch (key) {
    case 'type':
      return event.Type === value;
    case 'event':
      // `exec_create: ls` is asked for as `exec_create`.
      return event.Action === value || (event.Action ?? '').startsWith(`${value}:`);
    case 'scope':
      return event.scope === value;
    case 'label':
      return hasLabel(attributes, value);
    case 'image':
      return event.Type === 'image'
        ? sameImage(id, value) || sameImage(attributes.name ?? '', value)
        : event.Type === 'container' && sameImage(attributes.image ?? '', value);
    case 'container':
    case 'network':
    case 'volume':
    case 'plugin':
    case 'daemon':
      if (event.Type !== key) return key === 'container' && attributes.container === value;
      return id === value || id.startsWith(value) || attributes.name === value;
    default:
      return false;
  }
}

const sameImage = (name: string, wanted: string): boolean =>
  name === wanted || name.split(/[:@]/)[0] === wanted;
