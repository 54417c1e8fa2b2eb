import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePort, portMap, portRequests } from './host-ports.ts';

test('bindings become requests: addresses, ranges, random ports, publish-all', () => {
  const requests = portRequests(
    {
      '80/tcp': [{ HostIp: '', HostPort: '8000-8010' }, { HostIp: '127.0.0.1' }],
      '53/udp': [
        { HostIp: '0.0.0.0', HostPort: '53' },
        { HostIp: '::', HostPort: '53' },
      ],
      '9/tcp': null,
    },
    ['80/tcp', '90', '7/sctp'],
    true,
    '10.0.0.1',
  );
  assert.deepEqual(
    requests.map((r) => `${r.hostAddress}:${r.first}-${r.last}->${r.containerPort}/${r.protocol}`),
    [
      '10.0.0.1:8000-8010->80/tcp',
      '127.0.0.1:0-0->80/tcp',
      '0.0.0.0:53-53->53/udp',
      '10.0.0.1:0-0->90/tcp',
      '10.0.0.1:0-0->7/sctp',
    ],
  );
});

test('malformed ports and addresses are refused', () => {
  for (const port of ['', 'http', '65536', '80/icmp', '80/tcp/x', '-1', '1e3']) {
    assert.throws(() => parsePort(port), { kind: 'InvalidParameter' }, port);
  }
  for (const HostPort of ['x', '9-8', '1-70000', '1-2-3', ' 80']) {
    assert.throws(
      () => portRequests({ '80/tcp': [{ HostPort }] }, [], false, '0.0.0.0'),
      { kind: 'InvalidParameter' },
      HostPort,
    );
  }
  assert.throws(() => portRequests({ '80': [{ HostIp: 'localhost' }] }, [], false, '0.0.0.0'), {
    kind: 'InvalidParameter',
  });
  assert.throws(() => portRequests({ '80': [{ HostIp: '::1' }] }, [], false, '0.0.0.0'), {
    kind: 'NotImplemented',
  });
});

test('exposed ports are shown with their bindings, or null', () => {
  const lease = {
    protocol: 'tcp',
    hostAddress: '0.0.0.0',
    address: '172.17.0.2',
    containerPort: 80,
  } as const;
  assert.deepEqual(
    portMap(
      [
        { ...lease, hostPort: 8080 },
        { ...lease, hostPort: 8081 },
      ],
      ['80/tcp', '90/udp'],
    ),
    {
      '80/tcp': [
        { HostIp: '0.0.0.0', HostPort: '8080' },
        { HostIp: '0.0.0.0', HostPort: '8081' },
      ],
      '90/udp': null,
    },
  );
});
