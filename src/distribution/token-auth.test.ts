/** Bearer tokens, redirects and mirrors, against a small registry of our own that records what it is told. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { ContentStore } from '../content/index.ts';
import { messageOf } from '../errdefs/index.ts';
import { digestOf, MEDIA, parseReference } from '../oci/index.ts';
import { parseChallenges } from './auth.ts';
import { endpointsFor, isInsecure } from './endpoints.ts';
import { fetchBlob, pullError, Registry } from './index.ts';
import { proxyFor } from './proxy.ts';

const servers: Server[] = [];
const root = mkdtempSync(join(tmpdir(), 'wharf-token-'));
after(() => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
  rmSync(root, { recursive: true, force: true });
});

async function serve(handle: (req: IncomingMessage, res: ServerResponse, url: URL) => void): Promise<string> {
  const server = createServer((req, res) => handle(req, res, new URL(req.url ?? '/', 'http://x')));
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const BLOB = Buffer.from('a layer');
const MANIFEST = Buffer.from(
  JSON.stringify({
    schemaVersion: 2,
    mediaType: MEDIA.ociManifest,
    config: { mediaType: MEDIA.ociConfig, digest: digestOf('{}'), size: 2 },
    layers: [{ mediaType: MEDIA.ociLayer, digest: digestOf(BLOB), size: BLOB.length }],
  }),
);

/** Serves one manifest and one blob (from another host) to holders of a token made for `scope`. */
async function tokenRegistry(o: { lifetime?: number; storage?: string } = {}) {
  const log: string[] = [];
  let tokens = 0;
  let valid = '';
  const host: string = await serve((req, res, url) => {
    if (url.pathname === '/token') {
      const who = req.headers.authorization ?? 'anonymous';
      log.push(
        `token ${who} ${url.searchParams.get('service')} ${url.searchParams.getAll('scope').join(' ')}`,
      );
      if (who !== 'anonymous' && who !== `Basic ${Buffer.from('me:pw').toString('base64')}`) {
        res.writeHead(401, { 'content-type': 'application/json' });
        return res.end('{"details":"incorrect username or password"}');
      }
      valid = `t${++tokens}-${who === 'anonymous' ? 'anon' : 'me'}`;
      return res.end(JSON.stringify({ token: valid, expires_in: o.lifetime ?? 300 }));
    }
    const challenge = (error = ''): void => {
      const scope = url.pathname === '/v2/' ? '' : ',scope="repository:a/b:pull"';
      res.writeHead(401, {
        'www-authenticate': `Bearer realm="http://${host}/token",service="the, service"${scope}${error}`,
      });
      res.end();
    };
    if (req.headers.authorization !== `Bearer ${valid}`) return challenge();
    if (url.pathname === '/v2/') return res.end();
    if (url.pathname.startsWith('/v2/private/')) return challenge(',error="insufficient_scope"');
    log.push(`${req.method} ${url.pathname}`);
    if (url.pathname.includes('/blobs/')) {
      res.writeHead(307, { location: `http://${o.storage}/blob` });
      return res.end();
    }
    res.writeHead(200, {
      'content-type': MEDIA.ociManifest,
      'content-length': MANIFEST.length,
      'docker-content-digest': digestOf(MANIFEST),
    });
    res.end(req.method === 'HEAD' ? undefined : MANIFEST);
  });
  return { host, log, expire: () => (valid = 'none') };
}

test('a token is asked for once, and again when it is refused; the blob of another host comes without it', async () => {
  const told: (string | undefined)[] = [];
  const storage = await serve((req, res) => {
    told.push(req.headers.authorization);
    res.end(BLOB);
  });
  const fake = await tokenRegistry({ storage });
  const registry = new Registry();
  const repository = await registry.repository(parseReference(`${fake.host}/a/b`), {
    purpose: 'pull',
    auth: { username: 'me', password: 'pw' },
  });
  const { manifest } = await repository.manifest('latest');
  await repository.manifest('latest');
  assert.equal(fake.log.filter((l) => l.startsWith('token')).length, 1);
  assert.match(fake.log[0] ?? '', /^token Basic \S+ the, service repository:a\/b:pull$/);
  fake.expire();
  const content = new ContentStore({ root });
  const descriptor = manifest.kind === 'manifest' ? manifest.layers[0]! : assert.fail();
  await fetchBlob({ repository, content, descriptor });
  assert.deepEqual(content.readBytes(digestOf(BLOB)), BLOB);
  assert.deepEqual(told, [undefined]);
  assert.equal(fake.log.filter((l) => l.startsWith('token')).length, 2);
  await registry.close();
});

test('denied: in the words docker login is advised with', async () => {
  const fake = await tokenRegistry();
  const registry = new Registry();
  const reference = parseReference(`${fake.host}/private/x`);
  const repository = await registry.repository(reference, { purpose: 'pull' });
  await assert.rejects(
    repository.head('latest').catch((err: unknown) => {
      throw pullError(err, reference);
    }),
    {
      message: `pull access denied for ${fake.host}/private/x, repository does not exist or may require 'docker login': denied: requested access to the resource is denied`,
    },
  );
  await assert.rejects(registry.login({ username: 'me', password: 'no', serveraddress: fake.host }), (err) =>
    messageOf(err).endsWith('/v2/": denied: incorrect username or password'),
  );
  assert.equal(await registry.login({ username: 'me', password: 'pw', serveraddress: fake.host }), '');
  await registry.close();
});

