import assert from 'node:assert/strict';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { RootedDir } from '../linux/index.ts';
import { diagnoseStartFailure } from './index.ts';

const base = fs.mkdtempSync(join(tmpdir(), 'wharf-diagnose-'));
const root = RootedDir.open(base);
after(() => {
  root.close();
  fs.rmSync(base, { recursive: true });
});

function put(path: string, content: string | Buffer, mode = 0o755): void {
  fs.mkdirSync(join(base, path, '..'), { recursive: true });
  fs.writeFileSync(join(base, path), content, { mode });
}

/** A 64-bit little-endian ELF head for `machine`, with the loader `interpreter`. */
function elf(machine: number, interpreter?: string): Buffer {
  const out = Buffer.alloc(256);
  out.write('\x7fELF\x02\x01\x01', 0, 'latin1');
  out.writeUInt16LE(2, 16);
  out.writeUInt16LE(machine, 18);
  out.writeBigUInt64LE(64n, 32);
  out.writeUInt16LE(56, 54);
  out.writeUInt16LE(interpreter === undefined ? 0 : 1, 56);
  if (interpreter !== undefined) {
    out.writeUInt32LE(3, 64);
    out.writeBigUInt64LE(128n, 72);
    out.writeBigUInt64LE(BigInt(interpreter.length + 1), 96);
    out.write(`${interpreter}\0`, 128);
  }
  return out;
}
const own = process.arch === 'arm64' ? 183 : 62;
const foreign = process.arch === 'arm64' ? 62 : 183;

function diagnose(name: string, message = 'executable file `x` not found: No such file or directory') {
  const process = { argv: [name], env: ['PATH=/usr/bin:/bin'], cwd: '/work' };
  const { message: text, exitCode } = diagnoseStartFailure(root, process, message);
  return { text, exitCode };
}

function expect(name: string, exitCode: number, ...patterns: RegExp[]): void {
  const result = diagnose(name);
  assert.equal(result.exitCode, exitCode, result.text);
  for (const pattern of patterns) assert.match(result.text, pattern);
}

test('not found: in PATH, by path, relative to the working directory, a dangling link', () => {
  expect('nope', 127, /exec: "nope": executable file not found in \$PATH$/);
  assert.equal(diagnose('mount-all', 'executable file `mount-all` not found').exitCode, 127);
  expect('/bin/nope', 127, /exec: "\/bin\/nope": no such file or directory$/);
  put('work/run.sh', '#!/bin/absent\n');
  expect('./run.sh', 127, /interpreter \/bin\/absent is not in the image/);
  fs.mkdirSync(join(base, 'bin'), { recursive: true });
  fs.symlinkSync('/opt/tool', join(base, 'bin/link'));
  expect('/bin/link', 127, /no such file or directory: it is a symlink to \/opt\/tool/);
});

test('found, but not executable', () => {
  put('bin/plain', 'x', 0o644);
  expect('/bin/plain', 126, /permission denied: \/bin\/plain is not executable/);
  expect('plain', 126, /permission denied/);
  fs.mkdirSync(join(base, 'etc'));
  expect('/etc', 126, /is a directory: permission denied/);
});

test('a script: missing interpreter, CRLF, none at all', () => {
  put('bin/crlf', '#!/bin/sh\r\necho hi\r\n');
  expect('/bin/crlf', 127, /no such file or directory/, /CRLF/, /"\/bin\/sh\\r"/);
  put('bin/crlf-args', '#!/bin/sh -e\r\n');
  put('bin/noshebang', 'echo hi\n');
  expect('/bin/noshebang', 126, /exec format error/, /#!/);
  put('bin/empty', '');
  expect('empty', 126, /exec format error: the file is empty/);
});

test('an ELF program: wrong architecture, missing loader, and of its interpreter', () => {
  put('bin/foreign', elf(foreign));
  expect('/bin/foreign', 126, /exec format error/, foreign === 183 ? /for aarch64/ : /for x86_64/);
  put('bin/dynamic', elf(own, '/lib64/ld-absent.so.2'));
  expect('/bin/dynamic', 127, /loader \(dynamic linker\) \/lib64\/ld-absent\.so\.2 is not in the image/);
  put('bin/python', elf(foreign));
  put('bin/script', '#! /bin/python -u\n');
  expect('/bin/script', 126, /exec format error/, /its interpreter \/bin\/python/);
});

test('a working directory that cannot be entered is told as runc does', () => {
  put('bin/true', 'x');
  assert.deepEqual(diagnose('true', 'chdir `/work`: No such file or directory'), {
    text:
      'failed to create task for container: failed to create shim task: OCI runtime create failed: unable to start ' +
      'container process: chdir to cwd ("/work") set in config.json failed: no such file or directory',
    exitCode: 127,
  });
  assert.equal(diagnose('true', 'chdir `/work`: Permission denied').exitCode, 126);
});

test('what is not the program’s fault keeps the runtime’s message', () => {
  put('bin/fine', elf(own));
  for (const message of [
    'mount `x` to `y`: No such file or directory',
    'writing cgroup: permission denied',
  ]) {
    const result = diagnose('nope', message);
    assert.ok(result.text.endsWith(message));
    assert.equal(result.exitCode, 128);
  }
  assert.match(diagnose('/bin/fine', 'exec `/bin/fine`: Permission denied').text, /Permission denied$/);
});

test('hostile files do not break it', () => {
  const broken = elf(own, '/x');
  broken.writeBigUInt64LE(2n ** 63n, 32);
  put('bin/broken', broken);
  assert.equal(typeof diagnose('/bin/broken').text, 'string');
  put('bin/loop', '#!/bin/loop\n');
  assert.equal(typeof diagnose('/bin/loop').text, 'string');
  fs.symlinkSync('circle', join(base, 'bin/circle'));
  assert.equal(typeof diagnose('/bin/circle').text, 'string');
});
