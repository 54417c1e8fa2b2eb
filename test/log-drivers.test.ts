/** Logs of containers with every driver: delivered to servers we did not write, and read back with `docker logs`. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, test } from 'node:test';
import { waitFor } from '../scripts/engine-client.ts';
import { engineName, useEngine } from './harness/engine.ts';
import { journald, lacking, receiver, rsyslog } from './harness/log-servers.ts';

/** What Debian's dockerd, five years older, does otherwise. */
const ours = engineName === 'dockerd' && 'wharfd promises more than dockerd';

type Options = Record<string, string>;

describe('log drivers', () => {
  const engine = useEngine({ images: ['busybox'] });
  const api = () => engine().client;
  afterEach(() => engine().clear());

  const create = async (script: string, Type: string, Config: Options = {}, more: object = {}) => {
    const body = {
      Image: 'busybox',
      Cmd: ['sh', '-c', script],
      ...more,
      HostConfig: { NetworkMode: 'none', LogConfig: { Type, Config } },
    };
    return (await api().json<{ Id: string }>('POST', '/containers/create', { body })).Id;
  };
  const start = (id: string) => api().json('POST', `/containers/${id}/start`);
  const end = (id: string) => api().json('POST', `/containers/${id}/wait`);
  const run = async (...args: Parameters<typeof create>) => {
    const id = await create(...args);
    await start(id);
    await end(id);
    return id;
  };
  const docker = () => engine().cli('docker-28');
  const logs = (id: string, ...flags: string[]) => docker().run(['logs', ...flags, id]);
  const refused = async (Type: string, Config: Options): Promise<string> => {
    const body = { Image: 'busybox', HostConfig: { LogConfig: { Type, Config } } };
    const answer = await api().request('POST', '/containers/create', { body });
    assert.equal(answer.status, 400, answer.body);
    return (JSON.parse(answer.body) as { message: string }).message;
  };

  test('options that cannot be met are refused in the words of Docker', { skip: ours }, async () => {
    const cases: [string, Options, string][] = [
      ['nope', {}, "logger: no log driver named 'nope' is registered"],
      ['json-file', { nope: '1' }, "unknown log opt 'nope' for json-file log driver"],
      ['local', { nope: '1' }, "unknown log opt 'nope' for log driver local"],
      ['json-file', { mode: 'x' }, 'logger: logging mode not supported: x'],
      [
        'json-file',
        { 'max-buffer-size': '1m' },
        "logger: max-buffer-size option is only supported with 'mode=non-blocking'",
      ],
      ['gelf', {}, 'gelf-address is a required parameter'],
      [
        'gelf',
        { 'gelf-address': 'tcp://x:1', 'gelf-compression-type': 'zlib' },
        'compression is only supported on UDP',
      ],
      ['syslog', { 'syslog-address': 'http://x' }, "unsupported scheme: 'http'"],
      ['syslog', { 'syslog-facility': 'x' }, 'invalid syslog facility'],
      ['syslog', { 'syslog-format': 'x' }, 'Invalid syslog format'],
      [
        'fluentd',
        { 'fluentd-address': 'udp://x' },
        "invalid fluentd-address (udp://x): unsupported scheme: 'udp'",
      ],
      ['journald', { x: '1' }, "unknown log opt 'x' for journald log driver"],
      [
        'json-file',
        { tag: '{{.Nope}}' },
        `template: log-tag:1:2: executing "log-tag" at <.Nope>: can't evaluate field Nope in type *logger.Info`,
      ],
    ];
    for (const [driver, options, message] of cases) assert.equal(await refused(driver, options), message);
  });

  test('a log server that cannot be reached stops the start', async () => {
    const id = await create('true', 'syslog', { 'syslog-address': 'tcp://127.0.0.1:1' });
    const answer = await api().request('POST', `/containers/${id}/start`);
    assert.equal(answer.status, 500);
    assert.match(
      answer.body,
      /failed to initialize logging driver: dial tcp 127\.0\.0\.1:1: connect: connection refused/,
    );
  });

  describe('syslog', { skip: lacking.rsyslog }, () => {
    test('over TCP, UDP and a unix socket, in each format', async () => {
      const socket = join(engine().sandbox.directory, 'log.sock');
      const server = await rsyslog(
        engine(),
        `module(load="imtcp") input(type="imtcp" port="5514")
module(load="imudp") input(type="imudp" port="5514")
module(load="imuxsock" SysSock.Use="off") input(type="imuxsock" Socket="${socket}")`,
      );
      await waitFor('the socket', () => existsSync(socket));
      const script = 'echo out; echo; echo bad >&2; sleep 0.1';
      const cases: Options[] = [
        { 'syslog-address': 'tcp://127.0.0.1:5514', tag: 'tcp-{{.Name}}', 'syslog-format': 'rfc3164' },
        {
          'syslog-address': 'udp://127.0.0.1:5514',
          tag: 'udp',
          'syslog-format': 'rfc5424micro',
          'syslog-facility': 'local3',
        },
        { 'syslog-address': 'tcp://127.0.0.1:5514', tag: 'new', 'syslog-format': 'rfc5424' },
        { 'syslog-address': `unixgram://${socket}`, tag: 'gram' },
      ];
      for (const options of cases) await run(script, 'syslog', options);
      const lines = (await server.has(8)).map((line) => line.split('|'));
      const got = lines.map(([priority, , tag = '', , text]) => [
        priority,
        tag.replace(/\[\d+\]/, ''),
        text?.trim(),
      ]);
      const name = got[0]?.[1]?.slice('tcp-'.length);
      const expected = [
        ['30', `tcp-${name}`, 'out'],
        ['27', `tcp-${name}`, 'bad'],
        ['158', 'udp', 'out'],
        ['155', 'udp', 'bad'],
        ['30', 'new', 'out'],
        ['27', 'new', 'bad'],
        ['30', 'gram:', 'out'],
        ['27', 'gram:', 'bad'],
      ];
      const plain = (rows: unknown[][]) => rows.map((row) => row.join(' ').replace(/:? /g, ' ')).sort();
      assert.deepEqual(plain(got), plain(expected));
      await server.kill();
    });

    test('nothing is lost while the server is away, nor when the daemon is killed', {
      skip: ours,
    }, async () => {
      const listen = 'module(load="imtcp") input(type="imtcp" port="5515")';
      const first = await rsyslog(engine(), listen, 'first.out');
      const script =
        'i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); [ $((i % 100)) = 0 ] && sleep 0.05; done';
      const id = await create(script, 'syslog', { 'syslog-address': 'tcp://127.0.0.1:5515' });
      await start(id);
      await first.has(200);
      // The daemon, and then the server; the one comes back before the other.
      await engine().signal('SIGKILL');
      first.process.child.kill('SIGTERM');
      await first.process.ended;
      await engine().launch();
      const second = await rsyslog(engine(), listen, 'second.out');
      const all = () => [...first.lines(), ...second.lines()].map((line) => /line (\d+)$/.exec(line)?.[1]);
      await waitFor('all lines', () => new Set(all()).size === 3000, { timeout: 30_000 });
      // At least once: what was under way may come again, no more.
      assert.ok(all().length < 6000, `${all().length} lines`);
      const { stdout } = await logs(id, '--tail', '2');
      assert.equal(stdout, 'line 2998\nline 2999\n');
      await second.kill();
    });
  });

  test('gelf over UDP and TCP', async () => {
    const labels = { Labels: { colour: 'red' }, Env: ['SHADE=dark'] };
    const big = 'head -c 30000 /dev/urandom | base64 -w 0; echo; echo bad >&2';
    for (const kind of ['udp', 'tcp'] as const) {
      const server = await receiver(engine(), `gelf-${kind}`, '127.0.0.1:12201', `gelf-${kind}`);
      const id = await run(
        big,
        'gelf',
        {
          'gelf-address': `${kind}://127.0.0.1:12201`,
          labels: 'colour',
          'env-regex': '^SHA',
          ...(kind === 'udp' ? { 'gelf-compression-type': 'zlib' } : {}),
        },
        labels,
      );
      await server.has(4);
      const messages = server.messages();
      const texts = (level: number) =>
        messages.filter((each) => Number(each.level) === level).map((each) => each.short_message ?? '');
      assert.equal(texts(6).join('').length, 40_000);
      assert.deepEqual(texts(3), ['bad']);
      const [first] = messages;
      assert.equal(first?.version, '1.1');
      assert.equal(first._container_id, id);
      assert.equal(first._tag, id.slice(0, 12));
      assert.equal(first._colour, 'red');
      assert.equal(first._SHADE, 'dark');
      assert.equal(first._image_name, 'busybox');
      assert.ok(Math.abs(Number(first.timestamp) - Date.now() / 1000) < 60);
      const { stdout } = await logs(id);
      assert.equal(stdout, `${texts(6).join('')}\n`);
      await server.kill();
    }
  });

  test('fluentd: pieces of a long line, bytes as they are, acknowledgements', async () => {
    const { directory } = engine().sandbox;
    const script =
      "printf 'a\\377b\\n'; head -c 40000 /dev/zero | tr '\\0' x; echo; echo bad >&2; printf rest";
    for (const [address, more] of [
      ['127.0.0.1:24225', []],
      [join(directory, 'fluent.sock'), ['ack']],
    ] as const) {
      const file = `fluentd${more.length}`;
      const server = await receiver(engine(), 'fluentd', address, file, ...more);
      const id = await run(script, 'fluentd', {
        'fluentd-address': address.startsWith('/') ? `unix://${address}` : address,
        'fluentd-sub-second-precision': 'true',
        tag: 'docker.{{.Name}}',
        ...(more.length > 0 ? { 'fluentd-request-ack': 'true' } : {}),
      });
      await server.has(6);
      const messages = server.messages();
      const { Name } = await api().json<{ Name: string }>('GET', `/containers/${id}/json`);
      const out = messages.filter((each) => each.source === 'stdout');
      assert.equal(out[0]?.log, 'a\udcffb');
      assert.equal(out[0]?.container_name, Name);
      assert.equal(out[0]?.container_id, id);
      assert.equal(out[0]?.tag, `docker.${Name.slice(1)}`);
      assert.match(out[0]?.time ?? '', /^\d{10}\.\d{9}$/);
      assert.deepEqual(
        out.slice(1).map((each) => [each.log?.length, each.partial_ordinal, each.partial_last]),
        [
          [16384, '1', 'false'],
          [16384, '2', 'false'],
          [7232, '3', 'true'],
          [4, undefined, undefined],
        ],
      );
      assert.equal(new Set(out.slice(1, 4).map((each) => each.partial_id)).size, 1);
      assert.deepEqual(
        messages.filter((each) => each.source === 'stderr').map((each) => each.log),
        ['bad'],
      );
      await server.kill();
    }
  });

  test('blocking: the container waits for the server, and everything comes', { skip: ours }, async () => {
    const address = '127.0.0.1:24226';
    const first = await receiver(engine(), 'fluentd', address, 'waits1');
    const line = 'x'.repeat(99);
    const id = await create(`echo begin; sleep 0.5; yes ${line} | head -n 40000; echo end`, 'fluentd', {
      'fluentd-address': address,
      'fluentd-retry-wait': '100ms',
      'cache-max-size': '500k',
      'cache-max-file': '3',
    });
    await start(id);
    await first.has(1);
    await first.kill();
    const size = () => {
      const directory = join(engine().sandbox.directory, 'data/containers', id, 'log-cache');
      return readdirSync(directory).reduce(
        (sum, name) => sum + readFileSync(join(directory, name)).length,
        0,
      );
    };
    await waitFor('the bound to be hit', () => engine().logTail(50).includes('the container waits'));
    assert.ok(size() < 3_500_000, `${size()} bytes`);
    const second = await receiver(engine(), 'fluentd', address, 'waits2');
    await waitFor('the end', () => second.lines().at(-1)?.includes('"end"'), { timeout: 40_000 });
    const texts = new Set<string>();
    const all = [...first.messages(), ...second.messages()].map((each) => each.log ?? '');
    for (const text of all) texts.add(text);
    assert.deepEqual(texts, new Set(['begin', line, 'end']));
    assert.ok(all.length >= 40_002, `${all.length} messages`);
    await end(id);
    await second.kill();
  });

  test('non-blocking: the container goes on, what is lost is told', { skip: ours }, async () => {
    const address = '127.0.0.1:24227';
    const first = await receiver(engine(), 'fluentd', address, 'drops1');
    const id = await create(`echo begin; sleep 0.5; seq 1 100000; echo end`, 'fluentd', {
      'fluentd-address': address,
      'fluentd-retry-wait': '100ms',
      mode: 'non-blocking',
      'cache-max-size': '500k',
      'cache-max-file': '3',
    });
    await start(id);
    await first.has(1);
    await first.kill();
    await end(id);
    const second = await receiver(engine(), 'fluentd', address, 'drops2');
    await waitFor('the end', () => second.lines().some((line) => line.includes('"end"')), {
      timeout: 30_000,
    });
    const texts = second.messages().map((each) => each.log ?? '');
    const lost = texts.filter((text) => text.startsWith('[wharf]'));
    assert.match(
      lost.join('\n'),
      /\d+ lines of this log were lost: the log server did not take them in time/,
    );
    const seen = texts.filter((text) => /^\d+$/.test(text)).map(Number);
    assert.ok(seen.length < 100_000 && seen.at(-1) === 100_000);
    await second.kill();
  });

  test('a container that is removed has delivered its log', { skip: ours }, async () => {
    const address = '127.0.0.1:24228';
    const server = await receiver(engine(), 'fluentd', address, 'removed');
    const options = ['--log-driver', 'fluentd', '--log-opt', `fluentd-address=${address}`];
    await docker().ok('run', '--rm', '--network', 'none', ...options, 'busybox', 'seq', '1', '2000');
    assert.equal((await server.has(2000)).length, 2000);
    await server.kill();
  });

  test('journald', { skip: lacking.journald }, async () => {
    const journal = await journald(engine());
    const id = await run(
      "printf 'a\\nb\\n'; echo bad >&2; head -c 20000 /dev/zero | tr '\\0' x; echo",
      'journald',
      {
        tag: 'j/{{.ID}}',
      },
    );
    await waitFor('the journal', async () => (await journal.query()).length === 5);
    const entries = await journal.query();
    const of = (priority: string) => entries.filter((entry) => entry.PRIORITY === priority);
    assert.deepEqual(
      of('6').map((entry) => String(entry.MESSAGE).length),
      [1, 1, 16384, 3616],
    );
    assert.deepEqual(
      of('3').map((entry) => entry.MESSAGE),
      ['bad'],
    );
    assert.equal(entries[0]?.CONTAINER_ID_FULL, id);
    assert.equal(entries[0]?.SYSLOG_IDENTIFIER, `j/${id.slice(0, 12)}`);
    assert.equal(entries.find((entry) => entry.CONTAINER_PARTIAL_MESSAGE)?.CONTAINER_PARTIAL_ORDINAL, '1');
    journal.process.child.kill('SIGKILL');
  });
});
