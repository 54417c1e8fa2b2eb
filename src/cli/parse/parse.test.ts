import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { contains, parseCidr } from './cidr.ts';
import { parseCsvLine } from './csv.ts';
import { parseEnv, parseEnvFile } from './env.ts';
import { parseMount, parseVolumes } from './mounts.ts';
import { parseExtraHost, parseNetworks } from './network.ts';
import { parseCapabilities, parseRestart } from './policies.ts';
import { parsePorts } from './ports.ts';
import { parseCpus, parseDevices, parseGpus, parseUlimit } from './resources.ts';
import { parseTimestamp } from './timestamp.ts';

const bindings = (...specs: string[]) => parsePorts(specs, []).bindings;

test('ports in every form of -p', () => {
  assert.deepEqual(bindings('80'), { '80/tcp': [{ HostIp: '', HostPort: '' }] });
  assert.deepEqual(bindings('8080:80/UDP'), { '80/udp': [{ HostIp: '', HostPort: '8080' }] });
  assert.deepEqual(bindings('127.0.0.1::80'), { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '' }] });
  assert.deepEqual(bindings('[::1]:81:80'), { '80/tcp': [{ HostIp: '::1', HostPort: '81' }] });
  assert.deepEqual(bindings('8080-8090:80'), { '80/tcp': [{ HostIp: '', HostPort: '8080-8090' }] });
  assert.deepEqual(bindings('90-91:80-81'), {
    '80/tcp': [{ HostIp: '', HostPort: '90' }],
    '81/tcp': [{ HostIp: '', HostPort: '91' }],
  });
  assert.deepEqual(bindings('80:80', '81:80')['80/tcp']?.length, 2);
  assert.deepEqual(bindings('published=8080,target=80,protocol=udp'), {
    '80/udp': [{ HostIp: '', HostPort: '8080' }],
  });
  assert.deepEqual(Object.keys(parsePorts(['80'], ['90-91/udp']).exposed), ['80/tcp', '90/udp', '91/udp']);
});

test('ports that are none', () => {
  const cases: Array<[spec: string, message: string]> = [
    ['x:y', 'invalid containerPort: y'],
    ['99999:1', 'invalid hostPort: 99999'],
    ['80:80/foo', 'invalid proto: foo'],
    ['80-82:80-81', 'invalid ranges specified for container and host Ports: 80-81 and 80-82'],
    ['80:', 'no port specified: 80:<empty>'],
    ['1.2.3.4.5:80:80', 'invalid IP address: 1.2.3.4.5'],
    ['target=80,x', "invalid publish opts format (should be name=value but got 'x')"],
  ];
  for (const [spec, message] of cases) assert.throws(() => parsePorts([spec], []), { message }, spec);
  assert.throws(() => parsePorts([], ['1:2']), { message: 'invalid port format for --expose: 1:2' });
});

test('volumes: binds, names, anonymous', () => {
  const { binds, volumes } = parseVolumes(['/data', 'name:/a', './x:/b:ro', '/c:/d:ro,z']);
  assert.deepEqual(binds, ['name:/a', `${resolve('x')}:/b:ro`, '/c:/d:ro,z']);
  assert.deepEqual(volumes, { '/data': {} });
  assert.throws(() => parseVolumes([':/b']), { message: 'invalid spec: :/b: empty section between colons' });
});

test('mounts', () => {
  assert.deepEqual(parseMount('type=bind,src=/a,dst=/b,readonly,bind-recursive=disabled'), {
    Type: 'bind',
    Source: '/a',
    Target: '/b',
    ReadOnly: true,
    BindOptions: { NonRecursive: true },
  });
  assert.deepEqual(
    parseMount('"src=v","dst=/b","volume-opt=o=addr=x,rw",volume-driver=local,volume-nocopy'),
    {
      Type: 'volume',
      Source: 'v',
      Target: '/b',
      VolumeOptions: { NoCopy: true, DriverConfig: { Name: 'local', Options: { o: 'addr=x,rw' } } },
    },
  );
  assert.deepEqual(parseMount('type=tmpfs,dst=/t,tmpfs-size=64m,tmpfs-mode=1770').TmpfsOptions, {
    SizeBytes: 64 << 20,
    Mode: 0o1770,
  });
  const cases: Array<[spec: string, message: string]> = [
    ['type=bind,src=/a', 'target is required'],
    ['dst=/b,foo=bar', "unexpected key 'foo' in 'foo=bar'"],
    ['dst=/b,foo', "invalid field 'foo' must be a key=value pair"],
    ['type=bind,dst=/b,volume-nocopy', "cannot mix 'volume-*' options with mount type 'bind'"],
    ['dst=/b,ro=maybe', 'invalid value for ro: maybe'],
  ];
  for (const [spec, message] of cases) assert.throws(() => parseMount(spec), { message }, spec);
});

test('environment: our own values, files, names alone', () => {
  process.env.WHARF_TEST_ENV = 'here';
  assert.deepEqual(parseEnv([], ['A=1', 'WHARF_TEST_ENV', 'WHARF_TEST_NONE', 'E=']), [
    'A=1',
    'WHARF_TEST_ENV=here',
    'WHARF_TEST_NONE',
    'E=',
  ]);
  const file = Buffer.from('\ufeff# comment\n A=1 # kept\n\nB\r\nC=x=y\n');
  assert.deepEqual(parseEnvFile('f', file), ['A=1 # kept', 'B', 'C=x=y']);
  assert.throws(() => parseEnvFile('f', Buffer.from('A B=1')), {
    message: "invalid env file (f): variable 'A B' contains whitespaces",
  });
  assert.throws(() => parseEnvFile('f', Buffer.from('=1')), {
    message: "invalid env file (f): no variable name on line '=1'",
  });
  assert.throws(() => parseEnvFile('f', Buffer.from([0x41, 0xff])), {
    message: 'invalid env file (f): invalid utf8 bytes',
  });
});

