import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { lstatSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request as httpsRequest } from 'node:https';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type ConnectionOptions, connect as tlsConnect } from 'node:tls';
import { createApiServer } from './server.ts';
import { fakeBackends, memoryLog, serve } from './testing/fake-backends.ts';
import { exchange, rawClient, request, UPGRADE } from './testing/raw-client.ts';

test('ping tells version, builder and swarm state, for GET and HEAD', async () => {
  await using api = await serve({});
  const get = await exchange(api.path, request('GET', '/_ping'));
  assert.equal(get.body, 'OK');
  const head = await exchange(api.path, request('HEAD', '/v1.30/_ping'));
  assert.equal(head.body, '');
  for (const answer of [get, head]) {
    assert.equal(answer.status, 200);
    for (const header of [
      'Api-Version: 1.51',
      'Docker-Experimental: false',
      'Ostype: linux',
      'Server: Docker/0.1.0 (linux)',
      'Builder-Version: 1',
      'Swarm: inactive',
      'Content-Type: text/plain; charset=utf-8',
    ]) {
      assert.ok(answer.head.includes(`\r\n${header}`), header);
    }
  }
});

test('versions outside the range are refused in the words clients match on', async () => {
  await using api = await serve(fakeBackends());
  const cases: [string, number, string][] = [
    ['1.99', 400, 'client version 1.99 is too new. Maximum supported API version is 1.51'],
    ['1.52', 400, 'client version 1.52 is too new. Maximum supported API version is 1.51'],
    [
      '1.23',
      400,
      'client version 1.23 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version',
    ],
  ];
  for (const [version, status, message] of cases) {
    const answer = await exchange(api.path, request('GET', `/v${version}/info`));
    assert.equal(answer.status, status);
    assert.deepEqual(JSON.parse(answer.body), { message });
    assert.match(answer.head, /Api-Version: 1\.51/);
  }
  for (const version of ['1.24', '1.51']) {
    assert.equal((await exchange(api.path, request('GET', `/v${version}/info`))).status, 200);
  }
});

test('what does not exist is "page not found"; OPTIONS is always fine', async () => {
  await using api = await serve(fakeBackends());
  for (const [method, path] of [
    ['GET', '/nope'],
    ['GET', '/v1.41/nope'],
    ['PUT', '/containers/json'],
    ['GET', '/containers/create'],
  ] as const) {
    const answer = await exchange(api.path, request(method, path));
    assert.equal(answer.status, 404);
    assert.equal(answer.body, '{"message":"page not found"}\n');
  }
  assert.equal((await exchange(api.path, request('OPTIONS', '/anything'))).status, 200);
  assert.equal((await exchange(api.path, request('GET', '/containers/%zz/json'))).status, 400);
});

test('an absent backend or operation is 501 and says what', async () => {
  await using api = await serve({ containers: fakeBackends().containers });
  const stats = await exchange(api.path, request('GET', '/containers/c1/stats'));
  assert.deepEqual(
    [stats.status, stats.body],
    [501, '{"message":"not implemented: stats: this version of Wharf lacks statistics of containers"}\n'],
  );
  const build = await exchange(api.path, request('POST', '/build'));
  assert.deepEqual([build.status, build.body], [501, '{"message":"not implemented: build"}\n']);
});

test('an unexpected failure is a 500, logged; credentials stay out of it', async () => {
  const log = memoryLog();
  const backends = fakeBackends();
  backends.system.info = () => {
    throw new Error('cannot reach https://joe:hunter2@registry/v2/');
  };
  await using api = await serve(backends, { log });
  const answer = await exchange(api.path, request('GET', '/info'));
  assert.deepEqual(
    [answer.status, JSON.parse(answer.body).message],
    [500, 'cannot reach https://[redacted]@registry/v2/'],
  );
  assert.equal(log.errors.length, 1);
});

test('one connection serves many requests, also pipelined ones', async () => {
  await using api = await serve(fakeBackends());
  const client = await rawClient(
    api.path,
    request('GET', '/_ping') + request('GET', '/version') + request('GET', '/nope'),
  );
  const text = await client.until('page not found');
  assert.equal(text.match(/HTTP\/1\.1 /g)?.length, 3);
  client.socket.write(request('GET', '/info'));
  await client.until('RuncCommit');
  client.socket.destroy();
});

test('the absolute form of a request works', async () => {
  await using api = await serve(fakeBackends());
  assert.equal((await exchange(api.path, request('GET', 'http://docker/v1.41/_ping'))).body, 'OK');
});

test('a client that half-closes after its request still gets the answer', async () => {
  await using api = await serve(fakeBackends());
  const client = await rawClient(api.path, request('GET', '/version'));
  client.socket.end();
  assert.match(await client.ended(), /MinAPIVersion/);
});

test('a request for the group and mode of the socket is followed', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'wharf-api-'));
  const path = join(dir, 'sub', 'api.sock');
  const server = createApiServer({}, { version: '0' });
  await server.listenUnix(path, { group: 'daemon' });
  const stat = lstatSync(path);
  assert.equal(stat.mode & 0o777, 0o660);
  assert.equal(stat.gid, Number(/^daemon:[^:]*:(\d+)/m.exec(readFileSync('/etc/group', 'utf8'))?.[1]));
  await server.close();
  assert.equal(lstatSync(path, { throwIfNoEntry: false }), undefined);
  rmSync(dir, { recursive: true });
});

