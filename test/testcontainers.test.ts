/**
 * testcontainers, which finds and drives an engine by itself. It expects published ports on this machine's loopback, so
 * the tests run in a process of their own inside the engine's namespaces: this file starts itself again there.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { GenericContainer, getContainerRuntimeClient, Wait } from 'testcontainers';
import { run } from './harness/command.ts';
import { useEngine } from './harness/engine.ts';

const INSIDE = 'WHARF_TEST_INSIDE';

if (process.env[INSIDE] === undefined) {
  const engine = useEngine({ images: ['busybox'] });
  test('testcontainers', async () => {
    const result = await run(
      engine().sandbox.inside([process.execPath, '--test-reporter=spec', import.meta.filename]),
      {
        env: {
          [INSIDE]: '1',
          DOCKER_HOST: `unix://${engine().socket}`,
          // Ryuk, its cleaner, is an image of a hub that is out of reach; and what it would clean goes with the sandbox.
          TESTCONTAINERS_RYUK_DISABLED: 'true',
          NODE_TEST_CONTEXT: '',
        },
        timeout: 120_000,
      },
    );
    assert.equal(result.code, 0, result.stdout + result.stderr);
    assert.match(result.stdout, /pass 4/);
  });
} else {
  const SERVER = ['sh', '-c', 'mkdir /w; echo page > /w/index.html; echo serving; exec httpd -f -p 80 -h /w'];

  describe('inside', () => {
    test('a port that is waited for and fetched from', async () => {
      const container = await new GenericContainer('busybox')
        .withCommand(SERVER)
        .withExposedPorts(80)
        .withWaitStrategy(Wait.forHttp('/', 80))
        .start();
      const page = await fetch(`http://${container.getHost()}:${container.getMappedPort(80)}/`);
      assert.equal(await page.text(), 'page\n');
      await container.stop();
    });

    test('log messages, exec, environment', async () => {
      const container = await new GenericContainer('busybox')
        .withEnvironment({ GREETING: 'hello' })
        .withCommand(['sh', '-c', 'echo ready; exec sleep 300'])
        .withWaitStrategy(Wait.forLogMessage('ready'))
        .start();
      const { output, exitCode } = await container.exec(['sh', '-c', 'echo $GREETING; exit 3']);
      assert.deepEqual([output, exitCode], ['hello\n', 3]);
      await container.stop();
    });

    test('tmpfs, bind mounts, user and working directory', async () => {
      const container = await new GenericContainer('busybox')
        .withTmpFs({ '/scratch': 'rw,size=1m' })
        .withBindMounts([{ source: import.meta.dirname, target: '/tests', mode: 'ro' }])
        .withUser('33:33')
        .withWorkingDir('/tests')
        .withCommand(['sleep', '300'])
        .start();
      const { output } = await container.exec([
        'sh',
        '-c',
        'id -u; ls testcontainers.test.ts; df /scratch | tail -1',
      ]);
      assert.match(output, /^33\ntestcontainers\.test\.ts\ntmpfs .*\/scratch\n$/);
      await container.stop();
    });

    test('a stopped container is gone', async () => {
      const container = await new GenericContainer('busybox').withCommand(['sleep', '300']).start();
      const id = container.getId();
      await container.stop();
      const client = await getContainerRuntimeClient();
      await assert.rejects(client.container.inspect(client.container.getById(id)), /no such container/i);
    });
  });
}
