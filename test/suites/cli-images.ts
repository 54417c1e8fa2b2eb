/** Images on the command line: list, name, remove, save, load, import; and a registry: push, pull, login. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Cli, TestEngine } from '../harness/engine.ts';
import { PASSWORD, Registry, USER } from '../harness/registry.ts';

export function imagesSuite(docker: () => Cli, engine: () => TestEngine): void {
  const imageId = (name: string) => docker().ok('image', 'inspect', '-f', '{{.Id}}', name);

  test('images: rows, filters, ids, digests', async () => {
    const rows = (...flags: string[]) =>
      docker().ok('images', '--format', '{{.Repository}}:{{.Tag}}', ...flags);
    assert.match(await rows(), /^busybox:latest$/m);
    assert.equal(await rows('hello-world'), 'hello-world:latest');
    assert.equal(await rows('--filter', 'reference=hello*'), 'hello-world:latest');
    assert.equal(
      await docker().ok('images', '-q', '--no-trunc', 'hello-world'),
      await imageId('hello-world'),
    );
    assert.match(
      (await docker().ok('images')).split('\n')[0] ?? '',
      /^REPOSITORY +TAG +IMAGE ID +CREATED +SIZE/,
    );
    assert.match(await docker().ok('history', '--no-trunc', 'busybox'), /busybox-static/);
  });

  test('tag and rmi: a name goes, then the image', async () => {
    const id = await imageId('hello-world');
    await docker().ok('tag', 'hello-world', 'my.example:5000/team/hello:v1');
    assert.equal(await imageId('my.example:5000/team/hello:v1'), id);
    assert.match(await docker().fails(1, 'rmi', id), /must be forced/);
    assert.equal(
      await docker().ok('rmi', 'my.example:5000/team/hello:v1'),
      'Untagged: my.example:5000/team/hello:v1',
    );
    await docker().ok('create', '--name', 'user', 'hello-world');
    assert.match(
      await docker().fails(1, 'rmi', 'hello-world'),
      /conflict: unable to remove repository reference "hello-world" \(must force\) - container [0-9a-f]{12} is using its referenced image/,
    );
    await docker().ok('rm', 'user');
    assert.match(
      await docker().ok('rmi', 'hello-world'),
      new RegExp(`^Untagged: hello-world:latest\\nDeleted: ${id}`),
    );
    assert.match(await docker().fails(1, 'rmi', 'hello-world'), /No such image: hello-world/);
    assert.match(
      await docker().fails(1, 'tag', 'busybox', 'Not/Valid'),
      /repository name must be lowercase|invalid reference format/,
    );
    await engine().load('hello-world');
  });

  test('save and load: the same image comes back', async () => {
    const file = join(engine().sandbox.directory, 'saved.tar');
    const id = await imageId('hello-world');
    await docker().ok('tag', 'hello-world', 'kept:1');
    await docker().ok('save', '-o', file, 'hello-world', 'kept:1');
    await docker().ok('rmi', 'hello-world', 'kept:1');
    assert.match(await docker().ok('load', '-i', file), /Loaded image: (hello-world:latest|kept:1)/);
    assert.equal(await imageId('kept:1'), id);
    assert.match(await docker().ok('run', '--rm', 'kept:1'), /Hello from a container run by Wharf/);
    await docker().ok('rmi', 'kept:1');
  });

  test('import: a root file system becomes an image, with changes', async () => {
    const tree = engine().sandbox.directory;
    const tar = join(tree, 'rootfs.tar');
    engine().file('motd', 'imported\n');
    await engine().sandbox.ok(['tar', '-cf', tar, '-C', tree, 'motd', '-C', '/', 'bin/busybox']);
    const id = await docker().ok(
      'import',
      '--change',
      'CMD ["/bin/busybox", "cat", "/motd"]',
      '-m',
      'by test',
      tar,
      'imported:1',
    );
    assert.equal(await imageId('imported:1'), id);
    assert.equal(await docker().ok('run', '--rm', 'imported:1'), 'imported');
    await docker().ok('rmi', 'imported:1');
  });

  test('inspect: what the image says of itself', async () => {
    const [image] = JSON.parse(await docker().ok('image', 'inspect', 'busybox')) as {
      Os: string;
      Config: { Cmd: string[] };
      RootFS: { Type: string; Layers: string[] };
    }[];
    assert.deepEqual(
      [image?.Config.Cmd, image?.Os, image?.RootFS.Type, image?.RootFS.Layers.length],
      [['sh'], 'linux', 'layers', 1],
    );
    assert.match(await docker().fails(1, 'image', 'inspect', 'nothing:here'), /No such image: nothing:here/i);
  });

  test('push and pull: a registry gives back what it got', async () => {
    const registry = await Registry.start(engine());
    const name = `${registry.address}/team/box`;
    await docker().ok('tag', 'busybox', `${name}:1`);
    const pushed = /digest: (sha256:[0-9a-f]{64}) size: \d+/.exec(
      await docker().ok('push', `${name}:1`),
    )?.[1];
    assert.ok(pushed, 'push tells the digest');
    const id = await imageId('busybox');
    await docker().ok('rmi', `${name}:1`);
    const out = await docker().ok('pull', `${name}:1`);
    assert.match(out, new RegExp(`Digest: ${pushed}\nStatus: Downloaded newer image for ${name}:1`));
    assert.equal(await imageId(`${name}:1`), id);
    assert.match(await docker().ok('pull', `${name}:1`), /Status: Image is up to date/);
    await docker().ok('rmi', `${name}:1`);
    await docker().ok('pull', `${name}@${pushed}`);
    assert.equal(await docker().ok('run', '--rm', `${name}@${pushed}`, 'echo', 'by digest'), 'by digest');
    assert.match(await docker().fails(1, 'pull', `${name}:absent`), /manifest unknown|not found/);
    await docker().ok('rmi', `${name}@${pushed}`);
    await registry.stop();
  });

  test('login: a registry that asks who is there', async () => {
    const registry = await Registry.start(engine(), { authenticated: true });
    const name = `${registry.address}/private`;
    await docker().ok('tag', 'hello-world', name);
    assert.match(
      await docker().fails(1, 'push', name),
      /no basic auth credentials|unauthorized|authentication required/,
    );
    const wrong = await docker().run(['login', '-u', USER, '--password-stdin', registry.address], {
      input: 'wrong',
    });
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /unauthorized|authentication required/i);
    const right = await docker().run(['login', '-u', USER, '--password-stdin', registry.address], {
      input: PASSWORD,
    });
    assert.match(right.stdout, /Login Succeeded/);
    await docker().ok('push', name);
    await docker().ok('rmi', name);
    await docker().ok('pull', name);
    await docker().ok('rmi', name);
    await docker().ok('logout', registry.address);
    await docker().fails(1, 'pull', name);
    await registry.stop();
  });
}
