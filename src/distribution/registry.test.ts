/** The client against Debian's docker-registry. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ContentStore } from '../content/index.ts';
import { isKind, messageOf } from '../errdefs/index.ts';
import {
  type Descriptor,
  type Digest,
  digestOf,
  encodeManifest,
  MEDIA,
  parseReference,
} from '../oci/index.ts';
import { fetchBlob, pullError, pushBlob, Registry, type RegistryAuth, type Repository } from './index.ts';
import { breakingProxy, startRegistry, type TestRegistry } from './testing/registry.ts';
import { Transport } from './transport.ts';

const root = mkdtempSync(join(tmpdir(), 'wharf-dist-'));
const content = new ContentStore({ root });
const registry = new Registry();
const GOOD: RegistryAuth = { username: 'user', password: 'secret' };
let open: TestRegistry;
let locked: TestRegistry;

before(async () => {
  [open, locked] = await Promise.all([startRegistry(), startRegistry({ auth: true })]);
});
after(async () => {
  await registry.close();
  await Promise.all([open.stop(), locked.stop()]);
  rmSync(root, { recursive: true, force: true });
});

const repo = (
  host: string,
  purpose: 'pull' | 'push',
  path = 'a/b',
  auth?: RegistryAuth,
): Promise<Repository> =>
  registry.repository(parseReference(`${host}/${path}`), { purpose, ...(auth && { auth }) });

function blob(bytes: Buffer, mediaType: string = MEDIA.dockerLayerGzip): Descriptor {
  return { mediaType, digest: content.put(bytes), size: bytes.length };
}

async function pushImage(
  host: string,
  path: string,
  tag: string,
  layer: Buffer,
  auth?: RegistryAuth,
): Promise<Digest> {
  const repository = await repo(host, 'push', path, auth);
  const config = blob(
    Buffer.from(`{"rootfs":{"type":"layers","diff_ids":["${digestOf(layer)}"]}}`),
    MEDIA.dockerConfig,
  );
  const layers = [blob(layer)];
  for (const descriptor of [config, ...layers]) {
    await pushBlob({ repository, descriptor, open: () => content.open(descriptor.digest) });
  }
  const bytes = encodeManifest({ mediaType: MEDIA.dockerManifest, config, layers });
  return repository.putManifest(tag, bytes, MEDIA.dockerManifest);
}

test('what is pushed is pulled again, by tag and by digest, byte for byte', async () => {
  const layer = randomBytes(300_000);
  const digest = await pushImage(open.host, 'a/b', 'one', layer);
  const repository = await repo(open.host, 'pull');
  assert.equal((await repository.head('one')).digest, digest);
  const byTag = await repository.manifest('one');
  assert.equal(byTag.digest, digest);
  assert.deepEqual((await repository.manifest(digest)).bytes, byTag.bytes);
  assert.deepEqual(await repository.tags(), ['one']);
  content.delete(digestOf(layer));
  assert.equal(byTag.manifest.kind, 'manifest');
  const descriptor = byTag.manifest.kind === 'manifest' ? byTag.manifest.layers[0]! : assert.fail();
  await fetchBlob({ repository, content, descriptor });
  assert.ok(content.readBytes(descriptor.digest).equals(layer));
});

test('blobs are sent once: then they exist, and other repositories mount them', async () => {
  const descriptor = blob(randomBytes(50_000));
  const options = { descriptor, open: () => content.open(descriptor.digest) };
  let sent = 0;
  const onProgress = (n: number): void => {
    sent = n;
  };
  const first = await repo(open.host, 'push', 'x/one');
  assert.deepEqual(await pushBlob({ ...options, repository: first, onProgress }), { how: 'uploaded' });
  assert.equal(sent, descriptor.size);
  assert.deepEqual(await pushBlob({ ...options, repository: first }), { how: 'exists' });
  const second = await repo(open.host, 'push', 'x/two');
  assert.deepEqual(await pushBlob({ ...options, repository: second, mountFrom: ['x/none', 'x/one'] }), {
    how: 'mounted',
    from: 'x/one',
  });
});

test('basic authentication, in the words of Docker when it fails', async () => {
  const digest = await pushImage(locked.host, 'a/b', 'one', randomBytes(1000), GOOD);
  const encoded = Buffer.from('user:secret').toString('base64');
  assert.equal(
    (await (await repo(locked.host, 'pull', 'a/b', { auth: encoded })).head('one')).digest,
    digest,
  );
  const anonymous = await repo(locked.host, 'pull');
  await assert.rejects(anonymous.head('one'), {
    message: `Head "http://${locked.host}/v2/a/b/manifests/one": no basic auth credentials`,
  });
  const wrong = await repo(locked.host, 'pull', 'a/b', { username: 'user', password: 'bad' });
  await assert.rejects(wrong.head('one'), { message: 'unauthorized: authentication required' });
  assert.equal(await registry.login({ ...GOOD, serveraddress: locked.host }), '');
  await assert.rejects(
    registry.login({ username: 'user', password: 'bad', serveraddress: `http://${locked.host}/` }),
    {
      message: `login attempt to http://${locked.host}/v2/ failed with status: 401 Unauthorized`,
    },
  );
});

test('what is not there is named as Docker names it', async () => {
  const failure = async (name: string, use: (r: Repository) => Promise<unknown>): Promise<string> => {
    const reference = parseReference(`${open.host}/${name}`);
    const repository = await registry.repository(reference, { purpose: 'pull' });
    return use(repository).then(
      () => assert.fail(),
      (err: unknown) => messageOf(pullError(err, reference)),
    );
  };
  assert.equal(
    await failure('a/b:nope', (r) => r.head('nope')),
    `manifest for ${open.host}/a/b:nope not found: manifest unknown: manifest unknown`,
  );
  assert.equal(
    await failure('a/nope', (r) => r.tags()),
    `repository ${open.host}/a/nope not found: name unknown: repository name not known to registry`,
  );
});

test('network failures in the words of Go', async () => {
  const refused = await repo('127.0.0.1:9', 'pull');
  await assert.rejects(refused.head('x'), {
    message: 'Get "http://127.0.0.1:9/v2/": dial tcp 127.0.0.1:9: connect: connection refused',
  });
  const nowhere = await repo('nowhere.invalid', 'pull');
  await assert.rejects(nowhere.head('x'), (err) =>
    /^Get "https:\/\/nowhere\.invalid\/v2\/": dial tcp: lookup nowhere\.invalid/.test(messageOf(err)),
  );
});

test('a download goes on where the connection broke', async (t) => {
  const layer = randomBytes(5 << 20);
  await pushImage(open.host, 'a/resume', 'one', layer);
  const digest = digestOf(layer);
  content.delete(digest);
  const seen: string[] = [];
  const proxy = await breakingProxy(
    open.port,
    (key, n) => (key.startsWith('GET') && key.includes(digest) && n <= 6 ? 700_000 : undefined),
    seen,
  );
  t.after(() => proxy.server.close());
  const repository = await repo(proxy.host, 'pull', 'a/resume');
  let bytes = 0;
  await fetchBlob({
    repository,
    content,
    descriptor: { mediaType: MEDIA.dockerLayerGzip, digest, size: layer.length },
    onProgress: (n) => {
      bytes = n;
    },
  });
  assert.equal(bytes, layer.length);
  const ranges = seen.filter((s) => s.includes('bytes=')).map((s) => Number(/bytes=(\d+)/.exec(s)?.[1]));
  assert.equal(ranges.length, 6);
  assert.ok(ranges.every((at, i) => at > (ranges[i - 1] ?? 0)));
});

test('a download cut off for good is resumed by the next one', async (t) => {
  const layer = randomBytes(1 << 20);
  await pushImage(open.host, 'a/later', 'one', layer);
  const digest = digestOf(layer);
  content.delete(digest);
  let broken = true;
  const seen: string[] = [];
  const proxy = await breakingProxy(
    open.port,
    (key, n) => (broken && key.includes(digest) ? (n === 1 ? 400_000 : 0) : undefined),
    seen,
  );
  t.after(() => proxy.server.close());
  const descriptor = { mediaType: MEDIA.dockerLayerGzip, digest, size: layer.length };
  const abort = new AbortController();
  const first = fetchBlob({
    repository: await repo(proxy.host, 'pull', 'a/later'),
    content,
    descriptor,
    signal: abort.signal,
    onRetry: () => abort.abort(),
  });
  await assert.rejects(first, (err) => isKind(err, 'Cancelled'));
  assert.equal(content.has(digest), false);
  broken = false;
  await fetchBlob({ repository: await repo(proxy.host, 'pull', 'a/later'), content, descriptor });
  assert.match(seen.at(-1) ?? '', /bytes=[1-9]/);
  assert.ok(content.readBytes(digest).equals(layer));
});

test('bytes that are not those of the digest are refused', async () => {
  const layer = randomBytes(1000);
  await pushImage(open.host, 'a/b', 'short', layer);
  content.delete(digestOf(layer));
  const descriptor = { mediaType: MEDIA.dockerLayerGzip, digest: digestOf(layer), size: 900 };
  const longer = fetchBlob({ repository: await repo(open.host, 'pull'), content, descriptor });
  await assert.rejects(longer, (err) => isKind(err, 'DataLoss'));
  assert.equal(content.has(digestOf(layer)), false);
});

test('https: by a certificate of certs.d, refused without', async (t) => {
  const dir = join(root, 'tls');
  mkdirSync(dir, { recursive: true });
  const [key, cert] = [join(dir, 'k.pem'), join(dir, 'c.pem')];
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '2',
      '-subj',
      '/CN=localhost',
      '-addext',
      'subjectAltName=DNS:localhost',
      '-keyout',
      key,
      '-out',
      cert,
    ],
    { stdio: 'ignore' },
  );
  const secure = await startRegistry({ tls: { certificate: cert, key } });
  t.after(() => secure.stop());
  // A loopback address is insecure to Docker: any certificate will do.
  const digest = await pushImage(secure.host, 'a/b', 'one', randomBytes(100));
  assert.equal((await (await repo(secure.host, 'pull')).head('one')).digest, digest);
  const ask = async (certsDirs: string[]): Promise<number> => {
    const transport = new Transport({ certsDirs });
    const url = `https://${secure.host}`;
    const endpoint = { url, host: secure.host, insecure: false, mirror: false };
    const response = await transport
      .send({ endpoint, method: 'GET', url: `${url}/v2/` })
      .finally(() => transport.close());
    return response.status;
  };
  await assert.rejects(ask([]), {
    message: `Get "https://${secure.host}/v2/": tls: failed to verify certificate: x509: certificate signed by unknown authority`,
  });
  mkdirSync(join(root, 'certs.d', secure.host), { recursive: true });
  copyFileSync(cert, join(root, 'certs.d', secure.host, 'ca.crt'));
  assert.equal(await ask([join(root, 'certs.d')]), 200);
});
