/** Uploads a blob (distribution spec "Pushing Blobs"), or has it mounted from another repository. */
import { pipeline, type Readable, Transform } from 'node:stream';
import { isKind, system } from '../errdefs/index.ts';
import type { Descriptor } from '../oci/index.ts';
import { retry } from './backoff.ts';
import { isTransient } from './errors.ts';
import type { Repository } from './repository.ts';
import { discard, type HttpResponse } from './transport.ts';

export interface PushBlobOptions {
  repository: Repository;
  descriptor: Descriptor;
  /** The blob's bytes, from the beginning, for each attempt anew. */
  open: () => Readable;
  /** Repositories of the same registry known to have the blob: their paths. */
  mountFrom?: readonly string[];
  signal?: AbortSignal;
  /** Bytes sent so far. */
  onProgress?: (bytes: number) => void;
  onRetry?: (delay: number, err: unknown) => void;
}

/** How the blob got there. */
export type PushedBlob = { how: 'exists' } | { how: 'mounted'; from: string } | { how: 'uploaded' };

/** Makes the repository have the blob, with as little traffic as can be. */
export async function pushBlob(options: PushBlobOptions): Promise<PushedBlob> {
  const { repository, descriptor, signal } = options;
  if ((await repository.stat(descriptor.digest, signal)) !== undefined) return { how: 'exists' };
  for (const from of options.mountFrom ?? []) {
    if (await tryMount(options, from)) return { how: 'mounted', from };
  }
  await retry(
    {
      attempts: 4,
      delay: 500,
      shouldRetry: isTransient,
      ...(signal && { signal }),
      ...(options.onRetry && { onRetry: options.onRetry }),
    },
    () => upload(options),
  );
  return { how: 'uploaded' };
}

/** Mounting only saves time: whatever fails (no right to read there), the bytes are sent instead. */
async function tryMount(options: PushBlobOptions, from: string): Promise<boolean> {
  try {
    return await mount(options, from);
  } catch (err) {
    if (isKind(err, 'Cancelled')) throw err;
    return false;
  }
}

async function mount(options: PushBlobOptions, from: string): Promise<boolean> {
  const { repository, descriptor, signal } = options;
  const session = await repository.session(signal);
  const query = new URLSearchParams({ mount: descriptor.digest, from });
  const response = await session.request({
    method: 'POST',
    url: `${repository.base}/blobs/uploads/?${query}`,
    scopes: [...repository.scopes, `repository:${from}:pull`],
    // A refusal (no right to read there) only means that the bytes must be sent.
    accept: () => true,
    ...(signal && { signal }),
  });
  discard(response.body);
  if (response.status === 202) await cancelUpload(options, response);
  return response.status === 201;
}

/** The registry began an upload instead of mounting: it need not keep it. */
async function cancelUpload(options: PushBlobOptions, begun: HttpResponse): Promise<void> {
  const { repository, signal } = options;
  const session = await repository.session(signal);
  const request = {
    method: 'DELETE',
    url: locationOf(begun),
    scopes: repository.scopes,
    accept: () => true,
  } as const;
  const response = await session.request({ ...request, ...(signal && { signal }) }).catch(() => undefined);
  if (response !== undefined) discard(response.body);
}

async function upload(options: PushBlobOptions): Promise<void> {
  const { repository, descriptor, signal } = options;
  const session = await repository.session(signal);
  const common = { scopes: repository.scopes, ...(signal && { signal }) };
  const begun = await session.attempt({
    ...common,
    method: 'POST',
    url: `${repository.base}/blobs/uploads/`,
  });
  discard(begun.body);
  const url = new URL(locationOf(begun));
  url.searchParams.set('digest', descriptor.digest);
  const done = await session.attempt({
    ...common,
    method: 'PUT',
    url: url.href,
    headers: { 'content-type': 'application/octet-stream', 'content-length': String(descriptor.size) },
    body: () => counted(options.open(), options.onProgress),
  });
  discard(done.body);
}

function locationOf(response: HttpResponse): string {
  const location = response.headers.location;
  if (location === undefined) throw system('the registry began an upload without saying where');
  return new URL(location, response.url).href;
}

function counted(body: Readable, onProgress: ((bytes: number) => void) | undefined): Readable {
  if (onProgress === undefined) return body;
  let sent = 0;
  const counter = new Transform({
    transform(chunk: Uint8Array, _encoding, done) {
      sent += chunk.length;
      onProgress(sent);
      done(null, chunk);
    },
  });
  // A failure on either side reaches the other; the request reports it.
  return pipeline(body, counter, () => {});
}
