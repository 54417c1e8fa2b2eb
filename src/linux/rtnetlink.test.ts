import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  addressText,
  createNetns,
  deleteAddress,
  deleteLink,
  deleteNeighbour,
  deleteNetns,
  deleteRoute,
  linkIndex,
  NetlinkError,
  newAddress,
  newBridge,
  newRoute,
  newVeth,
  Rtnetlink,
  replaceRoute,
  setBridgePort,
  setLink,
  setNeighbour,
  withNetns,
} from './index.ts';
import { addressBytes } from './rtnetlink-route.ts';

const dir = mkdtempSync('/tmp/wharf-rtnetlink-');
const here = join(dir, 'here');
const there = join(dir, 'there');
let rtnetlink: Rtnetlink;

before(() => {
  createNetns(here);
  createNetns(there);
  rtnetlink = withNetns(here, () => Rtnetlink.open());
});
after(() => {
  rtnetlink.close();
  deleteNetns(here);
  deleteNetns(there);
  rmSync(dir, { recursive: true });
});

const ip = (netns: string, command: string): string =>
  spawnSync('nsenter', [`--net=${netns}`, 'sh', '-c', command], { encoding: 'utf8' }).stdout.trim();

test('a veth pair is made complete: named, mastered, up, its peer elsewhere, seen alike by ip', () => {
  rtnetlink.run(newBridge('br', { mac: '02:42:00:00:00:07', mtu: 1400, up: true }));
  rtnetlink.run(setLink(rtnetlink.link('br')?.index ?? 0, { alias: 'a bridge' }));
  const bridge = rtnetlink.link('br');
  assert.deepEqual(
    { ...bridge, index: 0 },
    {
      index: 0,
      name: 'br',
      up: true,
      mac: '02:42:00:00:00:07',
      mtu: 1400,
      peerElsewhere: false,
      kind: 'bridge',
      alias: 'a bridge',
    },
  );
  const fd = openSync(there, 'r');
  rtnetlink.run(
    newVeth(
      'port',
      { name: 'eth0', netns: { fd }, mac: '02:42:00:00:00:09', mtu: 1300 },
      { master: bridge?.index ?? 0, up: true },
    ),
  );
  closeSync(fd);
  const port = rtnetlink.link('port');
  assert.equal(port?.master, bridge?.index);
  assert.equal(
    withNetns(here, () => linkIndex('port')),
    port?.index,
  );
  assert.equal(
    withNetns(here, () => linkIndex('eth0')),
    undefined,
  );
  assert.equal(port?.peerElsewhere, true);
  assert.match(ip(there, 'ip -o link show eth0'), /mtu 1300 .* 02:42:00:00:00:09 /);
  rtnetlink.run(setBridgePort(port?.index ?? 0, { hairpin: true, isolated: true }));
  assert.match(ip(here, 'bridge -d link show dev port'), /hairpin on .*isolated on/);
  rtnetlink.run(
    setLink(port?.index ?? 0, { up: false, name: 'renamed', mac: '02:42:00:00:00:0a', master: 0 }),
  );
  assert.equal(rtnetlink.link('port'), undefined);
  const renamed = rtnetlink.link('renamed');
  assert.deepEqual([renamed?.up, renamed?.mac, renamed?.master], [false, '02:42:00:00:00:0a', undefined]);
  rtnetlink.run(deleteLink('renamed'));
  assert.deepEqual(
    rtnetlink
      .links()
      .map(({ name }) => name)
      .filter((name) => name !== 'lo')
      .slice(-1),
    ['br'],
  );
});

test('a link moves to another namespace', () => {
  rtnetlink.run(newVeth('one', { name: 'two' }));
  const fd = openSync(there, 'r');
  rtnetlink.run(setLink(rtnetlink.link('two')?.index ?? 0, { netns: { fd }, name: 'moved' }));
  closeSync(fd);
  assert.match(ip(there, 'ip -o link show moved'), /moved/);
  rtnetlink.run(deleteLink('one'));
});

