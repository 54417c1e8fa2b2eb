/** The event stream. */
import { invalidParameter } from '../../errdefs/index.ts';
import type { Backends, EventBackend } from '../backends.ts';
import { backend } from '../presence.ts';
import type { ApiRequest } from '../request.ts';
import type { Route } from '../router.ts';
import { shapeEvent } from '../shapes.ts';
import type { Event } from '../types.ts';

/** What a client that does not read may have us keep; then it is cut off. */
const MAX_BACKLOG = 16 * 1024 * 1024;

const STREAM_TYPES = ['application/jsonl', 'application/x-ndjson', 'application/json-seq'];

/** The route of events. */
export const eventRoutes = (backends: Backends): Route[] => [
  {
    operation: 'SystemEvents',
    method: 'GET',
    path: '/events',
    handler: (r) => events(r, backend(backends, 'events')),
  },
];

async function events(r: ApiRequest, backend: EventBackend): Promise<void> {
  const [since, until] = [r.query.timestamp('since'), r.query.timestamp('until')];
  if (since !== undefined && until !== undefined && until < since) {
    const [a, b] = [r.query.get('since'), r.query.get('until')];
    throw invalidParameter(`\`since\` time (${a}) cannot be after \`until\` time (${b})`);
  }
  const filters = r.filters();
  const contentType = streamType(r.req.headers.accept);
  const separator = contentType === 'application/json-seq' ? '\u001e' : '';
  const { signal, res } = r;
  const send = (event: Event): void => {
    // Creation of images became an event in API 1.46.
    if (!r.has('imageCreateEvents') && event.Type === 'image' && event.Action === 'create') return;
    res.write(`${separator}${JSON.stringify(shapeEvent(event))}\n`);
    if (res.writableLength > MAX_BACKLOG) res.destroy();
  };
  const subscription = backend.subscribe(
    { filters, ...(since === undefined ? {} : { since }), ...(until === undefined ? {} : { until }) },
    send,
  );
  try {
    r.startStream(contentType);
    for (const event of subscription.past) send(event);
    const left = until === undefined ? undefined : Number(until / 1_000_000n) - Date.now();
    if (left === undefined || left > 0) await ended(signal, left);
  } finally {
    subscription.close();
  }
  res.end();
}

/** Resolves when the signal aborts or the time is over. */
function ended(signal: AbortSignal, milliseconds: number | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    // A timer cannot wait longer than 2^31 ms; a stream that long is as good as endless.
    const timer =
      milliseconds === undefined || milliseconds > 0x7fff_ffff ? undefined : setTimeout(done, milliseconds);
    signal.addEventListener('abort', done);
    if (signal.aborted) done();
  });
}

/** The stream type the client names in Accept (wildcards do not count), else Docker's old one. */
function streamType(accept: string | undefined): string {
  let best = 'application/json';
  let bestQuality = 0;
  for (const part of (accept ?? '').split(',')) {
    const [type = '', ...parameters] = part.split(';').map((s) => s.trim().toLowerCase());
    if (!STREAM_TYPES.includes(type)) continue;
    const quality = Number(parameters.find((p) => p.startsWith('q='))?.slice(2) ?? 1);
    if (quality > bestQuality) [best, bestQuality] = [type, quality];
  }
  return best;
}
