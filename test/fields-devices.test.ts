/** Devices: `--device`, `--device-cgroup-rule`, and what CDI files describe (`--device vendor.com/class=name`, `--gpus`). */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, describe, test } from 'node:test';
import { absent } from './harness/clients.ts';
import { engineName, useEngine } from './harness/engine.ts';

/** What Debian's dockerd, five years older, does differently or not at all. */
const newer = engineName === 'dockerd' && 'not in dockerd 20.10';

const work = mkdtempSync(join(tmpdir(), 'wharf-cdi-e2e-'));
const dirs = ['etc', 'run'].map((name) => join(work, name));
for (const dir of dirs) mkdirSync(dir);
after(() => rmSync(work, { recursive: true }));

describe('devices', { skip: absent('docker-28') }, () => {
  const flags = engineName === 'wharfd' ? dirs.flatMap((dir) => ['--cdi-spec-dir', dir]) : [];
  const engine = useEngine({ images: ['busybox'], flags });
  const docker = () => engine().cli('docker-28');
  const inBusybox = (options: string[], script: string) =>
    docker().ok('run', '--rm', ...options, 'busybox', 'sh', '-c', script);
  afterEach(() => engine().clear());

  test('--device: under another name, with fewer permissions, a directory of devices', async () => {
    const out = await inBusybox(
      ['--device', '/dev/zero:/dev/nought:r', '--device', '/dev/kmsg:/dev/k:r'],
      'stat -c "%t:%T" /dev/nought /dev/k; head -c 2 /dev/nought | wc -c; (echo x > /dev/k) 2>&1 || true',
    );
    assert.match(out, /^1:5\n1:b\n2\n.*not permitted$/);
    mkdirSync(join(work, 'nodes/below'), { recursive: true });
    await engine().sandbox.ok(['mknod', '-m', '640', join(work, 'nodes/one'), 'c', '1', '3']);
    await engine().sandbox.ok(['mknod', join(work, 'nodes/below/two'), 'c', '1', '5']);
    writeFileSync(join(work, 'nodes/file'), 'no device');
    const tree = await inBusybox(
      ['--device', `${join(work, 'nodes')}:/dev/tree`],
      'find /dev/tree -type c | sort | xargs stat -c "%n %t:%T %a"; find /dev/tree -type f',
    );
    assert.match(tree, /^\/dev\/tree\/below\/two 1:5 \d+\n\/dev\/tree\/one 1:3 640$/);
  });

  test('--device that is not there, or no device: refused at the start', async () => {
    const missing = await docker().fails(127, 'run', '--device', '/dev/not-there', 'busybox', 'true');
    assert.match(
      missing,
      /error gathering device information while adding custom device "\/dev\/not-there": no such file or directory/,
    );
    const file = await docker().fails(125, 'run', '--device', '/etc/passwd:/dev/x', 'busybox', 'true');
    assert.match(file, /adding custom device "\/etc\/passwd": not a device node/);
  });

  test('--device-cgroup-rule: a device that is made inside may be used', async () => {
    // kmsg (1:11) is not among those that every container may use. To read it takes CAP_SYSLOG as well.
    const made = (...rules: string[]) =>
      inBusybox(['--cap-add', 'SYSLOG', ...rules.flatMap((rule) => ['--device-cgroup-rule', rule])], script);
    const script = 'mknod /tmp/k c 1 11; (: < /tmp/k) 2>&1 && echo readable; (: > /tmp/k) 2>&1 || true';
    assert.match(await made(), /not permitted\n.*not permitted$/);
    assert.match(await made('c 1:11 rm'), /^readable\n.*not permitted$/);
    assert.equal(await made('c *:* rwm'), 'readable');
  });

  test('--device vendor.com/class=name: all that a CDI file says, seen inside', { skip: newer }, async () => {
    const state = join(work, 'state.json');
    writeFileSync(join(work, 'config'), 'from the host');
    writeFileSync(
      join(dirs[0]!, 'vendor.json'),
      JSON.stringify({
        cdiVersion: '0.7.0',
        kind: 'vendor.com/dev',
        containerEdits: { env: ['VENDOR=file'] },
        devices: [
          {
            name: 'one',
            annotations: { 'vendor.com/what': 'a test' },
            containerEdits: {
              env: ['ONE=yes', 'PATH_OF=x=y'],
              deviceNodes: [
                { path: '/dev/vendor', hostPath: '/dev/kmsg', permissions: 'r' },
                { path: '/dev/given', type: 'c', major: 1, minor: 5, fileMode: 0o604, uid: 7, gid: 8 },
              ],
              mounts: [
                {
                  hostPath: join(work, 'config'),
                  containerPath: '/etc/vendor.conf',
                  options: ['ro', 'bind'],
                },
              ],
              hooks: [
                {
                  hookName: 'createRuntime',
                  path: '/bin/sh',
                  args: ['sh', '-c', `cat > ${state}`],
                  timeout: 5,
                },
              ],
              additionalGids: [4242],
            },
          },
        ],
      }),
    );
    const out = await inBusybox(
      ['--device', 'vendor.com/dev=one', '--annotation', 'org.example.note=seen', '-u', '1000'],
      [
        'echo $VENDOR $ONE $PATH_OF',
        'stat -c "%n %t:%T %u" /dev/vendor',
        'stat -c "%n %t:%T %a %u:%g" /dev/given',
        'cat /etc/vendor.conf; echo',
        'id -G',
      ].join('; '),
    );
    assert.equal(out, 'file yes x=y\n/dev/vendor 1:b 1000\n/dev/given 1:5 604 7:8\nfrom the host\n0 4242');
    const seen = JSON.parse(readFileSync(state, 'utf8')) as { annotations: Record<string, string> };
    assert.equal(seen.annotations['org.example.note'], 'seen', 'annotations are in the state that hooks get');
    const inRun = await docker().ok('run', '-d', '--device', 'vendor.com/dev=one', 'busybox', 'sleep', '100');
    assert.equal(await docker().ok('exec', inRun, 'sh', '-c', 'echo $ONE'), 'yes', 'execs have it, too');
  });

  test('YAML, a later directory, --gpus, and what info tells', { skip: newer }, async () => {
    const gpu = (name: string, value: string) =>
      `- name: "${name}"\n  containerEdits:\n    env: ["GPU=${value}"]\n`;
    const head = 'cdiVersion: "0.5.0"\nkind: "nvidia.com/gpu"\ndevices:\n';
    writeFileSync(join(dirs[0]!, 'gpu.yaml'), head + gpu('0', 'zero') + gpu('1', 'low') + gpu('all', 'all'));
    writeFileSync(join(dirs[1]!, 'gpu.yaml'), head + gpu('1', 'high'));
    const gpus = (value: string) => inBusybox(['--gpus', value], 'echo $GPU');
    assert.equal(await gpus('all'), 'all');
    assert.equal(await gpus('1'), 'zero');
    assert.equal(await gpus('device=1'), 'high');
    assert.equal(await inBusybox(['--device', 'nvidia.com/gpu=1'], 'echo $GPU'), 'high');
    writeFileSync(join(dirs[0]!, 'broken.json'), '{');
    interface Info {
      CDISpecDirs: string[];
      DiscoveredDevices: { Source: string; ID: string }[];
      Warnings: string[];
    }
    const info = await engine().client.json<Info>('GET', '/info');
    rmSync(join(dirs[0]!, 'broken.json'));
    assert.deepEqual(info.CDISpecDirs, dirs);
    assert.deepEqual(
      info.DiscoveredDevices.filter(({ ID }) => ID.startsWith('nvidia')).map(({ Source, ID }) => [
        Source,
        ID,
      ]),
      ['0', '1', 'all'].map((name) => ['cdi', `nvidia.com/gpu=${name}`]),
    );
    assert.match(info.Warnings.join('\n'), /CDI: Error associated with spec file .*broken\.json/);
    assert.match(
      await docker().ok('info'),
      /CDI spec directories:\n {2}\/.*\/etc\n[\s\S]*cdi: nvidia\.com\/gpu=0/,
    );
  });

  test('devices that nothing describes are refused at the start, in Docker’s words', {
    skip: newer,
  }, async () => {
    const unknown = await docker().fails(
      125,
      'run',
      '--rm',
      '--device',
      'vendor.com/none=x',
      'busybox',
      'true',
    );
    assert.match(unknown, /CDI device injection failed: unresolvable CDI devices vendor\.com\/none=x/);
    const driver = {
      Image: 'busybox',
      HostConfig: { DeviceRequests: [{ Driver: 'own', Capabilities: [['x']] }] },
    };
    const { Id } = await engine().client.json<{ Id: string }>('POST', '/containers/create', { body: driver });
    const { body } = await engine().client.request('POST', `/containers/${Id}/start`);
    assert.match(String(body), /could not select device driver \\"own\\" with capabilities: \[\[x\]\]/);
  });
});
