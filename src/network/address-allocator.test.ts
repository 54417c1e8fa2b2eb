import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AddressAllocator } from './address-allocator.ts';
import { formatIpv4, type Prefix, parseCidr, parseIpv4 } from './ipv4.ts';

const prefix = (text: string): Prefix => parseCidr(text)?.prefix ?? assert.fail(text);
const number = (text: string): number => parseIpv4(text) ?? assert.fail(text);
const make = (subnet: string, range = subnet): AddressAllocator =>
  new AddressAllocator(prefix(subnet), prefix(range), [number('10.0.0.1')]);

test('an address given back is not given again at once, but before there are none', () => {
  const addresses = make('10.0.0.0/29');
  const first = addresses.take();
  addresses.give(first);
  const taken = Array.from({ length: 5 }, () => formatIpv4(addresses.take()));
  assert.deepEqual(taken, ['10.0.0.3', '10.0.0.4', '10.0.0.5', '10.0.0.6', '10.0.0.2']);
  assert.throws(() => addresses.take(), /no available IPv4 addresses/);
});

test('addresses are claimed from the whole subnet, taken from the range only', () => {
  const addresses = make('10.0.0.0/24', '10.0.0.128/30');
  assert.equal(formatIpv4(addresses.take()), '10.0.0.128');
  addresses.claim(number('10.0.0.200'));
  assert.throws(() => addresses.claim(number('10.0.0.200')), {
    message: 'Address already in use',
    kind: 'Conflict',
  });
  assert.throws(() => addresses.claim(number('10.0.0.1')), { kind: 'Conflict' });
  assert.throws(() => addresses.claim(number('10.0.0.255')), { kind: 'Conflict' });
  assert.throws(
    () => addresses.claim(number('10.0.1.5')),
    /does not belong to any of this network's subnets/,
  );
});

test('what was leased before a restart is not given again', () => {
  const addresses = make('10.0.0.0/24');
  addresses.restore(number('10.0.0.2'));
  addresses.restore(number('10.0.0.9'));
  assert.equal(formatIpv4(addresses.take()), '10.0.0.10');
});
