import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { Cli, GLOBAL_FLAGS } from '../context.ts';
import { parseFlags } from '../flags/parse.ts';
import { complete } from './candidates.ts';
import { BASH } from './scripts.ts';

const directory = mkdtempSync(join(tmpdir(), 'wharf-completion-'));
const socket = join(directory, 'socket');
const server = createServer((request, response) => {
  const answers: Record<string, unknown> = {
    '/containers/json': [{ Id: 'a', Names: ['/web'], Image: 'nginx', State: 'running', Status: 'Up' }],
    '/containers/json?all=1': [
      { Id: 'a', Names: ['/web'], Image: 'nginx', State: 'running', Status: 'Up' },
      { Id: 'b', Names: ['/old'], Image: 'x', State: 'exited', Status: 'Exited (0)' },
    ],
    '/images/json': [{ RepoTags: ['nginx:1', 'host:5000/app:2'] }, { RepoTags: null }],
    '/networks': [{ Name: 'bridge', Driver: 'bridge' }],
    '/volumes': { Volumes: [{ Name: 'data', Driver: 'local' }] },
  };
  response.end(JSON.stringify(answers[request.url ?? ''] ?? []));
});
before(() => new Promise<void>((ready) => server.listen(socket, ready)));
after(() => {
  server.close();
  rmSync(directory, { recursive: true });
});

const cli = () =>
  new Cli(parseFlags(GLOBAL_FLAGS, ['-H', `unix://${socket}`], { interspersed: false }).flags);
const values = async (...words: string[]): Promise<string[]> =>
  (await complete(cli(), words)).items.map((i) => i.value);

test('commands, groups and flags', async () => {
  assert.deepEqual(await values('pu'), ['pull', 'push']);
  assert.deepEqual(await values('network', 'c'), ['connect', 'create']);
  assert.deepEqual(await values('-H', 'x', 'container', 'ren'), ['rename']);
  assert.deepEqual(await values('run', '--net'), ['--network', '--network-alias']);
  assert.deepEqual(await values('run', '--pull', 'a'), ['always']);
  assert.deepEqual(await values('run', '--pull=a'), ['--pull=always']);
  assert.deepEqual(await values('run', '-it', '--cap-add', 'NET_'), [
    'NET_ADMIN',
    'NET_BIND_SERVICE',
    'NET_BROADCAST',
    'NET_RAW',
  ]);
  assert.deepEqual(await values('nonsense', ''), []);
});

test('names the daemon knows', async () => {
  assert.deepEqual(await values('stop', ''), ['web']);
  assert.deepEqual(await values('rm', ''), ['web', 'old']);
  assert.deepEqual(await values('rm', 'old', ''), ['web']);
  assert.deepEqual(await values('start', ''), ['old']);
  assert.deepEqual(await values('run', '--rm', 'h'), ['host:5000/app:2']);
  assert.deepEqual(await values('run', '--network', ''), ['bridge']);
  assert.deepEqual(await values('volume', 'rm', 'd'), ['data']);
  // Behind the image stands a command of the container: only file names can be guessed.
  assert.deepEqual(await complete(cli(), ['run', 'nginx:1', '--pu']), { items: [], files: true });
});

/** Types a line into bash and presses Tab. */
async function tab(line: string): Promise<string[]> {
  const script = `
wharf() { "${process.execPath}" "${join(import.meta.dirname, '../main.ts')}" "$@"; }
source ${join(directory, 'completion.bash')}
COMP_WORDBREAKS=$' \\t\\n"'"'"'><=;|&(:'
COMP_LINE=$1; COMP_POINT=\${#COMP_LINE}; shift
COMP_WORDS=("$@"); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
__wharf_complete
printf '%s\\n' "\${COMPREPLY[@]}"`;
  writeFileSync(join(directory, 'completion.bash'), BASH);
  // bash cuts words at colons and equal signs, each of which is then a word of its own
  const words = line.split(/(?<=[\s:=])|(?=[:=])/).map((w) => w.trim());
  if (line.endsWith(' ')) words.push('');
  const typed = words.filter((w, i) => w !== '' || i === words.length - 1);
  const env = { ...process.env, WHARF_HOST: `unix://${socket}` };
  const result = await promisify(execFile)('bash', ['-c', script, 'bash', line, ...typed], {
    env,
    cwd: directory,
  });
  return result.stdout.split('\n').filter(Boolean);
}

test('bash gets what completes its own idea of a word', async () => {
  assert.deepEqual(await tab('wharf pul'), ['pull']);
  assert.deepEqual(await tab('wharf run --pull=al'), ['always']);
  assert.deepEqual(await tab('wharf save -o compl'), ['completion.bash']);
  assert.deepEqual(await tab('wharf rmi host:5'), ['5000/app:2']);
  assert.deepEqual(await tab('wharf rmi host:5000/app:'), ['2']);
  assert.deepEqual(await tab('wharf stop '), ['web']);
});
