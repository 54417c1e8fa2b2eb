/**
 * `docker` and `wharf` side by side against the daemon of `WHARF_COMPARE_HOST`: the same words must print the same
 * bytes on both outputs and end with the same status, but for the names of the two.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';

const host = process.env.WHARF_COMPARE_HOST ?? '';
const skip = host === '' && 'WHARF_COMPARE_HOST names no daemon';
const directory = mkdtempSync(join(tmpdir(), 'wharf-compare-'));
const launcher = resolve(import.meta.dirname, '../../bin/wharf');
const NAME = 'wharf-compare';
const IMAGE = `${NAME}:image`;
const env = { ...process.env, DOCKER_HOST: host, WHARF_HOST: host, DOCKER_CONFIG: directory, NO_COLOR: '1' };

const execute = (program: string, args: readonly string[], input = '') =>
  spawnSync(program, args, { env, cwd: directory, input, encoding: 'utf8' });

/** What differs between two runs, made equal: names of the program, IDs, spans of time. */
function normalise(text: string): string {
  const plain = text
    .replaceAll('wharf', 'docker')
    .replaceAll('Wharf', 'Docker')
    .replace(/Is (dockerd|the docker daemon) running/g, 'Is it running')
    .replace(/\b[0-9a-f]{64}\b/g, 'LONG-ID')
    .replace(/\b[0-9a-f]{12}\b/g, 'ID')
    .replace(/\b\d+ (second|minute)s?( ago)?\s*/g, 'SPAN ')
    .replace(/(Less than a second|About a minute)( ago)?\s*/g, 'SPAN ');
  // Columns are as wide as the spans in them.
  return plain.includes('SPAN') ? plain.replace(/ {2,}/g, '  ') : plain;
}

const [idle, busy, filter] = [`${NAME}-idle`, `${NAME}-busy`, ['--filter', `name=${NAME}`]];
const run = ['run', '--rm', '--network', 'none', IMAGE];

const LINES: ReadonlyArray<readonly [words: readonly string[], input?: string]> = [
  [['ps', '-a', ...filter]],
  [['ps', '-aq', ...filter]],
  [['ps', '--no-trunc', ...filter]],
  [['ps', '-as', ...filter]],
  [['ps', '-a', '--format', 'table {{.Names}}\\t{{.Image}}\\t{{.Label "a"}}\\t{{upper .State}}', ...filter]],
  [['ps', '--format', '{{.Foo}}']],
  [['ps', '--format', '{{.ID']],
  [['ps', '--filter', 'x']],
  [['ps', '--nonsense']],
  [['ps', 'extra']],
  [['images', IMAGE]],
  [['images', '--digests', '--no-trunc', IMAGE]],
  [['images', '--format', 'json', IMAGE]],
  [['history', IMAGE]],
  [['inspect', idle]],
  [['inspect', idle, IMAGE, 'no-such-object']],
  [['inspect', '-f', '{{.State.Status}} {{json .Config.Labels}} {{.Config.Cmd}}', idle]],
  [['inspect', '-f', '{{.Nope}}', idle]],
  [['inspect', '--type', 'nonsense', idle]],
  [['image', 'inspect', IMAGE]],
  [['volume', 'inspect', NAME]],
  [['volume', 'ls', ...filter]],
  [['network', 'ls', '--filter', 'driver=null']],
  [['network', 'inspect', 'none']],
  [['logs', busy]],
  [['logs', '-n', '1', busy]],
  [['top', busy]],
  [['port', idle]],
  [['port', idle, '80']],
  [['diff', busy]],
  [['exec', busy, 'sh', '-c', 'echo hello; echo there >&2; exit 3']],
  [['exec', '-i', busy, 'sh', '-c', 'cat'], 'through stdin'],
  [['exec', '-e', 'A=1', '-w', '/bin', busy, 'sh', '-c', 'echo $A $PWD']],
  [['exec', busy, 'no-such-program']],
  [['exec', '-it', busy, 'sh']],
  [[...run, 'sh', '-c', 'echo out; echo err >&2; exit 42']],
  [[...run, 'no-such-program']],
  [[...run, '/bin']],
  [['run', '-i', ...run.slice(1), 'sh', '-c', 'cat'], 'through stdin'],
  [['run', '-it', ...run.slice(1), 'sh']],
  [['run', '--pull', 'never', 'wharf-compare:none']],
  [['run', '--memory', 'xx', IMAGE]],
  [['run', '-p', 'x:y', IMAGE]],
  [['run', '--restart', 'always', '--rm', IMAGE]],
  [['run']],
  [['rm', 'no-such-container']],
  [['start', 'no-such-container']],
  [['stop', 'no-such-container', 'no-such-other']],
  [['kill', '-s', 'NONSENSE', busy]],
  [['wait', 'no-such-container']],
  [['cp', `${busy}:/nope`, '.']],
  [['cp', 'a', 'b']],
  [['save', '-o', '/nonexistent/x.tar', IMAGE]],
  [['load', '-i', 'nonexistent.tar']],
  [['tag', 'no-such-image', 'x']],
  [['tag', 'x']],
  [['pull', 'Bad']],
  [['version', '-f', '{{.Server.Version}}']],
  [['info', '-f', '{{.ServerVersion}} {{.Driver}}']],
  [['nonsense']],
  [['container', 'nonsense']],
  [['-H', 'unix:///nonexistent', 'ps']],
  [['-H', 'tcp://127.0.0.1:1', 'ps']],
];

describe('wharf beside docker', { skip }, () => {
  before(() => {
    mkdirSync(join(directory, 'root/bin'), { recursive: true });
    copyFileSync('/bin/busybox', join(directory, 'root/bin/sh'));
    const archive = join(directory, 'root.tar');
    spawnSync('tar', ['-C', join(directory, 'root'), '-cf', archive, '.']);
    const made = execute('docker', ['import', archive, IMAGE]);
    assert.equal(made.status, 0, made.stderr);
    const common = ['--network', 'none', '--label', 'a=b', '-p', '8080:80', '-v', `${NAME}:/v`];
    execute('docker', ['create', '--name', `${NAME}-idle`, ...common, IMAGE, 'sh', '-c', 'exit']);
    execute('docker', [
      'run',
      '-d',
      '--init',
      '--name',
      `${NAME}-busy`,
      '--network',
      'none',
      IMAGE,
      'sh',
      '-c',
      'echo out; echo err >&2; sleep 1000',
    ]);
  });

  after(() => {
    execute('docker', ['rm', '-f', `${NAME}-idle`, `${NAME}-busy`]);
    execute('docker', ['rmi', '-f', IMAGE]);
    execute('docker', ['volume', 'rm', '-f', NAME]);
    rmSync(directory, { recursive: true });
  });

  for (const [words, input] of LINES) {
    test(words.join(' '), () => {
      const [docker, wharf] = ['docker', launcher].map((program) => execute(program, words, input));
      assert.ok(docker && wharf);
      assert.equal(normalise(wharf.stdout), normalise(docker.stdout));
      assert.equal(normalise(wharf.stderr), normalise(docker.stderr));
      assert.equal(wharf.status, docker.status);
    });
  }
});
