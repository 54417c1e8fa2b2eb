/** `npm run quickstart`: from nothing to a running engine with a container that serves a page. May be run again at any time. */
import { spawnSync } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { buildImage } from '../library/build.ts';
import { streamError, waitFor } from './engine-client.ts';
import { daemonPid, engine, LOG_FILE, REPOSITORY, SOCKET, startDaemon } from './wharfd-process.ts';

const SERVER = 'wharf-quickstart';
const PAGE = 'Served from a busybox container by Wharf.';
const REGISTRY_PATIENCE = 3000;

const wharf = join(REPOSITORY, 'bin/wharf');
const step = (line: string) => process.stdout.write(`\n==> ${line}\n`);
const say = (line: string): void => void process.stdout.write(`    ${line}\n`);

/** Shows a command of `wharf` and what it prints; a failure ends the quickstart. */
function show(...args: string[]): void {
  process.stdout.write(
    `    $ wharf ${args.map((arg) => (/[\s;'>]/.test(arg) ? `'${arg}'` : arg)).join(' ')}\n`,
  );
  const { status, error } = spawnSync(wharf, args, {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, WHARF_HOST: `unix://${SOCKET}`, DOCKER_HOST: `unix://${SOCKET}` },
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`wharf ${args[0]} ended with ${status}`);
}

async function ensureDaemon(): Promise<void> {
  if (await engine.ping()) {
    step(`wharfd is already running (pid ${daemonPid() ?? 'unknown'})`);
    return;
  }
  step('starting wharfd');
  await startDaemon();
  say(`pid ${daemonPid()}, socket ${SOCKET}, log ${LOG_FILE}`);
}

/** Gets an image: what is here stays, then the configured registry if it answers soon, else the library's recipe. */
async function ensureImage(name: string): Promise<void> {
  const { status } = await engine.request('GET', `/images/${name}:latest/json`);
  if (status === 200) {
    say(`${name}: already here`);
    return;
  }
  if (await registryHas(name)) {
    say(`${name}: pulling from the registry`);
    const answer = await engine.request('POST', `/images/create?fromImage=${name}&tag=latest`);
    const error = answer.status >= 400 ? answer.body : streamError(answer.body);
    if (error === undefined) return;
    say(`${name}: ${error.trim()}`);
  }
  say(`${name}: no registry in reach, building it from library/`);
  const image = await buildImage(name, { say: (line) => say(`${name}: ${line}`) });
  const answer = await engine.request('POST', '/images/load?quiet=1', { body: createReadStream(image.path) });
  const error = answer.status >= 400 ? answer.body : streamError(answer.body);
  if (error !== undefined) throw new Error(`loading ${image.path}: ${error}`);
}

async function registryHas(name: string): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(REGISTRY_PATIENCE);
    return (await engine.request('GET', `/distribution/${name}/json`, { signal })).status === 200;
  } catch {
    return false;
  }
}

/** 8080 when it is free, else a port the kernel chooses. */
async function freePort(): Promise<number> {
  const probe = (port: number) =>
    new Promise<number | undefined>((resolve) => {
      const server = createServer();
      server.once('error', () => resolve(undefined));
      server.listen(port, '0.0.0.0', () => {
        const address = server.address();
        server.close(() => resolve(typeof address === 'object' ? address?.port : undefined));
      });
    });
  const port = (await probe(8080)) ?? (await probe(0));
  if (port === undefined) throw new Error('no free TCP port on this machine');
  return port;
}

/** Starts the web server anew, so that a second quickstart ends as the first one did. */
async function serve(): Promise<number> {
  await engine.request('DELETE', `/containers/${SERVER}?force=1&v=1`);
  const port = await freePort();
  const script = `mkdir -p /srv; echo "${PAGE}" > /srv/index.html; exec httpd -f -p 80 -h /srv`;
  show('run', '-d', '--init', '--name', SERVER, '-p', `${port}:80`, 'busybox', 'sh', '-c', script);
  const url = `http://127.0.0.1:${port}/`;
  const text = await waitFor(`an answer from ${url}`, () => fetchText(url));
  say(`fetched ${url}: ${text.trim()}`);
  if (!text.includes(PAGE)) throw new Error(`${url} is served by something else`);
  return port;
}

async function fetchText(url: string): Promise<string | undefined> {
  try {
    return await (await fetch(url, { signal: AbortSignal.timeout(2000) })).text();
  } catch {
    return undefined;
  }
}

async function main(): Promise<void> {
  await ensureDaemon();
  step('images');
  for (const name of ['hello-world', 'busybox']) await ensureImage(name);
  step('a first container');
  show('run', '--rm', 'hello-world');
  step('a web server with a published port');
  const port = await serve();
  step('what runs now');
  show('ps');
  process.stdout.write(`
wharfd is running, and the container ${SERVER} serves http://127.0.0.1:${port}/

  go on with Wharf     ${wharf} run -it busybox
  or with Docker's     export DOCKER_HOST=unix://${SOCKET}
                       docker ps
  the daemon's log     ${LOG_FILE}
  stop                 npm run stop    (ends wharfd and its containers, keeps images and volumes)
`);
}

main().catch((err: unknown) => {
  process.stderr.write(`\nquickstart: ${err instanceof Error ? err.message : String(err)}\n`);
  process.exitCode = 1;
});
