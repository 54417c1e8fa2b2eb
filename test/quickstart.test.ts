/** README's first command and its end, on a machine where nothing runs yet: namespaces with an empty /run and /var/lib. */
import assert from 'node:assert/strict';
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { absent } from './harness/clients.ts';
import { ok, run } from './harness/command.ts';
import { engineName } from './harness/engine.ts';
import { Sandbox } from './harness/sandbox.ts';

const REPOSITORY = join(import.meta.dirname, '..');

describe('quickstart and stop', {
  skip: (engineName === 'dockerd' && 'about wharfd') || absent('docker-28'),
}, () => {
  let sandbox: Sandbox;
  const script = (name: string) =>
    run(sandbox.inside([process.execPath, join(REPOSITORY, 'scripts', name)]), { timeout: 120_000 });

  before(async () => {
    sandbox = await Sandbox.create();
    for (const path of ['/run', '/var/lib']) await sandbox.ok(['mount', '-t', 'tmpfs', 'tmpfs', path]);
  });
  after(() => sandbox?.destroy());

  test('from nothing to a page served by a container', async () => {
    const { code, stdout, stderr } = await script('quickstart.ts');
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /Hello from a container run by Wharf/);
    assert.match(stdout, /fetched http:\/\/127\.0\.0\.1:8080\/: Served from a busybox container by Wharf/);
    assert.match(stdout, /wharf-quickstart/);
    assert.match(stdout, /npm run stop/);
  });

  test('again, while it runs', async () => {
    const { code, stdout, stderr } = await script('quickstart.ts');
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /wharfd is already running \(pid \d+\)/);
    assert.match(stdout, /busybox: already here/);
    assert.match(stdout, /fetched http:\/\/127\.0\.0\.1:8080\//);
  });

  test('the stock docker command line sees what runs', async () => {
    const names = await sandbox.ok([
      'env',
      'DOCKER_HOST=unix:///run/wharf/wharf.sock',
      'docker',
      'ps',
      '--format',
      '{{.Names}}',
    ]);
    assert.equal(names, 'wharf-quickstart');
  });

  test('stop ends daemon and containers, and keeps the data', async () => {
    const { code, stdout, stderr } = await script('stop.ts');
    assert.equal(code, 0, stdout + stderr);
    assert.deepEqual(sandbox.processes(), []);
    assert.match(await sandbox.ok(['ls', '/var/lib/wharf']), /wharf\.db/);
    assert.match((await script('stop.ts')).stdout, /wharfd is not running/);
    const { stdout: again } = await script('quickstart.ts');
    assert.match(again, /hello-world: already here/);
    assert.equal((await script('stop.ts')).code, 0);
  });
});

describe('launchers', () => {
  test('work from any directory and through a symlink', async (t) => {
    const sandbox = await Sandbox.create();
    t.after(() => sandbox.destroy());
    for (const name of ['wharf', 'wharfd']) {
      const link = join(sandbox.directory, name);
      symlinkSync(join(REPOSITORY, 'bin', name), link);
      assert.match(await ok([link, '--version'], { cwd: '/' }), /version/i);
    }
  });
});
