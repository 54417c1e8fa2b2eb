/** The main job on real input: a real image from a real registry, run by the stock docker command line. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { afterEach, before, describe, test } from 'node:test';
import { buildImage } from '../library/build.ts';
import { waitFor } from '../scripts/engine-client.ts';
import { absent, clientPath } from './harness/clients.ts';
import { useEngine } from './harness/engine.ts';
import { multiPlatformLayout } from './harness/layout.ts';
import { Registry } from './harness/registry.ts';

describe('a Debian image from a registry', { skip: absent('docker-28', 'skopeo', 'docker-registry') }, () => {
  const engine = useEngine();
  const docker = () => engine().cli('docker-28');
  let registry: Registry;
  let debian: string;

  /** skopeo in the sandbox, where the registry is. */
  const skopeo = (...args: string[]) =>
    engine().sandbox.ok([clientPath('skopeo'), '--insecure-policy', ...args]);

  before(async () => {
    registry = await Registry.start(engine());
    debian = `${registry.address}/library/debian:bookworm`;
    const { path } = await buildImage('debian:bookworm');
    await skopeo(
      'copy',
      '-q',
      '--dest-tls-verify=false',
      `docker-archive:${path}:debian:bookworm`,
      `docker://${debian}`,
    );
  });
  afterEach(() => engine().clear());

  test('pull by tag, and again by digest: the same image', async () => {
    await docker().ok('pull', debian);
    const digest = await skopeo(
      'inspect',
      '--tls-verify=false',
      '--format',
      '{{.Digest}}',
      `docker://${debian}`,
    );
    const repository = debian.slice(0, debian.lastIndexOf(':'));
    assert.equal(
      await docker().ok('image', 'inspect', '-f', '{{index .RepoDigests 0}}', debian),
      `${repository}@${digest}`,
    );
    const id = await docker().ok('image', 'inspect', '-f', '{{.Id}}', debian);
    await docker().ok('rmi', debian);
    await docker().ok('pull', `${repository}@${digest}`);
    assert.equal(await docker().ok('image', 'inspect', '-f', '{{.Id}}', `${repository}@${digest}`), id);
    await docker().ok('pull', debian);
  });

  test('a multi-platform index: this machine’s image by default, another by --platform', async () => {
    const layout = join(engine().sandbox.directory, 'layout');
    await multiPlatformLayout(layout, [
      { os: 'linux', architecture: 'arm', variant: 'v7' },
      { os: 'linux', architecture: 'arm64', variant: 'v8' },
      { os: 'linux', architecture: 'amd64' },
      { os: 'linux', architecture: 's390x' },
    ]);
    const name = `${registry.address}/multi:latest`;
    await skopeo(
      'copy',
      '-q',
      '--all',
      '--dest-tls-verify=false',
      `oci:${layout}:latest`,
      `docker://${name}`,
    );
    const pulled = async (...flags: string[]) => {
      await docker().ok('pull', ...flags, name);
      return docker().ok('image', 'inspect', '-f', '{{.Architecture}}{{with .Variant}}/{{.}}{{end}}', name);
    };
    const own = process.arch === 'x64' ? 'amd64' : 'arm64/v8';
    assert.equal(await pulled(), own);
    assert.match(await docker().ok('run', '--rm', name), /Hello from a container run by Wharf/);
    assert.equal(await pulled('--platform', 'linux/s390x'), 's390x');
    assert.equal(await pulled('--platform', 'linux/arm/v7'), 'arm/v7');
    assert.match(
      await docker().fails(1, 'pull', '--platform', 'linux/mips64le', name),
      /no match(ing manifest)? for (platform in manifest|linux\/mips64le)/,
    );
    assert.equal(await pulled('--platform', `linux/${own}`), own);
  });

  test('programs of the distribution run, with and without a terminal', async () => {
    assert.match(
      await docker().ok('run', '--rm', debian, 'apt-get', '--version'),
      /^apt 2\.\d+\.\d+ \((amd64|arm64)\)/,
    );
    const pipeline =
      'dpkg --get-selections | cut -f1 | sort -r | grep -c ^lib | tee /tmp/n; cat /etc/debian_version';
    assert.match(await docker().ok('run', '--rm', debian, 'sh', '-c', pipeline), /^\d{2}\n12\.\d+$/);
    const terminal = docker().terminal('run', '--rm', '-it', debian);
    await terminal.prints(/root@[0-9a-f]{12}:\/# /);
    terminal.write('tty; seq 5 | tac | paste -sd+ | tee /tmp/s; exit 4\r');
    const { code, stdout } = await terminal.ended;
    assert.match(stdout, /\/dev\/pts\/0\r\n5\+4\+3\+2\+1\r\n/);
    assert.equal(code, 4);
  });

  test('a published port is served', async () => {
    const server =
      'use IO::Socket::INET; $s = IO::Socket::INET->new(LocalPort => 80, Listen => 5, ReuseAddr => 1) or die; ' +
      'while ($c = $s->accept) { sysread $c, $_, 1000; print $c "HTTP/1.0 200 OK\\r\\n\\r\\nfrom perl\\n"; close $c }';
    await docker().ok('run', '-d', '--name', 'server', '-p', '8080:80', debian, 'perl', '-e', server);
    const page = await waitFor('the server', () =>
      engine()
        .fetch('http://127.0.0.1:8080/')
        .catch(() => undefined),
    );
    assert.equal(page, 'from perl');
  });

  test('two containers write to one volume', async () => {
    const write = (word: string) =>
      docker().ok(
        'run',
        '--rm',
        '-v',
        'shared:/data',
        debian,
        'sh',
        '-c',
        `echo ${word} >> /data/file; sync`,
      );
    await Promise.all([write('one'), write('two')]);
    assert.equal(
      await docker().ok('run', '--rm', '-v', 'shared:/data:ro', debian, 'sort', '/data/file'),
      'one\ntwo',
    );
  });

  test('a memory limit: the OOM kill is reported as such', async () => {
    const since = String(Date.now() / 1000 - 1);
    const eat = 'my $x = "x" x (256 << 20); print "survived\\n"';
    const result = await docker().run([
      'run',
      '--name',
      'eater',
      '--memory',
      '32m',
      '--memory-swap',
      '32m',
      debian,
      'perl',
      '-e',
      eat,
    ]);
    assert.deepEqual([result.code, result.stdout], [137, '']);
    assert.equal(await docker().ok('inspect', '-f', '{{.State.OOMKilled}}', 'eater'), 'true');
    const until = String(Date.now() / 1000 + 1);
    const events = await docker().ok(
      'events',
      '--since',
      since,
      '--until',
      until,
      '--filter',
      'container=eater',
      '--format',
      '{{.Action}}',
    );
    assert.match(events, /^oom$/m);
    assert.match(events, /^die$/m);
  });
});