test('a dead socket is replaced, a live one and a file are not', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'wharf-api-'));
  const path = join(dir, 'api.sock');
  // A socket whose listener died without removing it.
  execFileSync('python3', [
    '-c',
    `import socket; socket.socket(socket.AF_UNIX).bind(${JSON.stringify(path)})`,
  ]);
  const first = createApiServer({}, { version: '0' });
  await first.listenUnix(path);
  assert.match((await exchange(path, request('GET', '/_ping'))).body, /OK/);
  const second = createApiServer({}, { version: '0' });
  await assert.rejects(second.listenUnix(path), { kind: 'Conflict', message: /another daemon is listening/ });
  assert.match((await exchange(path, request('GET', '/_ping'))).body, /OK/);
  await first.close();
  writeFileSync(path, '');
  await assert.rejects(second.listenUnix(path), { kind: 'InvalidParameter' });
  rmSync(dir, { recursive: true });
});

test('an inherited descriptor is served', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'wharf-api-'));
  const path = join(dir, 'api.sock');
  const owner = createServer().listen(path);
  await once(owner, 'listening');
  const handle: unknown = Reflect.get(owner, '_handle');
  const script = `
    import { createApiServer } from ${JSON.stringify(join(import.meta.dirname, 'server.ts'))};
    await createApiServer({}, { version: '0' }).listenFd(3);
    console.log('ready');`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit', Number(Reflect.get(handle as object, 'fd'))],
  });
  await once(child.stdout ?? assert.fail(), 'data');
  // Both processes may accept; only one of them answers.
  owner.on('connection', (socket) => socket.destroy());
  let body = '';
  for (let i = 0; i < 50 && body !== 'OK'; i++) {
    body = (await exchange(path, request('GET', '/_ping'))).body;
  }
  assert.equal(body, 'OK');
  child.kill();
  await once(child, 'exit');
  owner.close();
  rmSync(dir, { recursive: true, force: true });
});

test('close lets a short request finish and cuts long streams', async () => {
  const backends = fakeBackends();
  const { promise, resolve } = Promise.withResolvers<{ ID: string }>();
  const { promise: asked, resolve: onAsked } = Promise.withResolvers<void>();
  backends.system.info = () => {
    onAsked();
    return promise;
  };
  const api = await serve(backends);
  const stream = await rawClient(api.path, request('GET', '/events'));
  await stream.until('200 OK');
  const short = await rawClient(api.path, request('GET', '/info'));
  await asked;
  const closed = api.server.close(5000);
  await stream.ended();
  setTimeout(() => resolve({ ID: 'finished' }), 20);
  assert.match(await short.until('finished'), /200 OK/);
  short.socket.destroy();
  await closed;
  assert.equal(backends.events.listeners, 0);
  await api[Symbol.asyncDispose]();
});

test('mutual TLS: with the certificate it serves, attach half-closes; without it nothing', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'wharf-api-'));
  const pki = makePki(dir);
  const backends = fakeBackends();
  const server = createApiServer(backends, { version: '0' });
  const { port } = await server.listenTcp({
    host: '127.0.0.1',
    port: 0,
    tls: { key: pki.key, cert: pki.cert, ca: pki.ca },
  });
  const get = (identity: object): Promise<string> =>
    new Promise((resolve, reject) => {
      const req = httpsRequest(
        { port, host: '127.0.0.1', path: '/_ping', ca: pki.ca, agent: false, ...identity },
        (res) => {
          res.setEncoding('utf8').on('data', (chunk) => resolve(String(chunk)));
        },
      );
      req.on('error', reject).end();
    });
  assert.equal(await get({ key: pki.key, cert: pki.cert }), 'OK');
  await assert.rejects(get({}));

  const options: ConnectionOptions & { allowHalfOpen: boolean } = {
    port,
    host: '127.0.0.1',
    ca: pki.ca,
    key: pki.key,
    cert: pki.cert,
    allowHalfOpen: true,
  };
  const socket = tlsConnect(options);
  await once(socket, 'secureConnect');
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk;
  });
  socket.write(request('POST', '/containers/tty/attach?stdin=1&stream=1&stdout=1', { headers: UPGRADE }));
  const far = await backends.far();
  let stdin = '';
  far.on('data', (chunk) => {
    stdin += chunk;
  });
  socket.end('in');
  await once(far, 'end');
  assert.equal(stdin, 'in');
  far.end('out');
  await once(socket, 'end');
  assert.ok(text.endsWith('\r\n\r\nout'));
  socket.destroy();
  await server.close(50);
  rmSync(dir, { recursive: true });
});

/** A self-signed certificate that is its own authority, for server and client. */
function makePki(dir: string): { key: string; cert: string; ca: string } {
  const [key, cert] = [join(dir, 'key.pem'), join(dir, 'cert.pem')];
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
      '/CN=wharf-test',
    ].concat(['-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert]),
    { stdio: 'ignore' },
  );
  const pem = readFileSync(cert, 'utf8');
  return { key: readFileSync(key, 'utf8'), cert: pem, ca: pem };
}
