/**
 * Compares the answers of two engines field by field.
 *
 *     node scripts/compare/compare.ts --reference /var/run/docker.sock --subject /run/wharf/wharf.sock [--api 1.41]
 *
 * Both need the image `busybox`. Ids, times, addresses and directories are told apart by their order of appearance, not by
 * their value. Ends with 1 when there is a difference that `accepted.ts` does not name; `--markdown` writes those it does.
 */
import { writeFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { parseArgs } from 'node:util';
import { EngineClient } from '../engine-client.ts';
import { ACCEPTED } from './accepted.ts';
import { ASKS, type Ask } from './payloads.ts';

const BEGAN = String(Date.now() / 1000);

/** One side's answer to one request. */
interface Answer {
  status: number;
  body: unknown;
}

interface Difference {
  ask: string;
  /** `status`, or the way to the field: `State.Health.Log[0]`. */
  field: string;
  reference: unknown;
  subject: unknown;
}

/** Values that are the engine's own to choose. */
const VARIABLE: readonly [RegExp, string][] = [
  [/\b[0-9a-f]{64}\b/g, 'ID'],
  [/\b[0-9a-f]{12}\b/g, 'SHORT'],
  [/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)/g, 'TIME'],
  [/\b(172\.\d+|10\.(?!213)\d+|192\.168)\.\d+\.\d+\b/g, 'ADDRESS'],
  [/\b([0-9a-f]{2}:){5}[0-9a-f]{2}\b/g, 'MAC'],
  [/\/(?:tmp|var)\/[^"\s]*?(?=\/(?:containers|volumes|netns|overlay2|snapshots)\/)/g, 'ROOT'],
];
/** Fields whose value says nothing. */
const UNSTABLE = new Set(['Pid', 'time', 'timeNano', 'Created', 'execDuration', 'Status']);

const SETS = new Set(['MaskedPaths', 'ReadonlyPaths', 'CapAdd', 'CapDrop']);

function normalized(value: unknown, name = ''): unknown {
  if (typeof value === 'string') {
    if (name === 'Status' && /ago|second|minute/.test(value))
      return value.replaceAll(/\d+|a second|a minute|less than/gi, 'N');
    return VARIABLE.reduce((text, [pattern, word]) => text.replaceAll(pattern, word), value);
  }
  if (typeof value === 'number' && UNSTABLE.has(name)) return value === 0 ? 0 : 'NUMBER';
  // Sets, as far as Docker means them so.
  if (Array.isArray(value) && SETS.has(name))
    return Object.fromEntries(value.map((item) => [String(item), true]));
  if (Array.isArray(value)) {
    // Docker takes these out of a map, in no order.
    const key = name === 'Mounts' ? 'Destination' : 'Path';
    return value.map((item) => normalized(item)).sort((a, b) => order(a, key, b));
  }
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]) => [normalized(key) as string, normalized(inner, key)]),
    );
  }
  return value;
}

/** By a field that all of them have, else as they are. */
function order(a: unknown, key: string, b: unknown): number {
  const [x, y] = [a, b].map((v) =>
    v !== null && typeof v === 'object' ? (v as Record<string, unknown>)[key] : undefined,
  );
  return typeof x === 'string' && typeof y === 'string' ? (x < y ? -1 : 1) : 0;
}

/** One engine, and the ids it has given. */
class Side {
  readonly #client: EngineClient;
  readonly #api: string;
  readonly #ids = new Map<string, string>();

  constructor(socket: string, api: string) {
    this.#client = new EngineClient(socket);
    this.#api = api;
  }

  async ask(ask: Ask): Promise<Answer> {
    const filled = this.#fill(ask.path).replaceAll(/[{}"[\]]/g, encodeURIComponent);
    const body = ask.body === undefined ? undefined : Readable.from([this.#fill(asText(ask.body))]);
    const type = ask.method === 'PUT' ? 'application/x-tar' : 'application/json';
    const { status, body: text } = await this.#client.request(ask.method, `/v${this.#api}${filled}`, {
      ...(body === undefined ? {} : { body, headers: { 'content-type': type } }),
    });
    const parsed = parse(text);
    if (ask.as && typeof parsed === 'object' && parsed !== null && 'Id' in parsed) {
      this.#ids.set(ask.as, String(parsed.Id));
    }
    // What was to be refused and was not.
    if (status === 201 && !ask.as && /\/containers\/create/.test(ask.path)) {
      const { Id } = parsed as { Id: string };
      await this.#client.request('DELETE', `/v${this.#api}/containers/${Id}?force=1&v=1`);
    }
    const picked = status < 300 && ask.pick ? ask.pick(parsed) : parsed;
    return { status, body: normalized(picked) };
  }