const noFlags = { aliases: [], links: [], ip: '', ip6: '', linkLocal: [], mac: '' };

test('networks, simple and advanced', () => {
  assert.deepEqual(parseNetworks([], noFlags), { mode: 'default', endpoints: {} });
  assert.deepEqual(parseNetworks(['host'], noFlags), { mode: 'host', endpoints: {} });
  assert.deepEqual(parseNetworks(['name=a,alias=x,ip=10.0.0.1,driver-opt=K=v', 'b'], noFlags), {
    mode: 'a',
    endpoints: {
      a: { Aliases: ['x'], DriverOpts: { k: 'v' }, IPAMConfig: { IPv4Address: '10.0.0.1' } },
      b: {},
    },
  });
  assert.deepEqual(parseNetworks(['n'], { ...noFlags, aliases: ['y'], mac: '02:42:ac:11:00:02' }).endpoints, {
    n: { Aliases: ['y'], MacAddress: '02:42:ac:11:00:02' },
  });
  assert.throws(() => parseNetworks(['a', 'a'], noFlags), {
    message: 'network "a" is specified multiple times',
  });
  assert.throws(() => parseNetworks(['a', 'bridge'], noFlags), {
    message: /cannot attach both user-defined/,
  });
  assert.throws(() => parseNetworks(['host'], { ...noFlags, aliases: ['x'] }), {
    message: /only supported for user-defined/,
  });
  assert.throws(() => parseNetworks(['name=a,ip=1.1.1.1'], { ...noFlags, ip: '1.1.1.2' }), {
    message: 'conflicting options: cannot specify both --ip and per-network IPv4 address',
  });
  assert.equal(parseExtraHost('h=[::1]'), 'h:::1');
  assert.equal(parseExtraHost('h:host-gateway'), 'h:host-gateway');
  assert.throws(() => parseExtraHost('h:nonsense'), {
    message: 'invalid IP address in add-host: "nonsense"',
  });
});

test('resources', () => {
  assert.equal(parseCpus('1.5'), 1_500_000_000);
  assert.equal(parseCpus('.5'), 500_000_000);
  assert.throws(() => parseCpus('x'), { message: 'failed to parse x as a rational number' });
  assert.throws(() => parseCpus('0.0000000001'), { message: 'value is too precise' });
  assert.deepEqual(parseUlimit('nofile=5:10'), { Name: 'nofile', Soft: 5, Hard: 10 });
  assert.deepEqual(parseUlimit('core=-1'), { Name: 'core', Soft: -1, Hard: -1 });
  assert.throws(() => parseUlimit('nofile=5:2'), {
    message: 'ulimit soft limit must be less than or equal to hard limit: 5 > 2',
  });
  assert.throws(() => parseUlimit('foo=1'), { message: 'invalid ulimit type: foo' });
  assert.deepEqual(parseDevices(['/dev/a:/dev/b:r', '/dev/c:rw', 'v.com/c=d']), {
    devices: [
      { PathOnHost: '/dev/a', PathInContainer: '/dev/b', CgroupPermissions: 'r' },
      { PathOnHost: '/dev/c', PathInContainer: '/dev/c', CgroupPermissions: 'rw' },
    ],
    requests: [{ Driver: 'cdi', DeviceIDs: ['v.com/c=d'] }],
  });
  assert.deepEqual(parseGpus('all'), { Count: -1, Capabilities: [['gpu']] });
  assert.deepEqual(parseGpus('"device=0,1"'), { DeviceIDs: ['0', '1'], Capabilities: [['gpu']] });
});

test('policies', () => {
  assert.deepEqual(parseRestart('on-failure:3'), { Name: 'on-failure', MaximumRetryCount: 3 });
  assert.throws(() => parseRestart('on-failure:x'), { message: /maximum retry count must be an integer/ });
  assert.deepEqual(parseCapabilities(['net_admin', 'CAP_CHOWN'], ['all', 'chown']), {
    add: ['CAP_CHOWN', 'CAP_NET_ADMIN'],
    drop: ['ALL'],
  });
  assert.deepEqual(parseCapabilities(['ALL'], ['KILL']), { add: ['ALL'], drop: ['CAP_KILL'] });
});

test('times', () => {
  assert.equal(parseTimestamp('1h', 7200_000), '3600.000000000');
  assert.equal(parseTimestamp('2026-11-24T01:02:03.5Z'), '1795482123.500000000');
  assert.equal(parseTimestamp('1700000000.25'), '1700000000.25');
  assert.throws(() => parseTimestamp('nonsense'), {
    message: 'failed to parse value as time or duration: "nonsense"',
  });
});

test('subnets and quoted lists', () => {
  assert.equal(contains('10.0.0.0/8', '10.1.2.3'), true);
  assert.equal(contains('10.0.0.0/8', '10.1.0.0/16'), true);
  assert.equal(contains('10.0.0.0/8', 'fd00::1'), false);
  assert.equal(parseCidr('10.0.0.0/33'), undefined);
  assert.deepEqual(parseCsvLine('a,"b,""c""",d'), ['a', 'b,"c"', 'd']);
  assert.throws(() => parseCsvLine('a"b'), { message: /bare " in non-quoted-field/ });
});
