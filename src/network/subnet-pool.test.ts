import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatPrefix, type Prefix, parseCidr } from './ipv4.ts';
import { chooseSubnet, DEFAULT_POOLS, nameserverPrefixes } from './subnet-pool.ts';

const prefixes = (...texts: string[]): Prefix[] =>
  texts.map((text) => parseCidr(text)?.prefix ?? assert.fail(text));
const choose = (...used: string[]): string => formatPrefix(chooseSubnet(DEFAULT_POOLS, prefixes(...used)));

test('the first subnet nobody uses, in Docker’s order', () => {
  assert.equal(choose(), '172.17.0.0/16');
  assert.equal(choose('172.17.5.0/24'), '172.18.0.0/16');
  assert.equal(choose('172.17.0.0/16', '172.18.0.1/32', '172.16.0.0/14'), '172.20.0.0/16');
  assert.equal(choose('172.16.0.0/12', '192.168.0.0/24'), '192.168.16.0/20');
  assert.throws(() => choose('172.16.0.0/12', '192.168.0.0/16'), {
    message: 'all predefined address pools have been fully subnetted',
  });
});

test('pools at the end of the address space, and pools that make no sense', () => {
  const pool = [{ base: '255.255.255.0/24', size: 26 }];
  assert.equal(formatPrefix(chooseSubnet(pool, prefixes('255.255.255.0/25'))), '255.255.255.128/26');
  assert.throws(() => chooseSubnet(pool, prefixes('255.255.255.0/24')), /fully subnetted/);
  for (const [base, size] of [
    ['10.0.0.0/16', 8],
    ['10.0.0.0', 24],
    ['10.0.0.0/16', 32],
  ] as const) {
    assert.throws(() => chooseSubnet([{ base, size }], []), { kind: 'InvalidParameter' });
  }
});

test('nameservers are kept clear of', () => {
  const used = nameserverPrefixes('# nameserver 1.1.1.1\nnameserver 172.17.0.53\nnameserver ::1\n');
  assert.deepEqual(used.map(formatPrefix), ['172.17.0.53/32']);
});
