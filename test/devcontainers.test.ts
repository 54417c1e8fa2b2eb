/** The Dev Containers CLI (`@devcontainers/cli`, what VS Code uses): a development container from an image of ours. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { absent } from './harness/clients.ts';
import { run } from './harness/command.ts';
import { useEngine } from './harness/engine.ts';

const CLI = join(import.meta.dirname, '../node_modules/@devcontainers/cli/devcontainer.js');

describe('dev containers', { skip: absent('docker-28') }, () => {
  const engine = useEngine({ images: ['debian:bookworm'] });

  test('up makes it, exec runs in it, with the workspace, its user, its commands and its features of life', async () => {
    const workspace = join(engine().sandbox.directory, 'workspace');
    mkdirSync(join(workspace, '.devcontainer'), { recursive: true });
    writeFileSync(
      join(workspace, '.devcontainer/devcontainer.json'),
      JSON.stringify({
        image: 'debian:bookworm',
        updateRemoteUserUID: false,
        containerEnv: { FROM_CONFIG: 'yes' },
        runArgs: ['--init'],
        mounts: ['type=volume,source=dev-cache,target=/cache'],
        onCreateCommand: 'echo created > /created',
        postCreateCommand: 'echo "$FROM_CONFIG" > made-inside',
      }),
    );
    const docker = engine().cli('docker-28');
    const devcontainer = async (command: string, ...args: string[]) =>
      run(
        [
          process.execPath,
          CLI,
          command,
          '--workspace-folder',
          workspace,
          '--docker-path',
          docker.path,
          ...args,
        ],
        {
          env: { ...docker.env, PATH: `${dirname(docker.path)}${delimiter}${process.env.PATH ?? ''}` },
          timeout: 90_000,
        },
      );
    const up = await devcontainer('up');
    assert.equal(up.code, 0, up.stdout + up.stderr);
    const { outcome, containerId, remoteWorkspaceFolder } = JSON.parse(
      up.stdout.trim().split('\n').at(-1) ?? '',
    ) as {
      outcome: string;
      containerId: string;
      remoteWorkspaceFolder: string;
    };
    assert.deepEqual([outcome, remoteWorkspaceFolder], ['success', '/workspaces/workspace']);
    assert.equal(readFileSync(join(workspace, 'made-inside'), 'utf8'), 'yes\n');
    const inside = await devcontainer(
      'exec',
      'sh',
      '-c',
      'pwd; cat /created; id -un; touch /cache/x && cat made-inside; exit 3',
    );
    assert.deepEqual(
      [inside.code, inside.stdout],
      [3, '/workspaces/workspace\ncreated\nroot\nyes\n'],
      inside.stderr,
    );
    // A second time it is found again.
    const again = await devcontainer('up');
    assert.match(again.stdout, new RegExp(`"containerId":"${containerId}"`));
    await docker.ok('rm', '-f', containerId);
  });
});
