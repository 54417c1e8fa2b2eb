/** Images on the move: pull, import, push, save, load. */
import { Readable } from 'node:stream';
import { forbidden, invalidParameter, isKind, messageOf, system } from '../../errdefs/index.ts';
import type { Backends, ImageBackend } from '../backends.ts';
import { registryAuth } from '../body.ts';
import { backend } from '../presence.ts';
import { sendProgress } from '../progress.ts';
import type { ApiRequest } from '../request.ts';
import type { Route } from '../router.ts';
import type { ProgressSink } from '../types.ts';
import { onePlatform } from './images.ts';

/** The routes that transfer images. */
export function imageTransferRoutes(backends: Backends): Route[] {
  const images = (): ImageBackend => backend(backends, 'images');
  return [
    {
      operation: 'ImageCreate',
      method: 'POST',
      path: '/images/create',
      handler: (r) => (r.query.get('fromImage') ? pull(r, images()) : importImage(r, images())),
    },
    {
      operation: 'ImagePush',
      method: 'POST',
      path: '/images/{name}/push',
      handler: (r) => push(r, images()),
    },
    {
      operation: 'ImageGetAll',
      method: 'GET',
      path: '/images/get',
      handler: (r) => save(r, images(), r.query.all('names')),
    },
    {
      operation: 'ImageGet',
      method: 'GET',
      path: '/images/{name}/get',
      handler: (r) => save(r, images(), [r.param('name')]),
    },
    {
      operation: 'ImageLoad',
      method: 'POST',
      path: '/images/load',
      handler: async (r) => {
        const platform = r.has('savePlatform') ? onePlatform(r) : undefined;
        const quiet = r.query.bool('quiet', true);
        const platforms = platform ? [platform] : [];
        await sendProgress(r, (onProgress) =>
          images().load({ input: r.req, quiet, platforms, onProgress, signal: r.signal }),
        );
      },
    },
  ];
}

/**
 * A registry that wants a password nobody gave is a 500, as dockerd answers: at a 401 the stock CLI asks for a
 * login on its standard input, which a script never gives.
 */
async function transfer(r: ApiRequest, run: (onProgress: ProgressSink) => Promise<void>): Promise<void> {
  await sendProgress(r, async (onProgress) => {
    try {
      await run(onProgress);
    } catch (err) {
      if (isKind(err, 'Unauthorized') && err.message.includes('no basic auth credentials')) {
        throw system(err.message, { cause: err });
      }
      throw err;
    }
  });
}

async function pull(r: ApiRequest, images: ImageBackend): Promise<void> {
  // `docker pull -a` may send a name with a trailing colon.
  const image = (r.query.get('fromImage') ?? '').replace(/:$/, '');
  if (/^(docker\.io\/)?(library\/)?scratch(?![^:@])/.test(image))
    throw forbidden("'scratch' is a reserved name");
  const tag = r.query.get('tag');
  const platform = r.has('pullPlatform') ? r.query.platformName('platform') : undefined;
  const auth = registryAuth(r.req);
  await transfer(r, (onProgress) =>
    images.pull({
      image,
      ...(tag === undefined ? {} : { tag }),
      ...(platform === undefined ? {} : { platform }),
      ...(auth === undefined ? {} : { auth }),
      onProgress,
      signal: r.signal,
    }),
  );
}

async function push(r: ApiRequest, images: ImageBackend): Promise<void> {
  const tag = r.query.get('tag');
  const platform = r.has('pushPlatform') ? onePlatform(r) : undefined;
  const auth = registryAuth(r.req);
  await transfer(r, (onProgress) =>
    images.push({
      image: r.param('name'),
      ...(tag === undefined ? {} : { tag }),
      ...(platform === undefined ? {} : { platform }),
      ...(auth === undefined ? {} : { auth }),
      onProgress,
      signal: r.signal,
    }),
  );
}

async function importImage(r: ApiRequest, images: ImageBackend): Promise<void> {
  const source = r.query.get('fromSrc');
  if (source === undefined) throw invalidParameter('either fromImage or fromSrc must be given');
  const [repo, tag] = [r.query.get('repo'), r.query.get('tag')];
  const platform = r.query.platformName('platform');
  await sendProgress(r, async (onProgress) => {
    const id = await images.import({
      input: source === '-' ? r.req : await download(source, onProgress, r.signal),
      message: r.query.get('message') ?? `Imported from ${source}`,
      changes: r.query.all('changes'),
      ...(repo === undefined ? {} : { repo }),
      ...(tag === undefined ? {} : { tag }),
      ...(platform === undefined ? {} : { platform }),
      onProgress,
      signal: r.signal,
    });
    onProgress({ status: id });
  });
}

async function download(source: string, onProgress: ProgressSink, signal: AbortSignal): Promise<Readable> {
  const text = source.includes('://') ? source : `http://${source}`;
  const url = URL.parse(text);
  if (!url || !/^https?:$/.test(url.protocol)) throw invalidParameter(`invalid import source: ${source}`);
  const response = await fetch(url, { signal }).catch((err: unknown) => {
    throw system(`failed to download ${url}: ${messageOf(err)}`, { cause: err });
  });
  if (!response.ok || !response.body) {
    throw system(`failed to GET ${url} with status ${response.status} ${response.statusText}`);
  }
  onProgress({ status: `Downloading from ${url}` });
  return Readable.fromWeb(response.body);
}

async function save(r: ApiRequest, images: ImageBackend, names: string[]): Promise<void> {
  const platform = r.has('savePlatform') ? onePlatform(r) : undefined;
  const archive = await images.save(names, { platforms: platform ? [platform] : [], signal: r.signal });
  await r.sendStream('application/x-tar', archive);
}
