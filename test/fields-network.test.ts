/** What a container is told of the network: links, hosts, names, DNS, MAC addresses, ports; seen from inside. */
import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { absent } from './harness/clients.ts';
import { engineName, useEngine } from './harness/engine.ts';

/** What Debian's dockerd, five years older, does differently or not at all. */
const newer = engineName === 'dockerd' && 'not in dockerd 20.10';

describe('network fields', { skip: absent('docker-28') }, () => {
  const flags =
    engineName === 'wharfd' ? ['--host-gateway-ip', '192.0.2.77'] : ['--host-gateway-ip=192.0.2.77'];
  const engine = useEngine({ images: ['busybox'], flags });
  const docker = () => engine().cli('docker-28');
  const inBusybox = (options: string[], script: string) =>
    docker().ok('run', '--rm', ...options, 'busybox', 'sh', '-c', script);
  const inspect = (container: string, format: string) => docker().ok('inspect', '-f', format, container);
  const sleeping = (name: string, ...options: string[]) =>
    docker().ok('run', '-d', '--name', name, ...options, 'busybox', 'sleep', '300');
  const addressOf = (container: string) =>
    inspect(container, '{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}').then(
      (all) => all.split(' ')[0]!,
    );
  afterEach(() => engine().clear());

  test('--link: variables, lines of /etc/hosts, inspect, ps', async () => {
    await sleeping(
      'db',
      '-h',
      'dbhost',
      '-e',
      'FOO=bar',
      '-e',
      'PATH=/x:/bin',
      ...['80', '81', '82', '100', '101', '90/udp'].flatMap((port) => ['--expose', port]),
    );
    const ip = await addressOf('db');
    const out = await docker().ok(
      'run',
      '--name',
      'web',
      '--link',
      'db:my-db',
      'busybox',
      'sh',
      '-c',
      'env | grep ^MY_DB | sort; grep my-db /etc/hosts; wget -T 1 -O - http://my-db:9 2>&1 | head -1',
    );
    const port = (number: number, protocol: string) => {
      const name = `MY_DB_PORT_${number}_${protocol.toUpperCase()}`;
      return [
        `${name}=${protocol}://${ip}:${number}`,
        `${name}_ADDR=${ip}`,
        `${name}_PORT=${number}`,
        `${name}_PROTO=${protocol}`,
      ];
    };
    const range = [
      `MY_DB_PORT_80_TCP_START=tcp://${ip}:80`,
      `MY_DB_PORT_80_TCP_END=tcp://${ip}:82`,
      'MY_DB_PORT_80_TCP_PORT_START=80',
      'MY_DB_PORT_80_TCP_PORT_END=82',
    ];
    const variables = [
      'MY_DB_ENV_FOO=bar',
      'MY_DB_NAME=/web/my-db',
      `MY_DB_PORT=tcp://${ip}:80`,
      ...[80, 81, 82, 100, 101].flatMap((number) => port(number, 'tcp')),
      ...port(90, 'udp'),
      ...range,
    ];
    assert.deepEqual(
      out
        .split('\n')
        .filter((line) => line.startsWith('MY_DB'))
        .sort(),
      variables.sort(),
    );
    assert.match(out, new RegExp(`^${ip}\\tmy-db dbhost db$`, 'm'));
    assert.match(out, new RegExp(`${ip.replaceAll('.', '\\.')}:9`), 'the alias is reached');
    assert.equal(await inspect('web', '{{json .HostConfig.Links}}'), '["/db:/web/my-db"]');
    assert.match(await docker().ok('ps', '--no-trunc', '--format', '{{.Names}}'), /^db,web\/my-db$/m);
    await docker().ok('rename', 'db', 'data');
    assert.equal(await inspect('web', '{{json .HostConfig.Links}}'), '["/data:/web/my-db"]');
  });

  test('--link follows a container that comes back with another address; rm --link', async () => {
    await sleeping('db');
    await sleeping('web', '--link', 'db:base');
    const first = await addressOf('db');
    await docker().ok('stop', '-t', '0', 'db');
    // Takes the address that has become free, or not: the linked one must have its own either way.
    await sleeping('other');
    await docker().ok('start', 'db');
    const line = () => docker().ok('exec', 'web', 'sh', '-c', 'grep base /etc/hosts || true');
    assert.match(await line(), new RegExp(`^${await addressOf('db')}\\tbase `));
    assert.match(first, /^172\./);
    assert.match(
      await docker().fails(1, 'rm', '--link', 'web'),
      /cannot remove the default link name of the container/,
    );
    assert.match(
      await docker().fails(1, 'rm', '--link', 'web/nothing'),
      /No such container: \/?web\/nothing/,
    );
    await docker().ok('rm', '--link', 'web/base');
    assert.equal(await line(), '');
    assert.equal(await inspect('web', '{{json .HostConfig.Links}}'), 'null');
  });

  test('--link: refused for who does not exist, at creation; who does not run, at the start', async () => {
    assert.match(
      await docker().fails(1, 'create', '--link', 'nobody:x', 'busybox'),
      /could not get container for nobody: No such container: nobody/,
    );
    await docker().ok('create', '--name', 'idle', 'busybox');
    assert.match(
      await docker().fails(125, 'run', '--name', 'user', '--link', 'idle:x', 'busybox', 'true'),
      /Cannot link to a non running container: \/idle AS \/user\/x/,
    );
  });

  test('--link on a network of the user’s is a name there', async () => {
    await docker().ok('network', 'create', 'mine');
    await sleeping('db', '--network', 'mine');
    const out = await inBusybox(
      ['--network', 'mine', '--link', 'db:alias'],
      'ping -c 1 -W 2 alias | head -1; env | grep -c ALIAS || true',
    );
    assert.match(out, new RegExp(`^PING alias \\(${await addressOf('db')}\\).*\n0$`));
  });

  test('--hostname --domainname --add-host --dns…: the files and the kernel’s names', async () => {
    const options = [
      '--hostname',
      'box',
      '--domainname',
      'example.org',
      '--add-host',
      'a.test:10.1.2.3',
      '--add-host',
      'b.test=fe80::1',
      '--add-host',
      'gate:host-gateway',
      '--dns',
      '192.0.2.1',
      '--dns-search',
      'example.net',
      '--dns-option',
      'ndots:3',
    ];
    const out = await inBusybox(
      options,
      'hostname; cat /proc/sys/kernel/domainname /etc/hostname; grep -E "a.test|b.test|gate|box" /etc/hosts; cat /etc/resolv.conf',
    );
    const lines = out.split('\n');
    assert.deepEqual(lines.slice(0, 3), ['box', 'example.org', 'box']);
    for (const line of ['10.1.2.3\ta.test', 'fe80::1\tb.test', '192.0.2.77\tgate'])
      assert.ok(lines.includes(line), line);
    assert.match(out, /^172\.[\d.]+\tbox\.example\.org box$/m);
    for (const line of ['nameserver 192.0.2.1', 'search example.net', 'options ndots:3'])
      assert.ok(lines.includes(line), line);
  });

  test('--mac-address, of the container and of an endpoint', { skip: newer }, async () => {
    const mac = '02:42:ac:11:00:99';
    assert.equal(await inBusybox(['--mac-address', mac], 'cat /sys/class/net/eth0/address'), mac);
    const { Id } = await engine().client.json<{ Id: string }>('POST', '/v1.43/containers/create', {
      body: { Image: 'busybox', Cmd: ['sleep', '60'], MacAddress: mac },
    });
    await docker().ok('start', Id);
    assert.equal(await docker().ok('exec', Id, 'cat', '/sys/class/net/eth0/address'), mac);
    assert.match(
      await docker().fails(125, 'run', '--mac-address', 'no', 'busybox'),
      /no is not a valid mac address|invalid MAC address/,
    );
  });

  test('NetworkDisabled leaves the loopback alone; ports that are exposed and published', async () => {
    const create = (body: object) =>
      engine().client.json<{ Id: string }>('POST', '/containers/create', {
        body: { Image: 'busybox', Cmd: ['sh', '-c', 'ls /sys/class/net; sleep 60'], ...body },
      });
    const { Id } = await create({ NetworkDisabled: true });
    await docker().ok('start', Id);
    assert.equal(await docker().ok('exec', Id, 'ls', '/sys/class/net'), 'lo');
    const ports = await create({
      ExposedPorts: { '80/tcp': {}, '53/udp': {} },
      HostConfig: { PublishAllPorts: true },
    });
    await docker().ok('start', ports.Id);
    const published = await docker().ok('port', ports.Id);
    assert.match(published, /^53\/udp -> 0\.0\.0\.0:\d+$/m);
    assert.match(published, /^80\/tcp -> 0\.0\.0\.0:\d+$/m);
    assert.equal(await inspect(ports.Id, '{{json .Config.ExposedPorts}}'), '{"53/udp":{},"80/tcp":{}}');
  });

  test('a container that was disconnected from its network stays so at its next start', async () => {
    await docker().ok('network', 'create', 'one');
    await docker().ok('network', 'create', 'two');
    const links = (name: string) => docker().ok('exec', name, 'ls', '/sys/class/net');
    const networks = (name: string) =>
      inspect(name, '{{range $n, $_ := .NetworkSettings.Networks}}{{$n}},{{end}}');
    await sleeping('stopped', '--network', 'one');
    await docker().ok('stop', '-t', '0', 'stopped');
    await docker().ok('network', 'disconnect', 'one', 'stopped');
    await docker().ok('network', 'connect', 'two', 'stopped');
    assert.equal(await networks('stopped'), 'two,');
    await docker().ok('start', 'stopped');
    assert.equal(await networks('stopped'), 'two,');
    await docker().ok('network', 'disconnect', 'two', 'stopped');
    await docker().ok('restart', '-t', '0', 'stopped');
    assert.equal(await networks('stopped'), '');
    assert.equal(await links('stopped'), 'lo');
    await docker().ok('network', 'connect', 'one', 'stopped');
    assert.equal(await links('stopped'), 'eth0\nlo');
    await docker().ok('restart', '-t', '0', 'stopped');
    assert.equal(await networks('stopped'), 'one,');
  });

  test('what does not go with the network of another is refused', { skip: newer }, async () => {
    await sleeping('donor');
    const join = (...options: string[]) =>
      docker().fails(125, 'run', '--rm', '--network', 'container:donor', ...options, 'busybox', 'true');
    assert.match(await join('-h', 'x'), /conflicting options: hostname and the network mode/);
    assert.match(
      await join('--add-host', 'a:1.2.3.4'),
      /conflicting options: custom host-to-IP mapping and the network mode/,
    );
    assert.match(await join('--dns', '1.2.3.4'), /conflicting options: dns and the network mode/);
    assert.match(
      await join('-p', '80'),
      /conflicting options: port publishing and the container type network mode/,
    );
    assert.match(await join('--link', 'donor:x'), /container type network can't be used with links/);
    assert.match(
      await join('--expose', '80'),
      /conflicting options: port exposing and the container type network mode/,
    );
  });
});
