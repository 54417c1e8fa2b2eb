/** Leases, networks and what a restart finds, seen from outside: links, namespaces, rules. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { newAddress, newBridge, Rtnetlink } from '../linux/index.ts';
import { Store } from '../store/index.ts';
import { inNamespaces, Lab } from './lab.ts';
import { NetworkService } from './network-service.ts';

const A = 'a'.repeat(64);
const B = 'b'.repeat(64);
const C = 'c'.repeat(64);

if (inNamespaces(import.meta.url)) {
  let lab: Lab;
  let service: NetworkService;
  let store: Store;

  beforeEach(() => {
    lab = new Lab();
    ({ service, store } = lab.service());
    service.init(new Set());
  });
  afterEach(async () => {
    for (const id of [A, B, C]) service.release(id);
    for (const { Name: name = '' } of service.list({ type: ['custom'] })) await service.remove(name);
    await service.destroy();
    store.close();
    lab.close();
  });

  /** As after `kill -9` and a new start, with these containers alive. */
  const restart = (...live: string[]): void => {
    service.close();
    store.close();
    ({ service, store } = lab.service());
    service.init(new Set(live));
  };
  const hostEnds = (): string[] => {
    const rtnetlink = Rtnetlink.open();
    const names = rtnetlink.links().map(({ name }) => name);
    rtnetlink.close();
    return names.filter((name) => /^wh[0-9a-f]{10}$/.test(name));
  };
  const eventually = async (condition: () => boolean): Promise<void> => {
    for (const deadline = Date.now() + 5000; !condition() && Date.now() < deadline; ) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert.ok(condition());
  };
  const namespaces = (): string[] => readdirSync(join(lab.dir, 'run/netns'));
  const elements = (map: string): number =>
    lab.run(undefined, `nft list map ip wharf ${map}`).output.match(/(tcp|udp) \./g)?.length ?? 0;
  const publish = (
    port: string,
    HostIp = '',
  ): { portBindings: Record<string, { HostIp: string; HostPort: string }[]> } => ({
    portBindings: { '80/tcp': [{ HostIp, HostPort: port }] },
  });

  test('a released container leaves nothing', async () => {
    lab.start(service, A, publish('8080'));
    lab.start(service, B);
    assert.equal(hostEnds().length, 2);
    assert.equal(elements('published_any'), 1);
    service.release(A);
    service.release(B);
    assert.deepEqual(namespaces(), []);
    assert.equal(elements('published_any'), 0);
    await eventually(() => hostEnds().length === 0);
    assert.equal(store.query('SELECT * FROM network_sandboxes').all().length, 0);
  });

  test('settings are in Docker’s shape', () => {
    lab.start(service, A, { ...publish('8080'), exposedPorts: ['80/tcp', '90/udp'] });
    const settings = service.settings(A);
    assert.deepEqual(settings?.Ports, {
      '80/tcp': [{ HostIp: '0.0.0.0', HostPort: '8080' }],
      '90/udp': null,
    });
    const { EndpointID, NetworkID, ...endpoint } = settings?.Networks?.bridge ?? {};
    assert.match(EndpointID ?? '', /^[0-9a-f]{64}$/);
    assert.equal(NetworkID, service.inspect('bridge').Id);
    assert.deepEqual(endpoint, {
      IPAMConfig: null,
      MacAddress: '02:42:ac:11:00:02',
      DriverOpts: null,
      GwPriority: 0,
      Gateway: '172.17.0.1',
      IPAddress: '172.17.0.2',
      IPPrefixLen: 16,
      IPv6Gateway: '',
      GlobalIPv6Address: '',
      GlobalIPv6PrefixLen: 0,
    });
    assert.deepEqual(service.inspect('bridge').Containers?.[A], {
      Name: 'name-aaaa',
      EndpointID,
      MacAddress: '02:42:ac:11:00:02',
      IPv4Address: '172.17.0.2/16',
      IPv6Address: '',
    });
    assert.deepEqual(
      lab.events.map(({ action }) => action),
      ['connect'],
    );
  });

  test('a host port is leased once, and held against other programs', async () => {
    lab.start(service, A, publish('8080'));
    assert.throws(
      () => service.allocate(B, { name: 'b', networkMode: 'bridge', ...publish('8080', '127.0.0.1') }),
      {
        message:
          /^driver failed programming external connectivity on endpoint b \([0-9a-f]{64}\): Bind for 127\.0\.0\.1:8080 failed: port is already allocated$/,
      },
    );
    assert.equal(service.settings(B), undefined);
    const intruder = createServer().listen(8080);
    const [refused] = await once(intruder, 'error');
    assert.equal(refused.code, 'EADDRINUSE');

    const server = createServer().listen(8888, '0.0.0.0');
    await once(server, 'listening');
    assert.throws(() => service.allocate(B, { name: 'b', networkMode: 'bridge', ...publish('8888') }), {
      message: /listen tcp4 0\.0\.0\.0:8888: bind: address already in use$/,
    });
    server.close();
    await once(server, 'close');
    assert.throws(
      () => service.allocate(B, { name: 'b', networkMode: 'bridge', ...publish('80', '198.51.100.1') }),
      {
        message: /listen tcp4 198\.51\.100\.1:80: bind: cannot assign requested address$/,
      },
    );
    // None of the failures kept an address or a port.
    lab.start(service, B, publish('8888'));
    assert.equal(service.settings(B)?.IPAddress, '172.17.0.6');
  });

  test('ranges take the first free port, random ones come from the ephemeral range', () => {
    lab.start(service, A, publish('9000-9001'));
    lab.start(service, B, publish('9000-9001'));
    const portOf = (id: string): string => service.settings(id)?.Ports?.['80/tcp']?.[0]?.HostPort ?? '';
    assert.deepEqual([portOf(A), portOf(B)], ['9000', '9001']);
    lab.start(service, C, { publishAll: true, exposedPorts: ['80/tcp'] });
    assert.ok(Number(portOf(C)) >= 32768);
  });

  test('a new start takes back what a killed daemon left of dead containers, and keeps the living', async () => {
    lab.start(service, A, publish('8080'));
    lab.start(service, B, publish('8081'));
    service.allocate(C, { name: 'c', networkMode: 'bridge', ...publish('8082') });
    const kept = service.settings(A);
    restart(A);
    assert.deepEqual(service.settings(A), kept);
    assert.equal(service.settings(B), undefined);
    assert.deepEqual(namespaces(), [A]);
    assert.equal(elements('published_any'), 1);
    await eventually(() => hostEnds().length === 1);
    lab.start(service, B, publish('8081'));
    assert.throws(
      () => service.allocate(C, { name: 'c', networkMode: 'bridge', ...publish('8080') }),
      /already allocated/,
    );
  });

  test('a new start puts back what living containers lost', () => {
    const netns = lab.start(service, A, publish('8080'));
    service.create({ Name: 'mine' });
    const other = lab.start(service, B, { networkMode: 'mine' });
    const mine = `br-${service.inspect('mine').Id?.slice(0, 12)}`;
    lab.run(
      undefined,
      `ip link del wharf0; ip link del ${mine}; nft flush ruleset; nsenter --net=${other} ip link del eth0`,
    );
    restart(A, B);
    assert.equal(lab.run(netns, `ping -c 1 -W 2 172.17.0.1`).status, 0);
    assert.equal(lab.run(other, `ping -c 1 -W 2 172.18.0.1`).status, 0);
    assert.equal(elements('published_any'), 1);
  });

  test('subnets avoid what the host uses, and each other', () => {
    const rtnetlink = Rtnetlink.open();
    rtnetlink.run(newBridge('vpn', { up: true }));
    rtnetlink.run(newAddress({ index: rtnetlink.link('vpn')?.index ?? 0, address: '172.18.3.1/24' }));
    service.create({ Name: 'mine' });
    assert.equal(service.inspect('mine').IPAM?.Config?.[0]?.Subnet, '172.19.0.0/16');
    lab.run(undefined, 'ip link del vpn');
    rtnetlink.close();
  });

  test('networks are made, found, filtered and removed with Docker’s words', async () => {
    const { Id: id } = service.create({
      Name: 'mine',
      Labels: { tier: 'db' },
      IPAM: { Config: [{ Subnet: '10.9.0.0/24', IPRange: '10.9.0.128/25', Gateway: '10.9.0.7' }] },
    });
    assert.equal(service.inspect(id.slice(0, 8)).Name, 'mine');
    assert.throws(() => service.create({ Name: 'mine' }), {
      message: 'network with name mine already exists',
      kind: 'Conflict',
    });
    assert.throws(() => service.create({ Name: 'host' }), {
      message: 'operation is not permitted on predefined host network',
    });
    assert.throws(() => service.create({ Name: 'x', IPAM: { Config: [{ Subnet: '10.9.0.0/16' }] } }), {
      message: 'Pool overlaps with other one on this address space',
      kind: 'Forbidden',
    });
    assert.throws(() => service.create({ Name: 'x', Driver: 'foo' }), {
      message: 'plugin "foo" not found',
      kind: 'NotFound',
    });
    assert.throws(() => service.inspect('nope'), { message: 'network nope not found', kind: 'NotFound' });
    assert.throws(() => service.remove('bridge'), {
      message: 'bridge is a pre-defined network and cannot be removed',
      kind: 'Forbidden',
    });
    const names = (filters: Record<string, string[]>): (string | undefined)[] =>
      service.list(filters).map(({ Name }) => Name);
    assert.deepEqual(names({ label: ['tier=db'] }), ['mine']);
    assert.deepEqual(names({ driver: ['null', 'host'] }).sort(), ['host', 'none']);
    assert.deepEqual(names({ dangling: ['true'] }), ['mine']);
    lab.start(service, A, { networkMode: 'mine' });
    assert.equal(service.settings(A)?.Networks?.mine?.IPAddress, '10.9.0.128');
    assert.throws(() => service.remove('mine'), {
      message: /^error while removing network: network mine has active endpoints/,
    });
    assert.throws(
      () =>
        service.allocate(B, {
          name: 'b',
          networkMode: 'mine',
          endpointsConfig: { mine: { IPAMConfig: { IPv4Address: '10.9.0.128' } } },
        }),
      {
        message: 'Address already in use',
      },
    );
    assert.deepEqual((await service.prune()).NetworksDeleted, []);
    service.release(A);
    assert.deepEqual((await service.prune()).NetworksDeleted, ['mine']);
    assert.equal(lab.run(undefined, 'ip -o link | grep -c br-').output, '0');
  });

  test('a running container is connected to another network and taken off it', () => {
    service.create({ Name: 'aaa' });
    service.create({ Name: 'mine' });
    const netns = lab.start(service, A, { networkMode: 'mine', ...publish('8080') });
    const peer = lab.start(service, B, { networkMode: 'aaa' });
    const { IPAddress: address } = service.connect('aaa', { id: A, name: 'a' });
    assert.equal(lab.run(peer, `ping -c 1 -W 2 ${address}`).status, 0);
    assert.match(lab.run(netns, 'ip -o -4 addr show eth1').output, new RegExp(` ${address}/16 `));
    assert.throws(() => service.connect('aaa', { id: A, name: 'a' }), {
      message: 'endpoint with name name-aaaa already exists in network aaa',
    });
    service.disconnect('mine', { id: A, name: 'a' });
    assert.deepEqual(Object.keys(service.settings(A)?.Networks ?? {}), ['aaa']);
    // The published port and the default route went with it to the network that is left.
    assert.match(
      lab.run(undefined, 'nft list map ip wharf published_any').output,
      new RegExp(`${address} \\. 80`),
    );
    assert.match(lab.run(netns, 'ip route').output, /^default via 172\.18\.0\.1 dev eth1/);
  });

  test('host and none have their own ways', () => {
    assert.equal(service.allocate(A, { name: 'a', networkMode: 'host', ...publish('8080') }).sandbox, 'host');
    assert.deepEqual(service.setup(A).ports, {});
    assert.deepEqual(Object.keys(service.settings(A)?.Networks ?? {}), ['host']);
    const netns = lab.start(service, B, { networkMode: 'none' });
    assert.equal(
      lab.run(netns, 'ip -o link | wc -l; ping -c 1 -W 1 127.0.0.1 >/dev/null && echo up').output,
      '1\nup',
    );
    assert.deepEqual(service.allocate(C, { name: 'c', networkMode: `container:${B}` }), {
      sandbox: 'container',
      joins: B,
      networks: {},
      ports: {},
    });
  });

  test('iptables’ FORWARD that drops gets exceptions for our bridges, and loses them again', async () => {
    lab.run(
      undefined,
      'iptables -P FORWARD DROP; iptables -N DOCKER-USER; iptables -I FORWARD -j DOCKER-USER',
    );
    restart();
    service.create({ Name: 'mine' });
    const rules = (): string[] =>
      lab.run(undefined, 'iptables -S DOCKER-USER').output.split('\n').slice(1).sort();
    const mine = `br-${service.inspect('mine').Id?.slice(0, 12)}`;
    assert.deepEqual(rules(), [
      `-A DOCKER-USER -i ${mine} -j ACCEPT`,
      '-A DOCKER-USER -i wharf0 -j ACCEPT',
      `-A DOCKER-USER -o ${mine} -j ACCEPT`,
      '-A DOCKER-USER -o wharf0 -j ACCEPT',
    ]);
    assert.ok(
      lab.messages.some((message) => message.includes('added rules to DOCKER-USER that accept wharf0')),
    );
    await service.remove('mine');
    assert.deepEqual(rules(), ['-A DOCKER-USER -i wharf0 -j ACCEPT', '-A DOCKER-USER -o wharf0 -j ACCEPT']);
    lab.run(undefined, 'iptables -P FORWARD ACCEPT; iptables -F; iptables -X');
  });

  test('without DOCKER-USER the exceptions go to the head of FORWARD; other chains that drop are named', () => {
    lab.run(
      undefined,
      'iptables -P FORWARD DROP; iptables -A FORWARD -j ufw-none; iptables -A FORWARD -p icmp -j DROP',
    );
    lab.run(
      undefined,
      "nft 'table inet strict { chain gate { type filter hook forward priority 5; policy drop; }; }'",
    );
    restart();
    restart();
    assert.deepEqual(lab.run(undefined, 'iptables -S FORWARD').output.split('\n').slice(1), [
      '-A FORWARD -o wharf0 -j ACCEPT',
      '-A FORWARD -i wharf0 -j ACCEPT',
      '-A FORWARD -p icmp -j DROP',
    ]);
    assert.ok(lab.messages.some((message) => message.includes('"inet strict gate" drops forwarded packets')));
    lab.run(undefined, 'nft delete table inet strict; iptables -P FORWARD ACCEPT; iptables -F');
  });

  test('the default bridge has the address of --bip, and gives way when the host needs its subnet', async () => {
    service.close();
    store.close();
    ({ service, store } = lab.service({ bip: '10.9.8.7/24' }));
    service.init(new Set());
    assert.match(lab.run(undefined, 'ip -o -4 addr show wharf0').output, / 10\.9\.8\.7\/24 /);
    lab.start(service, A);
    assert.equal(service.settings(A)?.Gateway, '10.9.8.7');
    service.release(A);
    restart();
    assert.equal(service.inspect('bridge').IPAM?.Config?.[0]?.Subnet, '10.9.8.0/24');
    lab.run(undefined, 'ip route add 10.9.0.0/16 dev lan');
    restart();
    assert.equal(service.inspect('bridge').IPAM?.Config?.[0]?.Subnet, '172.17.0.0/16');
    assert.equal(lab.run(undefined, 'ip -o -4 addr show wharf0 | grep -c inet').output, '1');
  });

  test('a second daemon on the same bridge is refused; on another it lives beside the first', async () => {
    const netns = lab.start(service, A, publish('8080'));
    const other = (bridgeName: string): NetworkService =>
      new NetworkService({
        store: Store.open(':memory:'),
        root: lab.dir,
        execRoot: join(lab.dir, bridgeName),
        bridgeName,
      });
    const second = other('wharf1');
    second.init(new Set());
    assert.throws(() => other('wharf1').init(new Set()), {
      message: /^another daemon uses the bridge wharf1/,
      kind: 'Conflict',
    });
    assert.equal(second.inspect('bridge').IPAM?.Config?.[0]?.Subnet, '172.18.0.0/16');
    const theirs = lab.start(second, B, publish('8081'));
    assert.equal(lab.run(netns, 'ping -c 1 -W 2 172.17.0.1').status, 0);
    assert.equal(lab.run(theirs, 'ping -c 1 -W 2 172.18.0.1').status, 0);
    assert.throws(
      () => second.allocate(C, { name: 'c', networkMode: 'bridge', ...publish('8080') }),
      /address already in use/,
    );
    second.release(B);
    await second.destroy();
    assert.equal(elements('published_any'), 1);
  });

  test('/etc/hosts and resolv.conf say what Docker’s say', () => {
    lab.start(service, A);
    const files = service.files(A, {
      hostname: 'web.example.org',
      extraHosts: ['db:10.0.0.1', 'host.docker.internal:host-gateway'],
    });
    assert.deepEqual(files.hosts.split('\n').slice(-4), [
      '10.0.0.1\tdb',
      '172.17.0.1\thost.docker.internal',
      '172.17.0.2\tweb.example.org web',
      '',
    ]);
    lab.start(service, C, { name: 'front', links: ['/name-aaaa:db'], macAddress: '02:42:AC:00:00:99' });
    assert.match(service.files(C, { hostname: 'c' }).hosts, /^172\.17\.0\.2\tdb name-aaaa$/m);
    assert.equal(service.settings(C)?.MacAddress, '02:42:ac:00:00:99');
    assert.equal(files.resolvConf, 'nameserver 192.0.2.9\nsearch example.org\n');
    service.create({ Name: 'mine' });
    lab.start(service, B, { networkMode: 'mine' });
    assert.equal(
      service.files(B, { hostname: 'b', dns: ['9.9.9.9'] }).resolvConf,
      'nameserver 127.0.0.11\nsearch example.org\noptions ndots:0\n',
    );
    assert.equal(
      service.files(A, { hostname: 'a', dns: ['9.9.9.9'], dnsSearch: ['.'], dnsOptions: ['ndots:3'] })
        .resolvConf,
      'nameserver 9.9.9.9\noptions ndots:3\n',
    );
    lab.resolvConf('nameserver 127.0.0.1\n');
    assert.equal(service.files(A, { hostname: 'a' }).resolvConf, 'nameserver 8.8.8.8\nnameserver 8.8.4.4\n');
  });
}
