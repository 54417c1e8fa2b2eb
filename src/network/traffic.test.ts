/** Real traffic, in namespaces of their own: who reaches whom, and under which address. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { newRoute, Rtnetlink, withNetns } from '../linux/index.ts';
import { HOST_ADDRESS, inNamespaces, Lab, NEIGHBOUR_ADDRESS } from './lab.ts';
import type { NetworkService } from './network-service.ts';

const A = 'a'.repeat(64);
const B = 'b'.repeat(64);
const C = 'c'.repeat(64);
const D = 'd'.repeat(64);

if (inNamespaces(import.meta.url)) {
  let lab: Lab;
  let service: NetworkService;
  let a: string;
  let b: string;
  let c: string;
  let gateway: string;

  before(async () => {
    lab = new Lab();
    ({ service } = lab.service());
    service.init(new Set());
    a = lab.start(service, A, {
      portBindings: {
        '80/tcp': [{ HostPort: '8080' }],
        '80/udp': [{ HostPort: '8080' }],
        '81/tcp': [{ HostIp: '127.0.0.1', HostPort: '8081' }],
      },
    });
    b = lab.start(service, B);
    service.create({ Name: 'other' });
    c = lab.start(service, C, { networkMode: 'other' });
    gateway = service.settings(A)?.Gateway ?? '';
    await Promise.all([
      lab.serve(a, 80, 'web'),
      lab.serve(a, 81, 'private'),
      lab.serve(a, 82, 'unpublished'),
      lab.serve(lab.neighbour, 80, 'world'),
      lab.serve(undefined, 9999, 'loopback'),
    ]);
    // The neighbour that knows the way to containers must not get in by it.
    withNetns(lab.neighbour, () => {
      const rtnetlink = Rtnetlink.open();
      rtnetlink.run(newRoute({ to: '172.16.0.0/12', via: HOST_ADDRESS }));
      rtnetlink.close();
    });
  });
  after(async () => {
    await service.destroy();
    lab.close();
  });

  /** Calls that are made at once: `from`, address, port, protocol, and what is answered. */
  type Call = [string | undefined, string, number, 'tcp' | 'udp', string];
  const expectAll = async (...calls: Call[]): Promise<void> => {
    const answers = await Promise.all(
      calls.map(([from, ...call]) => lab.call(from, call[0], call[1], call[2])),
    );
    assert.deepEqual(
      answers,
      calls.map((call) => call[4]),
    );
  };

  const addressOf = (id: string): string =>
    Object.values(service.settings(id)?.Networks ?? {})[0]?.IPAddress ?? '';

  test('a container reaches its neighbours and the world, which sees the host', () =>
    expectAll(
      [b, addressOf(A), 82, 'tcp', `unpublished ${addressOf(B)}`],
      [a, NEIGHBOUR_ADDRESS, 80, 'tcp', `world ${HOST_ADDRESS}`],
      [c, NEIGHBOUR_ADDRESS, 80, 'udp', `world ${HOST_ADDRESS}`],
    ));

  test('a published port is reached from the host by any of its addresses', () =>
    expectAll(
      [undefined, addressOf(A), 80, 'tcp', `web ${gateway}`],
      [undefined, '127.0.0.1', 8080, 'tcp', `web ${gateway}`],
      [undefined, HOST_ADDRESS, 8080, 'tcp', `web ${HOST_ADDRESS}`],
      [undefined, '127.0.0.1', 8080, 'udp', `web ${gateway}`],
    ));

  test('by IPv6 too, where the port is published on all addresses', async () => {
    const get = (port: number): Promise<string> =>
      new Promise((resolve) => {
        const socket = connect(port, '::1');
        let got = '';
        socket.on('data', (data) => (got += data));
        socket.on('error', () => resolve('refused'));
        socket.on('close', () => resolve(got));
      });
    assert.equal(await get(8080), `web ${gateway}`);
    assert.equal(await get(8081), 'refused');
  });

  test('a published port is reached from a neighbour, who is seen as himself', () =>
    expectAll(
      [lab.neighbour, HOST_ADDRESS, 8080, 'tcp', `web ${NEIGHBOUR_ADDRESS}`],
      [lab.neighbour, HOST_ADDRESS, 8080, 'udp', `web ${NEIGHBOUR_ADDRESS}`],
    ));

  for (const filtered of ['1', '0']) {
    test(`a published port is reached from containers, the publishing one too (br_netfilter ${filtered})`, async () => {
      lab.run(undefined, `sysctl -w net.bridge.bridge-nf-call-iptables=${filtered}`);
      await expectAll(
        [b, HOST_ADDRESS, 8080, 'tcp', `web ${gateway}`],
        [a, HOST_ADDRESS, 8080, 'tcp', `web ${gateway}`],
        [a, gateway, 8080, 'udp', `web ${gateway}`],
        [c, HOST_ADDRESS, 8080, 'tcp', `web ${addressOf(C)}`],
      );
    });
  }

  test('a port published at 127.0.0.1 is for the host only', async () => {
    // Also not by a route to 127.0.0.1 through us, as a hostile neighbour would try.
    lab.leadLoopback(lab.neighbour, 'lan', HOST_ADDRESS);
    await expectAll(
      [undefined, '127.0.0.1', 8081, 'tcp', `private ${gateway}`],
      [undefined, HOST_ADDRESS, 8081, 'tcp', 'refused'],
      [lab.neighbour, HOST_ADDRESS, 8081, 'tcp', 'refused'],
      [lab.neighbour, '127.0.0.1', 8081, 'tcp', 'refused'],
    );
  });

  test('what is not published is not reached from other networks or machines', () =>
    expectAll(
      [lab.neighbour, addressOf(A), 82, 'tcp', 'refused'],
      [lab.neighbour, addressOf(A), 80, 'tcp', 'refused'],
      [c, addressOf(A), 82, 'tcp', 'refused'],
      [undefined, addressOf(A), 82, 'tcp', `unpublished ${gateway}`],
    ));

  test('the loopback of the host is not reached from containers', async () => {
    lab.leadLoopback(b, 'eth0', gateway);
    await expectAll([b, '127.0.0.1', 9999, 'tcp', 'refused']);
  });

  test('an internal network has no way out or in', async () => {
    service.create({ Name: 'inner', Internal: true });
    const d = lab.start(service, D, {
      networkMode: 'inner',
      portBindings: { '80/tcp': [{ HostPort: '8090' }] },
    });
    await lab.serve(d, 80, 'inner');
    // Nor when it helps itself to a route.
    const inside = addressOf(D).replace(/\d+$/, '1');
    lab.run(d, `ip route add default via ${inside}`);
    await expectAll(
      [undefined, addressOf(D), 80, 'tcp', `inner ${inside}`],
      [undefined, HOST_ADDRESS, 8090, 'tcp', 'refused'],
      [d, addressOf(A), 80, 'tcp', 'refused'],
      [d, NEIGHBOUR_ADDRESS, 80, 'tcp', 'refused'],
      [c, addressOf(D), 80, 'tcp', 'refused'],
    );
    service.release(D);
    await service.remove('inner');
  });

  test('a released port is closed at once and free again', async () => {
    service.release(A);
    await expectAll(
      [undefined, '127.0.0.1', 8080, 'tcp', 'refused'],
      [lab.neighbour, HOST_ADDRESS, 8080, 'tcp', 'refused'],
    );
    assert.equal(lab.run(undefined, 'nft list map ip wharf published_any | grep -c 8080').output, '0');
    assert.equal(lab.run(undefined, 'netstat -lnt | grep -c 8080').output, '0');
  });

  test('a UDP client that goes on sending reaches the next container that has the port', async () => {
    const udp = { portBindings: { '80/udp': [{ HostPort: '8070' }] } };
    await lab.serve(lab.start(service, A, udp), 80, 'first');
    const client = lab.converse(lab.neighbour, HOST_ADDRESS, 8070);
    assert.equal(await client.say(), `first ${NEIGHBOUR_ADDRESS}`);
    service.release(A);
    assert.equal(await client.say(), 'silence');
    await lab.serve(lab.start(service, D, udp), 80, 'second');
    assert.equal(await client.say(), `second ${NEIGHBOUR_ADDRESS}`);
    service.release(D);
  });

  test('when somebody flushes the firewall, the next published port brings all of it back', async () => {
    lab.run(undefined, 'nft flush ruleset');
    await expectAll([c, NEIGHBOUR_ADDRESS, 80, 'tcp', `world ${addressOf(C)}`]);
    lab.start(service, A, { portBindings: { '80/tcp': [{ HostPort: '8080' }] } });
    await expectAll([c, NEIGHBOUR_ADDRESS, 80, 'tcp', `world ${HOST_ADDRESS}`]);
  });
}
