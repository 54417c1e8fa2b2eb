/** The resolver at 127.0.0.11, asked from inside containers by busybox's nslookup and by raw messages. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { inNamespaces, Lab } from './lab.ts';
import type { NetworkService } from './network-service.ts';

const A = 'a'.repeat(64);
const B = 'b'.repeat(64);
const C = 'c'.repeat(64);
const D = 'd'.repeat(64);
const E = 'e'.repeat(64);

/** A nameserver for the world: knows `example.com`, over UDP and TCP. */
const UPSTREAM = `
  const answer = (query) => {
    const reply = Buffer.concat([query, Buffer.from('c00c00010001000000ff0004c6336401', 'hex')]);
    reply.writeUInt16BE(0x8180, 2);
    reply.writeUInt16BE(1, 6);
    return reply;
  };
  const udp = require('node:dgram').createSocket('udp4');
  udp.on('message', (query, from) => udp.send(answer(query), from.port, from.address));
  require('node:net').createServer((socket) => socket.on('data', (data) => {
    const reply = answer(data.subarray(2));
    const length = Buffer.alloc(2);
    length.writeUInt16BE(reply.length);
    socket.write(Buffer.concat([length, reply]));
  })).listen(53, () => udp.bind(53, () => console.log('ready')));
`;

if (inNamespaces(import.meta.url)) {
  let lab: Lab;
  let service: NetworkService;
  let a: string;
  let b: string;
  let d: string;

  before(async () => {
    lab = new Lab();
    ({ service } = lab.service());
    service.init(new Set());
    service.create({ Name: 'mine' });
    service.create({ Name: 'inner', Internal: true });
    a = lab.start(service, A, {
      name: 'Web',
      hostname: 'webhost',
      networkMode: 'mine',
      endpointsConfig: { mine: { Aliases: ['www', 'pool'] } },
    });
    b = lab.start(service, B, {
      name: 'db',
      networkMode: 'mine',
      endpointsConfig: { mine: { Aliases: ['pool'], Links: ['Web:front'] } },
    });
    lab.start(service, C, { name: 'stranger' });
    d = lab.start(service, D, { name: 'dns', networkMode: 'inner', exposedPorts: ['53/udp'] });
    await lab.launch(lab.neighbour, UPSTREAM);
  });
  after(async () => {
    for (const id of [A, B, C, D]) service.release(id);
    for (const name of ['mine', 'inner']) await service.remove(name);
    await service.destroy();
    lab.close();
  });

  /** The addresses (or names) that nslookup finds in a container; its complaint when it finds none. */
  const lookup = async (netns: string, name: string, type = 'a'): Promise<string> => {
    const child = spawn(
      'nsenter',
      [`--net=${netns}`, 'busybox', 'nslookup', `-type=${type}`, name, '127.0.0.11'],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    const output = await text(child.stdout);
    const found = [...output.matchAll(/^(?:Address: |.*name = )(\S+)$/gm)].map(([, value]) => value);
    return found.sort().join(' ') || (/NXDOMAIN|SERVFAIL/.exec(output)?.[0] ?? 'nothing');
  };
  const addressOf = (id: string): string =>
    Object.values(service.settings(id)?.Networks ?? {})[0]?.IPAddress ?? '';

  test('containers of a user’s network know each other by name, alias, id and host name', async () => {
    for (const name of ['Web', 'web', 'www', A.slice(0, 12), 'webhost', 'web.mine', 'front']) {
      assert.equal(await lookup(b, name), addressOf(A), name);
    }
    assert.equal(await lookup(a, 'db'), addressOf(B));
    assert.equal(await lookup(a, 'pool'), [addressOf(A), addressOf(B)].sort().join(' '));
    assert.equal(
      await lookup(a, `${addressOf(B).split('.').reverse().join('.')}.in-addr.arpa`, 'ptr'),
      'db.mine',
    );
    assert.equal(await lookup(b, 'web', 'aaaa'), 'nothing');
  });

  test('other names are passed on to the host’s nameservers', async () => {
    assert.equal(await lookup(a, 'example.com'), '198.51.100.1');
    // A link's alias and other networks' containers are not theirs to know, so the world is asked.
    assert.equal(await lookup(a, 'front'), '198.51.100.1');
    assert.equal(await lookup(a, 'stranger'), '198.51.100.1');
    assert.equal(await lookup(d, 'example.com'), 'SERVFAIL');
  });

  test('a container that is a DNS server itself keeps port 53', async () => {
    assert.equal(await lookup(d, 'dns'), addressOf(D));
    assert.equal(lab.run(d, 'nc -l -p 53 & sleep 0.2; kill %1').output, '');
  });

  test('TCP is answered as UDP is, many questions on a connection', async () => {
    const ask = `
      const query = (name) => { const q = Buffer.concat([Buffer.from('000701000001000000000000', 'hex'),
        ...name.split('.').map((l) => Buffer.from(String.fromCharCode(l.length) + l)), Buffer.from('0000010001', 'hex')]);
        return Buffer.concat([Buffer.from([0, q.length]), q]); };
      let got = Buffer.alloc(0);
      const s = require('node:net').connect(53, '127.0.0.11', () => s.write(Buffer.concat([query('web'), query('example.com')])));
      s.on('data', (d) => { got = Buffer.concat([got, d]); const out = [];
        for (let at = 0; at + 2 <= got.length;) { const n = got.readUInt16BE(at); if (at + 2 + n > got.length) return; out.push([...got.subarray(at + 2 + n - 4, at + 2 + n)].join('.')); at += 2 + n; }
        if (out.length === 2) { console.log(out.sort().join(' ')); process.exit(); } });`;
    const child = spawn('nsenter', [`--net=${a}`, process.execPath, '-e', ask], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    assert.equal((await text(child.stdout)).trim(), [addressOf(A), '198.51.100.1'].sort().join(' '));
  });

  test('names follow a rename, and are answered again after a restart of the daemon', async () => {
    service.rename(A, 'renamed');
    assert.equal(await lookup(b, 'renamed'), addressOf(A));
    service.close();
    ({ service } = lab.service());
    service.init(new Set([A, B, C, D]));
    assert.equal(await lookup(b, 'renamed'), addressOf(A));
  });

  test('nameservers that cannot be reached are passed over; with none left the answer is a failure', async () => {
    const e = lab.start(service, E, {
      networkMode: 'mine',
      dns: ['198.18.255.1', '203.0.113.1', '192.0.2.9'],
    });
    lab.run(undefined, 'ip route add unreachable 198.18.255.1; ip route add unreachable 203.0.113.1');
    assert.equal(await lookup(e, 'example.com'), '198.51.100.1');
    service.release(E);
    lab.start(service, E, { networkMode: 'mine', dns: ['198.18.255.1', '203.0.113.1'] });
    assert.equal(await lookup(e, 'example.com'), 'SERVFAIL');
    service.release(E);
  });

  test('malformed questions are not answered and do no harm', async () => {
    const junk = `
      const udp = require('node:dgram').createSocket('udp4');
      udp.connect(53, '127.0.0.11', () => {
        for (const hex of ['', '00', '000701000001000000000000', '000701000001000000000000ff', '00070100000100000000000005', '000781000001000000000000000000010001', '000701000002000000000000000000010001'])
          udp.send(Buffer.from(hex, 'hex'));
        setTimeout(() => process.exit(), 100);
      });
      udp.on('message', () => console.log('answered'));`;
    const child = spawn('nsenter', [`--net=${a}`, process.execPath, '-e', junk], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    assert.equal(await text(child.stdout), '');
    assert.equal(await lookup(a, 'db'), addressOf(B));
  });
}
