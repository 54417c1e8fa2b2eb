import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import type { ShimHandle } from './index.ts';
import { demultiplex, exited, gone, readAll, ShimFixture, until } from './testing/shim-fixture.ts';

let fixture: ShimFixture;
let server: Server;
before(async () => {
  fixture = new ShimFixture();
  server = createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(`${fixture.root}/api.sock`);
  await once(server, 'listening');
});
after(async () => {
  server.close();
  await fixture.close();
});

const sh = (script: string): string[] => ['sh', '-c', script];
const all = { stdin: true, stdout: true, stderr: true };
const input = { openStdin: true, stdinOnce: true };

/** Both ends of a client's connection. */
async function connection(): Promise<{ client: Socket; server: Socket }> {
  const accepted = once(server, 'connection');
  const client = connect({ path: `${fixture.root}/api.sock`, allowHalfOpen: true });
  const [theirs] = (await accepted) as [Socket];
  return { client, server: theirs };
}

async function handOver(shim: ShimHandle, theirs: Socket): Promise<void> {
  const stream = await shim.attach(all);
  assert.equal(stream.handOver(theirs), true);
  await once(stream, 'close');
  assert.equal(theirs.destroyed, true);
}

test('before the start: both directions, half-close, the end', async () => {
  const shim = fixture.create(sh('cat; echo end >&2'), input);
  const { client, server: theirs } = await connection();
  await handOver(shim, theirs);
  client.write('one\n');
  const output = readAll(client);
  await shim.start();
  client.end('two\n');
  assert.deepEqual(demultiplex(await output), { stdout: 'one\ntwo\n', stderr: 'end\n' });
  assert.equal((await exited(shim)).exitCode, 0);
});

test('what the daemon had read already comes first', async () => {
  const shim = fixture.create(['cat'], input);
  const { client, server: theirs } = await connection();
  client.end('early\n');
  theirs.resume();
  await once(theirs, 'data').then(([chunk]) => theirs.unshift(chunk as Buffer));
  theirs.pause();
  const output = readAll(client);
  const stream = await shim.attach(all);
  assert.equal(stream.handOver(theirs), true);
  await shim.start();
  assert.equal(demultiplex(await output).stdout, 'early\n');
});

test('in the midst of output: every byte once and in order', async () => {
  const shim = fixture.create(sh('seq 1 200000; read x; seq 200001 300000'), input);
  const stream = await shim.attach(all);
  await shim.start();
  await new Promise((resolve) => setTimeout(resolve, 100));
  const { client, server: theirs } = await connection();
  assert.equal(stream.handOver(theirs), true);
  const closed = once(stream, 'close');
  const output = readAll(client);
  await closed;
  client.write('go\n');
  const numbers = demultiplex(await output)
    .stdout.trimEnd()
    .split('\n');
  assert.equal(numbers.length, 300000);
  assert.ok(numbers.every((n, i) => Number(n) === i + 1));
});

test('a process that ends at once: nothing is lost', async () => {
  for (let i = 0; i < 10; i++) {
    const shim = fixture.create(['echo', 'hi']);
    const stream = await shim.attach({ ...all, stdin: false });
    const { client, server: theirs } = await connection();
    const output = readAll(client);
    const started = shim.start();
    if (i % 2 === 1) await exited(shim);
    assert.equal(stream.handOver(theirs), true);
    await started;
    assert.equal(demultiplex(await output).stdout, 'hi\n');
    client.end();
    await gone(shim);
  }
});

test('an exec; a client that goes away ends its input', async () => {
  const shim = fixture.create(['sleep', '100']);
  await shim.start();
  const ended: string[] = [];
  shim.onExecExit((id) => ended.push(id));
  const { client, server: theirs } = await connection();
  const { stream } = await shim.exec({
    execId: 'e',
    process: fixture.process(['cat']),
    tty: false,
    stdin: true,
  });
  assert.equal(stream!.handOver(theirs), true);
  client.write('x');
  await once(client, 'data');
  client.destroy();
  await until(() => ended.includes('e'), 'its end');
  const sockets = (): number =>
    fs
      .readdirSync(`/proc/${shim.pid}/fd`)
      .filter((fd) => fs.readlinkSync(`/proc/${shim.pid}/fd/${fd}`).startsWith('socket:')).length;
  await until(() => sockets() === 2, 'only listener and control are left');
});

test('a stream in use is not handed over', async () => {
  const shim = fixture.create(['cat'], input);
  const stream = await shim.attach(all);
  await shim.start();
  stream.write('a');
  const { client, server: theirs } = await connection();
  assert.equal(stream.handOver(theirs), false);
  stream.end('b');
  assert.equal(demultiplex(await readAll(stream)).stdout.length, 2);
  client.destroy();
});

test('a client by TCP that is still sending when the process ends gets all of its output', async () => {
  const tcp = createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(0, '127.0.0.1');
  await once(tcp, 'listening');
  const { port } = tcp.address() as AddressInfo;
  for (let i = 0; i < 3; i++) {
    const accepted = once(tcp, 'connection');
    const client = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    const [theirs] = (await accepted) as [Socket];
    const shim = fixture.create(sh('seq 1 50000'), input);
    await handOver(shim, theirs);
    client.on('error', () => {});
    const chatter = setInterval(() => client.write(Buffer.alloc(50_000)), 1);
    await shim.start();
    await exited(shim);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const numbers = demultiplex(await readAll(client))
      .stdout.trimEnd()
      .split('\n');
    clearInterval(chatter);
    assert.equal(numbers.length, 50000);
    client.destroy();
    await until(() => !fs.existsSync(`/proc/${shim.pid}`), 'the shim has ended');
  }
  tcp.close();
});
