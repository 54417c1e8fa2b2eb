import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { connectUnix, isErrno, listenUnix, socketPair } from './index.ts';

test('listening and connecting at paths short and beyond 107 bytes, as Node’s sockets', async () => {
  const base = fs.mkdtempSync(join(tmpdir(), 'wharf-sock-'));
  const deep = join(base, 'd'.repeat(120));
  fs.mkdirSync(deep);
  for (const path of [join(base, 's'), join(deep, 's')]) {
    const server = net.createServer((socket) => socket.end('hello'));
    await new Promise<void>((resolve) => server.listen({ fd: listenUnix(path) }, resolve));
    assert.ok(fs.statSync(path).isSocket());
    const text = await new Promise((resolve) => {
      const socket = new net.Socket({ fd: connectUnix(path), readable: true, writable: true });
      socket.once('data', (data) => resolve(String(data))).resume();
    });
    assert.equal(text, 'hello');
    assert.throws(
      () => listenUnix(path),
      (err) => isErrno(err, 'EADDRINUSE'),
    );
    await new Promise((resolve) => server.close(resolve));
  }
  const open = fs.readdirSync('/proc/self/fd').length;
  assert.throws(
    () => connectUnix(join(base, 'absent')),
    (err) => isErrno(err, 'ENOENT'),
  );
  assert.equal(fs.readdirSync('/proc/self/fd').length, open); // nothing leaks on failure
  fs.rmSync(base, { recursive: true });
});

test('a socket pair is connected', () => {
  const [a, b] = socketPair();
  fs.writeSync(a, 'x');
  assert.equal(fs.readSync(b, Buffer.alloc(10)), 1);
  fs.closeSync(a);
  assert.equal(fs.readSync(b, Buffer.alloc(10)), 0);
  fs.closeSync(b);
});