test('a mirror that fails is passed by, and is not told the password', async () => {
  const told: (string | undefined)[] = [];
  const mirror = await serve((req, res) => {
    told.push(req.headers.authorization);
    res.statusCode = req.url === '/v2/' ? 200 : 404;
    res.end();
  });
  const endpoints = await endpointsFor('docker.io', { mirrors: [`http://${mirror}/`] }, 'pull');
  assert.deepEqual(
    endpoints.map((e) => e.url),
    [`http://${mirror}`, 'https://registry-1.docker.io'],
  );
  assert.equal((await endpointsFor('docker.io', { mirrors: [`http://${mirror}`] }, 'push')).length, 1);
  const registry = new Registry({ mirrors: [`http://${mirror}`] });
  const repository = await registry.repository(parseReference('busybox'), {
    purpose: 'pull',
    auth: { username: 'me', password: 'pw' },
  });
  await assert.rejects(repository.head('latest', AbortSignal.timeout(3000)));
  assert.ok(told.length >= 2);
  assert.ok(told.every((t) => t === undefined));
  await registry.close();
});

test('an old manifest is refused by name, a huge one by size', async () => {
  const answers: Record<string, [string, Buffer]> = {
    v1: [MEDIA.dockerSchema1Signed, Buffer.from('{"schemaVersion":1,"name":"a","fsLayers":[]}')],
    huge: [MEDIA.ociManifest, Buffer.alloc(5 << 20, ' ')],
    both: [MEDIA.ociIndex, Buffer.from('{"schemaVersion":2,"manifests":[],"layers":[],"config":{}}')],
  };
  const host = await serve((_req, res, url) => {
    const [type, body] = answers[url.pathname.split('/').at(-1) ?? ''] ?? ['text/plain', Buffer.alloc(0)];
    res.writeHead(200, { 'content-type': type });
    res.end(body);
  });
  const registry = new Registry();
  const repository = await registry.repository(parseReference(`${host}/a`), { purpose: 'pull' });
  await assert.rejects(repository.manifest('v1'), /schema 1 are not supported/);
  await assert.rejects(repository.manifest('huge'), /larger than/);
  await assert.rejects(repository.manifest('both'), /both manifests and layers/);
  await registry.close();
});

test('a busy registry is asked again', async () => {
  let asked = 0;
  const host = await serve((req, res) => {
    if (req.url !== '/v2/' && ++asked < 3) res.statusCode = 503;
    else res.setHeader('content-type', MEDIA.ociManifest);
    res.end(req.url === '/v2/' ? '' : MANIFEST);
  });
  const registry = new Registry();
  const repository = await registry.repository(parseReference(`${host}/a`), { purpose: 'pull' });
  assert.equal((await repository.manifest('x')).digest, digestOf(MANIFEST));
  assert.equal(asked, 3);
  await registry.close();
});

test('challenges are read as RFC 9110 writes them', () => {
  assert.deepEqual(
    parseChallenges('Bearer realm="https://a/t",service="s, \\"x\\"",scope="r:a:pull,push", Basic realm=b'),
    [
      { scheme: 'bearer', params: { realm: 'https://a/t', service: 's, "x"', scope: 'r:a:pull,push' } },
      { scheme: 'basic', params: { realm: 'b' } },
    ],
  );
});

test('insecure registries by name, by network, and every loopback', async () => {
  const config = { insecureRegistries: ['reg.test:5000', '10.1.0.0/16'] };
  for (const host of [
    'reg.test:5000',
    '10.1.2.3',
    '10.1.2.3:80',
    '127.9.9.9:1',
    'localhost:1',
    '[::1]:5000',
  ]) {
    assert.equal(await isInsecure(host, config), true, host);
  }
  for (const host of ['reg.test', '10.2.0.1', '8.8.8.8:443'])
    assert.equal(await isInsecure(host, config), false, host);
});

test('a proxy is used where Go would use it', () => {
  const config = {
    httpProxy: 'proxy:3128',
    httpsProxy: 'http://secure:1',
    noProxy: 'in.test, .sub.test,10.0.0.0/8,host.test:81',
  };
  const by = (url: string): string | undefined => proxyFor(new URL(url), config);
  assert.equal(by('http://reg.test:5000/v2/'), 'http://proxy:3128');
  assert.equal(by('https://reg.test/v2/'), 'http://secure:1');
  assert.equal(by('http://host.test/'), 'http://proxy:3128');
  assert.equal(by('http://sub.test/'), 'http://proxy:3128');
  for (const url of [
    'http://in.test/',
    'http://a.in.test/',
    'https://x.sub.test/',
    'http://10.1.2.3:5000/',
    'http://host.test:81/',
    'http://localhost:5000/',
    'http://[::1]:1/',
    'http://127.0.0.9/',
  ]) {
    assert.equal(by(url), undefined, url);
  }
  assert.equal(proxyFor(new URL('https://x/'), { httpProxy: 'p' }), undefined);
  assert.equal(proxyFor(new URL('http://x/'), { httpProxy: 'p', noProxy: '*' }), undefined);
});

test('through a proxy, a name that only the proxy can resolve', async () => {
  const asked: string[] = [];
  const proxy = await serve((req, res) => {
    asked.push(`${req.method} ${req.url}`);
    res.setHeader('content-type', MEDIA.ociManifest);
    res.end(req.url?.endsWith('/v2/') ? '' : MANIFEST);
  });
  const registry = new Registry({ httpProxy: `http://${proxy}`, insecureRegistries: ['reg.invalid:5000'] });
  const repository = await registry.repository(parseReference('reg.invalid:5000/a'), { purpose: 'pull' });
  assert.equal((await repository.manifest('x')).digest, digestOf(MANIFEST));
  assert.deepEqual(asked, [
    'GET http://reg.invalid:5000/v2/',
    'GET http://reg.invalid:5000/v2/a/manifests/x',
  ]);
  await registry.close();
});
