/**
 * Builds the command line into `.build/cli/`: `node src/cli/build/main.ts`. Setup runs it; the launcher does, too,
 * when nothing is built yet. It takes half a second, and no time when nothing has changed.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { bootCode, NODE_FLAGS } from './boot.ts';
import { bundle } from './bundle.ts';

const root = resolve(import.meta.dirname, '../../..');
const target = join(root, '.build/cli');

/** Writes by way of another name, so that who reads meanwhile sees the old file or the new. */
function replaceFile(path: string, data: string | Buffer): void {
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, data);
  renameSync(temporary, path);
}

/** Answers of a daemon, enough for the commands of the warm-up to run to their end. */
const ANSWERS: ReadonlyArray<readonly [pattern: RegExp, answer: unknown]> = [
  [
    /\/version$/,
    {
      ApiVersion: '1.51',
      Components: [{ Name: 'Engine', Version: '1', Details: { ApiVersion: '1.51', BuildTime: 'x' } }],
    },
  ],
  [
    /\/containers\/json/,
    [{ Id: 'a'.repeat(64), Names: ['/a'], Image: 'b', Command: 'c', Created: 1, Ports: [] }],
  ],
  [/\/containers\/create/, { Id: 'a'.repeat(64) }],
  [/\/wait/, { StatusCode: 0 }],
  [/\/exec$/, { Id: 'e' }],
  [/\/exec\/e\/json/, { ExitCode: 0 }],
  [/\/x\/json/, { Id: 'x', Config: { Tty: false } }],
  [/\/images\/json/, [{ Id: `sha256:${'a'.repeat(64)}`, RepoTags: ['a:b'], Created: 1, Size: 1 }]],
];

const WARM_UP = [
  ['version'],
  ['ps'],
  ['run', '--rm', '-p', '80:80', '-v', 'a:/b', '-e', 'A=b', 'x', 'y'],
  ['exec', 'x', 'y'],
  ['logs', 'x'],
  ['images'],
  ['rm', 'x'],
];

/** Runs commands against a made-up daemon and has V8 keep what it compiled for them. */
async function makeCache(script: string, cache: string): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'wharf-build-'));
  const socket = join(directory, 'socket');
  const server = createServer((request, response) => {
    const answer = ANSWERS.find(([pattern]) => pattern.test(request.url ?? ''))?.[1];
    response.writeHead(answer ? 200 : 204, { 'Content-Type': 'application/json', 'Api-Version': '1.51' });
    response.end(answer ? JSON.stringify(answer) : undefined);
  });
  // Attached streams: one frame of output, then the end.
  server.on('upgrade', (_request, stream) => {
    stream.end(
      'HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n\x01\0\0\0\0\0\0\x03ok\n',
    );
  });
  await new Promise<void>((ready) => server.listen(socket, ready));
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: directory,
    WHARF_HOST: `unix://${socket}`,
    WHARF_CLI_CACHE: cache,
  };
  for (const words of WARM_UP) {
    // Each run starts from the cache of the one before and adds to it.
    const child = spawn(process.execPath, [...NODE_FLAGS, '--', script, ...words], { env, stdio: 'ignore' });
    await new Promise((done) => child.on('close', done));
  }
  server.close();
  server.closeAllConnections();
  rmSync(directory, { recursive: true });
}

/** Builds, unless what is there is of the same code. */
async function build(): Promise<void> {
  const { code, sources } = bundle(join(root, 'src/cli/index.ts'), join(root, 'src'));
  const hash = createHash('sha256')
    .update(code)
    .update(bootCode(''))
    .update(process.version)
    .digest('hex')
    .slice(0, 16);
  const times = sources.map((path) => [relative(root, path), statSync(path).mtimeMs]);
  mkdirSync(target, { recursive: true });
  const script = join(target, `bundle-${hash}.js`);
  const cache = join(target, `bundle-${hash}.cache`);
  const boot = join(target, 'wharf.js');
  const files = readdirSync(target);
  replaceFile(join(target, `sources-${hash}.json`), JSON.stringify(times));
  if (
    files.includes(`bundle-${hash}.cache`) &&
    files.includes('wharf.js') &&
    readFileSync(boot, 'utf8') === bootCode(hash)
  )
    return;
  replaceFile(join(target, 'package.json'), '{"type":"commonjs"}\n');
  replaceFile(script, code);
  const trial = join(target, `trial-${process.pid}.js`);
  writeFileSync(trial, bootCode(hash));
  await makeCache(trial, cache);
  rmSync(trial);
  replaceFile(boot, bootCode(hash));
  // Old bundles stay for a minute: a command that starts now may be about to read one.
  for (const file of files) {
    const path = join(target, file);
    if (!/^(bundle|sources)-/.test(file) || file.includes(hash)) continue;
    if (Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0) > 60_000)
      rmSync(path, { force: true });
  }
}

await build();
