/** The default bridge, published ports, the other network modes: seen from containers, the host and another machine. */
import assert from 'node:assert/strict';
import { afterEach, before, describe, test } from 'node:test';
import { waitFor } from '../scripts/engine-client.ts';
import { absent } from './harness/clients.ts';
import { engineName, useEngine } from './harness/engine.ts';
import { HOST_ADDRESS, OUTSIDE_ADDRESS, Outside } from './harness/outside.ts';

/** Answers every connection with the address it came from. */
const WHO_AM_I = `require('node:http').createServer((q, s) => s.end(q.socket.remoteAddress)).listen(8000, '${OUTSIDE_ADDRESS}')`;

/** Sends every datagram back in upper case. */
const UDP_ECHO =
  'use IO::Socket::INET; $s = IO::Socket::INET->new(LocalPort => 53, Proto => "udp") or die; $| = 1; print "up\\n"; ' +
  'while ($p = recv $s, $_, 1000, 0) { send $s, uc, 0, $p }';
const UDP_ASK =
  'use IO::Socket::INET; $s = IO::Socket::INET->new(PeerAddr => shift, Proto => "udp"); send $s, "hello", 0; ' +
  'alarm 2; recv $s, $_, 1000, 0; print';

describe('network', { skip: absent('docker-28') }, () => {
  const engine = useEngine({ images: ['busybox', 'debian:bookworm'] });
  const docker = () => engine().cli('docker-28');
  const inBusybox = (flags: string[], script: string) =>
    docker().ok('run', '--rm', ...flags, 'busybox', 'sh', '-c', script);
  const address = (name: string) =>
    docker().ok('inspect', '-f', '{{.NetworkSettings.Networks.bridge.IPAddress}}', name);
  let outside: Outside;

  before(async () => {
    outside = await Outside.connect(engine());
    engine().helper(outside.inside([process.execPath, '-e', WHO_AM_I]));
    await waitFor('the server outside', () =>
      outside.fetch(`http://${OUTSIDE_ADDRESS}:8000/`).catch(() => ''),
    );
  });
  afterEach(() => engine().clear());

  /** A web server in a container that tells the name given. */
  const serve = async (name: string, ...flags: string[]) => {
    const script = `mkdir /w; echo ${name} > /w/index.html; httpd -f -p 80 -h /w & httpd -f -p 81 -h /w & httpd -f -p 82 -h /w & wait`;
    await docker().ok('run', '-d', '--name', name, ...flags, 'busybox', 'sh', '-c', script);
    // The three start side by side: any of them may be the last.
    await waitFor(`${name} to listen`, async () => {
      const listening = await docker().ok('exec', name, 'netstat', '-ltn');
      return [':80 ', ':81 ', ':82 '].every((port) => listening.includes(port));
    });
  };

  test('every container has an address on the bridge, a gateway and a way out under the host’s address', async () => {
    const script = `wget -qO- http://${OUTSIDE_ADDRESS}:8000/; echo; ip route | sed -n 's/default via \\([^ ]*\\).*/\\1/p'`;
    await docker().ok('create', '--name', 'traveller', 'busybox', 'sh', '-c', script);
    const [seenAs, gateway] = (await docker().ok('start', '-a', 'traveller')).split('\n');
    assert.equal(seenAs, HOST_ADDRESS, 'masqueraded');
    assert.match(gateway ?? '', /^\d+\.\d+\.\d+\.\d+$/);
    await docker().ok('run', '-d', '--name', 'other', 'busybox', 'sleep', '300');
    const field = (name: string) =>
      docker().ok('inspect', '-f', `{{.NetworkSettings.Networks.bridge.${name}}}`, 'other');
    assert.equal(await field('Gateway'), gateway);
    assert.notEqual(await field('IPAddress'), gateway);
  });

  test('containers reach each other and themselves; addresses are not given twice', async () => {
    await serve('first');
    await serve('second');
    const [first, second] = [await address('first'), await address('second')];
    assert.notEqual(first, second);
    assert.equal(await docker().ok('exec', 'first', 'wget', '-qO-', `http://${second}/`), 'second');
    assert.equal(await docker().ok('exec', 'first', 'wget', '-qO-', `http://${first}/`), 'first');
    assert.match(
      await docker().ok('inspect', '-f', '{{.NetworkSettings.Networks.bridge.MacAddress}}', 'first'),
      /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/,
    );
  });

  test('a published port, from the host, from outside, from containers', async () => {
    await serve('web', '-p', '8300:80');
    const from = { 'the loopback': '127.0.0.1', 'the host’s own address': HOST_ADDRESS };
    for (const [name, host] of Object.entries(from))
      assert.equal(await engine().fetch(`http://${host}:8300/`), 'web', name);
    assert.equal(await outside.fetch(`http://${HOST_ADDRESS}:8300/`), 'web');
    assert.equal(
      await inBusybox([], `wget -qO- http://${HOST_ADDRESS}:8300/`),
      'web',
      'another container, by the host’s address',
    );
    assert.equal(
      await docker().ok('exec', 'web', 'wget', '-qO-', `http://${HOST_ADDRESS}:8300/`),
      'web',
      'the container itself',
    );
    const gateway = await docker().ok('inspect', '-f', '{{.NetworkSettings.Networks.bridge.Gateway}}', 'web');
    assert.equal(await inBusybox([], `wget -qO- http://${gateway}:8300/`), 'web', 'by the gateway');
    await docker().ok('rm', '-f', 'web');
    await assert.rejects(
      engine().fetch('http://127.0.0.1:8300/'),
      /ECONNREFUSED/,
      'closed with the container',
    );
  });

  test('a port published on 127.0.0.1 is for the host alone', async () => {
    await serve('private', '-p', '127.0.0.1:8301:80');
    assert.equal(await engine().fetch('http://127.0.0.1:8301/'), 'private');
    await assert.rejects(outside.fetch(`http://${HOST_ADDRESS}:8301/`));
  });

  test('udp ports', async () => {
    await docker().ok(
      'run',
      '-d',
      '--name',
      'echo',
      '-p',
      '5353:53/udp',
      'debian:bookworm',
      'perl',
      '-e',
      UDP_ECHO,
    );
    await waitFor('the echo server', async () => (await docker().ok('logs', 'echo')) === 'up');
    assert.equal(await outside.ok(['perl', '-e', UDP_ASK, `${HOST_ADDRESS}:5353`]), 'HELLO');
    assert.equal(await engine().sandbox.ok(['perl', '-e', UDP_ASK, '127.0.0.1:5353']), 'HELLO');
  });

  test('ranges, random ports, ports the image exposes', async () => {
    await serve('range', '-p', '8310-8312:80-82', '-p', '82', '-P', '--expose', '81');
    for (const port of [8310, 8311, 8312])
      assert.equal(await engine().fetch(`http://127.0.0.1:${port}/`), 'range');
    const ports = (await docker().ok('port', 'range', '82/tcp')).split('\n');
    const random = ports.map((line) => Number(line.split(':').at(-1))).find((port) => port > 30_000);
    assert.ok(random, `${ports}`);
    assert.equal(await engine().fetch(`http://127.0.0.1:${random}/`), 'range');
  });

  test('a port that is taken is refused, by a container and by a program of the host', async () => {
    await docker().ok('run', '-d', '--name', 'holder', '-p', '8320:80', 'busybox', 'sleep', '300');
    assert.match(
      await docker().fails(125, 'run', '-d', '--name', 'second', '-p', '8320:80', 'busybox', 'sleep', '300'),
      /Bind for 0\.0\.0\.0:8320 failed: port is already allocated/,
    );
    assert.equal(await docker().ok('inspect', '-f', '{{.State.Status}}', 'second'), 'created');
    await docker().ok('rm', '-f', 'holder');
    await docker().ok('start', 'second');
    const server = `require('node:net').createServer().listen(8321, '0.0.0.0', () => console.log('up'))`;
    const program = engine().helper([process.execPath, '-e', server]);
    await program.prints(/up/);
    assert.match(
      await docker().fails(125, 'run', '--rm', '-p', '8321:80', 'busybox', 'true'),
      /address already in use/,
    );
    program.child.kill('SIGKILL');
    await program.ended;
    await docker().ok('run', '--rm', '-p', '8321:80', 'busybox', 'true');
  });

  test('--network none, host and container:X', async () => {
    assert.equal(await inBusybox(['--network', 'none'], 'ip -o link | cut -d" " -f2'), 'lo:');
    const own = await engine().sandbox.ok(['readlink', '/proc/self/ns/net']);
    assert.equal(await inBusybox(['--network', 'host'], 'readlink /proc/self/ns/net'), own);
    assert.equal(
      await inBusybox(['--network', 'host'], 'hostname'),
      (await engine().sandbox.ok(['hostname'])).trim(),
    );
    await serve('sharer');
    assert.equal(
      await inBusybox(['--network', 'container:sharer'], 'wget -qO- http://127.0.0.1/; hostname').then(
        (out) => out.split('\n')[0],
      ),
      'sharer',
    );
    assert.match(
      await docker().fails(125, 'run', '--rm', '--network', 'nowhere', 'busybox', 'true'),
      /network nowhere not found/,
    );
  });

  test('/etc/hosts, /etc/hostname and /etc/resolv.conf', async () => {
    const out = await inBusybox(
      [
        '-h',
        'me',
        '--add-host',
        'db:10.9.8.7',
        '--add-host',
        'gate:host-gateway',
        '--dns',
        '192.0.2.53',
        '--dns-search',
        'corp.test',
        '--dns-option',
        'ndots:2',
      ],
      'cat /etc/hostname; grep me /etc/hosts; hostname -i; grep -e db -e gate /etc/hosts; cat /etc/resolv.conf',
    );
    assert.match(out, /^me\n(\d+\.\d+\.\d+\.\d+)\tme\n\1\n10\.9\.8\.7\tdb\n\d+\.\d+\.\d+\.\d+\tgate\n/);
    assert.match(out, /^nameserver 192\.0\.2\.53$/m);
    assert.match(out, /^search corp\.test$/m);
    assert.match(out, /^options ndots:2$/m);
    assert.equal(
      await inBusybox([], 'echo "1.2.3.4 x" >> /etc/hosts && tail -1 /etc/hosts'),
      '1.2.3.4 x',
      'the files can be written',
    );
  });

  test('nothing is left when the containers are gone', {
    skip: engineName === 'dockerd' && 'dockerd keeps its own books',
  }, async () => {
    await inBusybox([], 'true');
    const before = await engine().quiet();
    await serve('published', '-p', '8330:80', '-p', '8331:81/udp');
    await docker().ok('run', '--name', 'brief', '-P', '--expose', '80', 'busybox', 'true');
    await engine().clear();
    await engine().settles(before);
  });
});
