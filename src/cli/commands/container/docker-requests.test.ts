/**
 * What `docker create` asks of the daemon, and what we ask for the same words: the two must be equal. Docker's client
 * talks to a server of ours that only takes notes. Skipped where there is no docker client.
 */
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseFlags } from '../../flags/parse.ts';
import { containerConfig } from './container-config.ts';
import { CONTAINER_FLAGS } from './container-flags.ts';

const version = spawnSync('docker', ['--version'], { encoding: 'utf8' });
const major = Number(/version (\d+)/.exec(version.stdout ?? '')?.[1] ?? 0);

const LINES = `
x
-it x sh -c hi
-i x
-t x y -z
-a stdin x
-a stdout -a STDERR x
-p 8080:80 -p 127.0.0.1::81 -p 90-92:90-92/udp -p 8080-8090:70 x
-p published=80,target=8080,protocol=udp --expose 90-91 -P x
-v /a -v name:/b -v /c:/d:ro,z x
--mount type=bind,src=/a,dst=/b,readonly,bind-propagation=rshared x
--mount type=volume,src=v,dst=/b,volume-nocopy,volume-label=a=b,volume-opt=type=nfs x
--mount type=tmpfs,dst=/t,tmpfs-size=64m,tmpfs-mode=1770 --tmpfs /run:size=1m x
-e A=1 -e E= x
-l a=b -l c x
-m 512m --memory-swap 1g --memory-reservation 100M --shm-size 64m --memory-swappiness 50 x
--memory-swap -1 --pids-limit -1 x
--cpus 1.5 --cpu-shares 512 --cpuset-cpus 0-1 --cpuset-mems 0 x
--cpu-period 100000 --cpu-quota 50000 -c 5 x
--ulimit nofile=1024:2048 --ulimit core=-1 --oom-kill-disable --oom-score-adj 500 x
--device-cgroup-rule=c\u00a01:3\u00a0rwm --device-read-bps /dev/sda:1mb --device-write-iops /dev/sda:9 x
--blkio-weight 300 --blkio-weight-device /dev/sda:200 x
--gpus all x
--gpus driver=nvidia,count=2,capabilities=compute x
--network none x
--network host x
--network container:foo x
--network mynet --network-alias a --network-alias b --ip 10.0.0.5 --ip6 fd00::5 --link-local-ip 169.254.1.1 x
--network name=a,alias=x,driver-opt=k=v,mac-address=02:42:ac:11:00:02,gw-priority=5 --network b x
--ip 1.2.3.4 --mac-address 02:42:ac:11:00:02 x
--link db:mydb --network a x
--add-host h:1.2.3.4 --add-host h2=::1 --add-host hg:host-gateway x
--dns 1.1.1.1 --dns-search example.com --dns-option ndots:1 x
-h foo --domainname bar.com -u 1000:1000 -w /tmp x
--entrypoint= x
--entrypoint /bin/sh x -c ls
--cap-add NET_ADMIN --cap-drop ALL --privileged --read-only --init --runtime crun x
--init=false --rm x
--security-opt no-new-privileges --security-opt seccomp=unconfined --security-opt label:disable x
--security-opt systempaths=unconfined x
--restart on-failure:3 --log-driver json-file --log-opt max-size=10m x
--health-cmd true --health-interval 5s --health-retries 3 --health-start-period 1s x
--no-healthcheck --stop-signal SIGINT --stop-timeout 5 x
--sysctl net.core.somaxconn=1 --storage-opt size=10G x
--pid host --ipc host --uts host --userns host --cgroupns host x
--volumes-from a --volumes-from b:ro --volume-driver local --group-add 5 --cgroup-parent foo --annotation a=b x
`
  .trim()
  .split('\n')
  .map((line) => line.split(' ').map((word) => word.replaceAll('\u00a0', ' ')));

/** Drops what says nothing, and what depends on our terminal. */
function essence(value: unknown, key = ''): unknown {
  if (Array.isArray(value)) {
    const items = value.map((item) => essence(item));
    // Docker's client keeps these in maps, whose order is chance.
    return key === 'Binds' || key === 'Env' ? items.toSorted() : items;
  }
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value)
    .filter(([name, v]) => name !== 'ConsoleSize' && !(name === 'MemorySwappiness' && v === -1))
    .map(([name, v]) => [name, essence(v, name)] as const)
    .filter(([name, v]) => {
      if (key === 'Volumes' || key === 'ExposedPorts') return true;
      // One network without settings is said by NetworkMode alone.
      if (key === 'EndpointsConfig' && Object.keys(value).length > 1) return true;
      if (name === 'MaskedPaths' || name === 'ReadonlyPaths') return v !== null;
      if (v === null || v === '' || v === 0 || v === false) return false;
      return typeof v !== 'object' || Object.keys(v as object).length > 0;
    });
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

test('the same request as docker', { skip: major < 28 && 'needs docker 28', timeout: 60_000 }, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'wharf-requests-'));
  const bodies = new Map<string, unknown>();
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += String(chunk);
    });
    request.on('end', () => {
      const name = /[?&]name=(\d+)/.exec(request.url ?? '')?.[1];
      if (name) bodies.set(name, JSON.parse(body));
      response.writeHead(201, { 'Content-Type': 'application/json', 'Api-Version': '1.50' });
      response.end('{"Id":"x"}');
    });
  });
  const socket = join(directory, 'socket');
  await new Promise<void>((ready) => server.listen(socket, ready));
  writeFileSync(join(directory, 'config.json'), '{}');
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: directory,
    DOCKER_CONFIG: directory,
    DOCKER_HOST: `unix://${socket}`,
  };
  try {
    await Promise.all(
      LINES.map(
        (words, i) =>
          new Promise((done) => execFile('docker', ['create', '--name', String(i), ...words], { env }, done)),
      ),
    );
    for (const [i, words] of LINES.entries()) {
      const { flags, args } = parseFlags(CONTAINER_FLAGS, words, { interspersed: false });
      const [image = '', ...command] = args;
      const ours = essence(JSON.parse(JSON.stringify(containerConfig(flags, image, command))));
      assert.deepEqual(ours, essence(bodies.get(String(i))), words.join(' '));
    }
  } finally {
    server.close();
    server.closeAllConnections();
    rmSync(directory, { recursive: true });
  }
});