test('addresses, routes and neighbours of both families', () => {
  rtnetlink.run(newBridge('net', { up: true }));
  const index = rtnetlink.link('net')?.index ?? 0;
  rtnetlink.run(
    newAddress({ index, address: '10.1.0.1/24' }),
    newAddress({ index, address: 'fd01::1/64' }),
    newRoute({ to: 'default', via: '10.1.0.254' }),
    newRoute({ to: '10.2.0.0/16', via: '10.1.0.2', metric: 7 }),
    newRoute({ to: 'fd02::/48', via: 'fd01::2' }),
    setNeighbour({ index, address: '10.1.0.2', mac: '02:42:00:00:00:02' }),
  );
  assert.match(ip(here, 'ip -o -4 addr show net'), /inet 10\.1\.0\.1\/24 brd 10\.1\.0\.255/);
  assert.ok(rtnetlink.addresses().some((a) => a.index === index && a.address === 'fd01::1/64'));
  const main = rtnetlink.routes().filter((route) => route.table === 254 && route.via !== undefined);
  assert.deepEqual(
    main.map(({ to, via, family, type }) => [to, via, family, type]),
    [
      ['default', '10.1.0.254', 4, 'unicast'],
      ['10.2.0.0/16', '10.1.0.2', 4, 'unicast'],
      ['fd02::/48', 'fd01::2', 6, 'unicast'],
    ],
  );
  assert.ok(
    rtnetlink
      .neighbours()
      .some((n) => n.address === '10.1.0.2' && n.mac === '02:42:00:00:00:02' && n.permanent),
  );
  rtnetlink.run(
    replaceRoute({ to: 'default', via: '10.1.0.253' }),
    deleteRoute({ to: '10.2.0.0/16', via: '10.1.0.2' }),
    deleteNeighbour({ index, address: '10.1.0.2' }),
    deleteAddress({ index, address: 'fd01::1/64' }),
  );
  assert.equal(ip(here, 'ip route | grep -v kernel'), 'default via 10.1.0.253 dev net');
  assert.equal(ip(here, 'ip neigh; ip -6 addr show net | grep fd01'), '');
  rtnetlink.run(deleteLink('net'));
});

test('errors name the errno, the operation and the kernel’s reason; the rest of a batch is done', () => {
  assert.throws(
    () => rtnetlink.run(newRoute({ to: 'default', via: '10.99.0.1' }), newBridge('after')),
    (err) => {
      assert.ok(err instanceof NetlinkError);
      assert.equal(err.code, 'ENETUNREACH');
      assert.equal(
        err.message,
        'netlink add route default via 10.99.0.1: ENETUNREACH (Nexthop has invalid gateway)',
      );
      return true;
    },
  );
  assert.ok(rtnetlink.link('after'));
  assert.throws(() => rtnetlink.run(newBridge('after')), { code: 'EEXIST', kind: 'Conflict' });
  assert.throws(() => rtnetlink.run(deleteLink('absent')), { code: 'ENODEV' });
  for (const name of ['', 'sixteen-letters-', 'a/b', 'a b', '..']) {
    assert.throws(() => newBridge(name), { kind: 'InvalidParameter' }, name);
  }
  assert.throws(() => newBridge('x', { mac: '02:42' }), { kind: 'InvalidParameter' });
  assert.throws(() => newAddress({ index: 1, address: '10.0.0.1/33' }), { kind: 'InvalidParameter' });
});

test('long lists are read whole', () => {
  const count = 400;
  rtnetlink.run(newBridge('many', { up: true }));
  const index = rtnetlink.link('many')?.index ?? 0;
  rtnetlink.run(
    ...Array.from({ length: count }, (_, i) =>
      newAddress({ index, address: `10.7.${i >> 8}.${i & 255}/32` }),
    ),
  );
  assert.equal(
    rtnetlink.addresses().filter((a) => a.index === index && a.address.endsWith('/32')).length,
    count,
  );
  rtnetlink.run(deleteLink('many'));
});

test('addresses are written and read in their shortest form', () => {
  for (const text of ['10.0.0.1', '::', '::1', 'fe80::1', '1:2:3:4:5:6:7:8', '2001:db8::1:0:0:1', 'fd00::']) {
    assert.equal(addressText(addressBytes(text)), text);
  }
  assert.equal(addressText(addressBytes('0:0:0:0:0:ffff:10.0.0.1')), '::ffff:a00:1');
  assert.throws(() => addressBytes('10.0.0'), { kind: 'InvalidParameter' });
});
