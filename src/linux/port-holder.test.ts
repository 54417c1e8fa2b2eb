import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { portHolder } from './index.ts';

test('the process that listens on a port is found, and nobody where nobody does', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  assert.equal(portHolder('tcp', address.port)?.pid, process.pid);
  assert.equal(portHolder('udp', address.port), undefined);
  server.close();
  await once(server, 'close');
  assert.equal(portHolder('tcp', address.port), undefined);
});