  #fill(text: string): string {
    return text
      .replaceAll('$began', BEGAN)
      .replaceAll('$now', String(Math.ceil(Date.now() / 1000)))
      .replaceAll(/\$([a-z]+)/g, (_all, name: string) => this.#ids.get(name) ?? 'not-made');
  }
}

const asText = (body: object | string): string => (typeof body === 'string' ? body : JSON.stringify(body));

/** JSON, JSON lines (events), or text. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    const lines = text.trim().split('\n');
    try {
      return lines.map((line) => JSON.parse(line) as unknown);
    } catch {
      return text;
    }
  }
}

function* differences(ask: string, reference: unknown, subject: unknown, field = ''): Generator<Difference> {
  if (Object.is(reference, subject)) return;
  const both = [reference, subject];
  const isObject =
    both.every((v) => v !== null && typeof v === 'object') &&
    Array.isArray(reference) === Array.isArray(subject);
  if (!isObject) {
    yield { ask, field: field || 'answer', reference, subject };
    return;
  }
  const [a, b] = both as Record<string, unknown>[];
  for (const key of new Set([...Object.keys(a!), ...Object.keys(b!)])) {
    const at = Array.isArray(reference) ? `${field}[${key}]` : field ? `${field}.${key}` : key;
    yield* differences(ask, a![key], b![key], at);
  }
}

const reasonFor = ({ ask, field }: Difference): string | undefined =>
  ACCEPTED.find((row) => (row.api ?? values.api) === values.api && row.ask.test(ask) && row.field.test(field))
    ?.reason;

const { values } = parseArgs({
  options: {
    reference: { type: 'string' },
    subject: { type: 'string' },
    api: { type: 'string', default: '1.41' },
    markdown: { type: 'string' },
  },
});
if (!values.reference || !values.subject) throw new Error('--reference and --subject name the sockets');
const sides = [new Side(values.reference, values.api), new Side(values.subject, values.api)] as const;
const found: Difference[] = [];
let compared = 0;
for (const ask of ASKS) {
  const [reference, subject] = await Promise.all(sides.map((side) => side.ask(ask)));
  if (ask.quiet) continue;
  compared++;
  found.push(...differences(ask.name, reference!.status, subject!.status, 'status'));
  found.push(...differences(ask.name, reference!.body, subject!.body));
}
const show = (value: unknown): string =>
  (value === undefined ? 'absent' : JSON.stringify(value)).slice(0, 300);
const open = found.filter((difference) => reasonFor(difference) === undefined);
for (const { ask, field, reference, subject } of open) {
  process.stdout.write(
    `${ask} · ${field}\n    reference  ${show(reference)}\n    subject    ${show(subject)}\n`,
  );
}
process.stdout.write(
  `${compared} answers compared, ${found.length} fields differ, ${open.length} of them without a reason\n`,
);
if (values.markdown) {
  const rows = new Map<string, { count: number; example: Difference }>();
  for (const difference of found) {
    const reason = reasonFor(difference);
    if (reason) rows.set(reason, { count: (rows.get(reason)?.count ?? 0) + 1, example: difference });
  }
  const lines = [...rows].map(
    ([reason, { count, example }]) =>
      `| ${reason} | ${count} | ${example.ask}: \`${example.field}\` | \`${show(example.reference)}\` | \`${show(example.subject)}\` |`,
  );
  writeFileSync(
    values.markdown,
    [
      '| difference and reason | fields | for instance | reference | wharfd |',
      '|---|--:|---|---|---|',
      ...lines,
      '',
    ].join('\n'),
  );
}
process.exitCode = open.length > 0 ? 1 : 0;
