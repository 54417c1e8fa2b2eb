import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ApiError, CliError } from '../errors.ts';
import { ApiClient, compareVersions, encodeQuery, escapePath } from './client.ts';
import { Demultiplexer } from './demux.ts';
import { parseEndpoint } from './endpoint.ts';

const directory = mkdtempSync(join(tmpdir(), 'wharf-cli-'));
const path = join(directory, 'socket');
let server: Server;
let answer: (socket: Socket, request: string) => void;

before(() => {
  server = createServer({ allowHalfOpen: true }, (socket) => {
    let seen = '';
    let answered = false;
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      seen += chunk.toString('latin1');
      if (answered || !seen.includes('\r\n\r\n')) return;
      answered = true;
      answer(socket, seen);
    });
  });
  return new Promise<void>((ready) => server.listen(path, ready));
});
after(() => {
  server.close();
  rmSync(directory, { recursive: true });
});

const client = () => new ApiClient(parseEndpoint(`unix://${path}`));

/** Sends text in pieces of a few bytes, so that every boundary is met. */
const trickle = (socket: Socket, text: string, size: number): void => {
  for (let i = 0; i < text.length; i += size) socket.write(text.slice(i, i + size), 'latin1');
};

test('bodies: by length, in chunks cut anywhere, to the end of the connection', async () => {
  for (const size of [1, 2, 3, 7, 1000]) {
    answer = (s) => trickle(s, 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello', size);
    assert.equal(await client().text('GET', '/x'), 'hello');
    answer = (s) =>
      trickle(
        s,
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nT: v\r\n\r\n',
        size,
      );
    assert.equal(await client().text('GET', '/x'), 'hello');
    answer = (s) => {
      trickle(s, 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\n\r\nhello', size);
      s.end();
    };
    assert.equal(await client().text('GET', '/x'), 'hello');
  }
});

test('a body cut short is an error, not a short body', async () => {
  answer = (s) => s.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello');
  await assert.rejects(client().text('GET', '/x'), /unexpected EOF/);
  answer = (s) => s.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n');
  await assert.rejects(client().text('GET', '/x'), /unexpected EOF/);
  answer = (s) => s.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n');
  await assert.rejects(client().text('GET', '/x'), /malformed/);
  answer = (s) => s.end();
  await assert.rejects(client().text('GET', '/x'), /closed the connection/);
  answer = (s) => s.end('SSH-2.0-x\r\n\r\n');
  await assert.rejects(client().text('GET', '/x'), /does not speak HTTP/);
});

test('errors carry the status and the words of the daemon', async () => {
  answer = (s) => s.end('HTTP/1.1 404 Not Found\r\n\r\n{"message":"no such: \\"x\\""}');
  await assert.rejects(client().get('/x'), (err: unknown) => {
    assert.ok(err instanceof ApiError);
    assert.equal(err.status, 404);
    assert.equal(err.message, 'Error response from daemon: no such: "x"');
    return true;
  });
});

test('no daemon: says where it looked', async () => {
  const nobody = new ApiClient(parseEndpoint('unix:///nonexistent/socket'));
  await assert.rejects(nobody.get('/x'), {
    message: 'Cannot connect to the Wharf daemon at unix:///nonexistent/socket. Is wharfd running?',
  });
});

test('requests: length of a JSON body, chunks of a stream', async () => {
  let request = '';
  answer = (s, text) => {
    request = text;
    s.end('HTTP/1.1 204 No Content\r\n\r\n');
  };
  await client().done('POST', '/x', {
    body: { a: 'ü' },
    query: { t: 1, all: true, no: false, names: ['a b', 'c'] },
  });
  assert.match(request, /^POST \/x\?t=1&all=1&names=a%20b&names=c HTTP\/1\.1\r\n/);
  assert.match(request, /Content-Length: 10\r\n/);
  answer = (s, text) => {
    request = text;
    const check = (): void => {
      if (request.endsWith('0\r\n\r\n')) s.end('HTTP/1.1 204 No Content\r\n\r\n');
    };
    s.on('data', (chunk) => {
      request += chunk.toString('latin1');
      check();
    });
    check();
  };
  const stream = (async function* () {
    for (const part of ['abc', '', 'defgh']) yield Buffer.from(part);
  })();
  await client().done('POST', '/x', { stream });
  assert.match(request, /Transfer-Encoding: chunked\r\n[\s\S]*\r\n\r\n3\r\nabc\r\n5\r\ndefgh\r\n0\r\n\r\n$/);
});

test('a hijacked connection is raw both ways, and closes by halves', async () => {
  answer = (s) => {
    s.write('HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\nearly ');
    let got = '';
    s.on('data', (chunk) => {
      got += chunk.toString();
    });
    s.on('end', () => s.end(`got ${got}`));
  };
  const { socket, contentType } = await client().hijack('/attach');
  assert.equal(contentType, 'application/vnd.docker.raw-stream');
  socket.end('input');
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  assert.equal(text, 'early got input');
});

test('frames cut anywhere', () => {
  const frame = (stream: number, text: string): Buffer => {
    const head = Buffer.alloc(8);
    head[0] = stream;
    head.writeUInt32BE(text.length, 4);
    return Buffer.concat([head, Buffer.from(text)]);
  };
  const all = Buffer.concat([frame(1, 'out'), frame(2, 'err'), frame(1, ''), frame(1, 'more')]);
  for (const size of [1, 3, 8, 11, 100]) {
    const got = { 1: '', 2: '' };
    const demux = new Demultiplexer((stream, data) => {
      got[stream] += data.toString();
    });
    for (let i = 0; i < all.length; i += size) demux.push(all.subarray(i, i + size));
    assert.deepEqual(got, { 1: 'outmore', 2: 'err' });
  }
  const demux = new Demultiplexer(() => {});
  assert.throws(() => demux.push(frame(3, 'broken')), { message: 'error from daemon in stream: broken' });
  assert.throws(
    () => new Demultiplexer(() => {}).push(Buffer.from('plain text')),
    /Unrecognized input header: 112/,
  );
});

test('addresses of daemons', () => {
  const show = (host: string) => {
    const e = parseEndpoint(host);
    return e.kind === 'unix' ? e.path : `${e.host} ${e.port} ${e.prefix}`;
  };
  assert.equal(show('unix:///a/b'), '/a/b');
  assert.equal(show('/a/b'), '/a/b');
  assert.equal(show('tcp://h:1/p/'), 'h 1 /p');
  assert.equal(show('tcp://[::1]:5'), '::1 5 ');
  assert.equal(show('h:5'), 'h 5 ');
  assert.equal(show('tcp://h'), 'h 2375 ');
  assert.equal(parseEndpoint('tcp://h', { verify: true, explicit: true }).display, 'tcp://h:2376');
  for (const bad of ['foo://x', 'tcp://h:99999', 'ssh://h', 'tcp://a b'])
    assert.throws(() => parseEndpoint(bad), CliError);
});

test('names in paths and versions', () => {
  assert.equal(escapePath('host:5000/a b@sha256:0'), 'host:5000/a%20b@sha256:0');
  assert.equal(escapePath('../x?y#z'), '../x%3Fy%23z');
  assert.equal(encodeQuery({}), '');
  assert.ok(compareVersions('1.9', '1.41') < 0);
});
