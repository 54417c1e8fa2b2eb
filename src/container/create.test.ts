import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ImageFacts, joinById, makeRecord } from './create.ts';

const image: ImageFacts = {
  id: `sha256:${'a'.repeat(64)}`,
  diffIds: [],
  config: {
    Entrypoint: ['/entry'],
    Cmd: ['run'],
    Env: ['PATH=/bin', 'A=image'],
    Labels: { a: '1', b: '2' },
    User: 'app',
  },
};
const defaults = {
  runtime: 'crun',
  runtimes: ['crun'],
  cgroupns: 'private' as const,
  maskedPaths: ['/proc/kcore'],
  readonlyPaths: [],
  log: {},
};
const make = (request: object, facts = image) => makeRecord(request, facts, 'name', defaults, () => []);

test('the image shows through where the request says nothing', () => {
  const record = make({});
  assert.deepEqual([record.path, ...record.args], ['/entry', 'run']);
  assert.equal(record.config.User, 'app');
  assert.equal(record.config.Hostname, record.id.slice(0, 12));
  assert.deepEqual(record.hostConfig.MaskedPaths, ['/proc/kcore']);
});

test('a command replaces the image’s command; an entrypoint drops it', () => {
  assert.deepEqual([make({ Cmd: ['x'] }).path, ...make({ Cmd: ['x'] }).args], ['/entry', 'x']);
  const own = make({ Entrypoint: ['/mine'] });
  assert.deepEqual([own.path, ...own.args], ['/mine', 'run'].slice(0, 1));
  const reset = make({ Entrypoint: [''], Cmd: ['only'] });
  assert.deepEqual([reset.path, ...reset.args], ['only']);
});

test('variables and labels of the request win', () => {
  const record = make({ Env: ['A=mine'], Labels: { b: '3' } });
  assert.deepEqual(record.config.Env, ['A=mine', 'PATH=/bin']);
  assert.deepEqual(record.config.Labels, { a: '1', b: '3' });
});

test('bad requests are refused in Docker’s words', () => {
  const refused: [object, RegExp][] = [
    [{ WorkingDir: 'rel' }, /^the working directory 'rel' is invalid, it needs to be an absolute path$/],
    [{ Env: ['=x'] }, /^invalid environment variable: =x$/],
    [
      { HostConfig: { AutoRemove: true, RestartPolicy: { Name: 'always' } } },
      /'AutoRemove' container with restart policy/,
    ],
    [{ HostConfig: { Runtime: 'nope' } }, /^unknown or invalid runtime name: nope$/],
    [{ HostConfig: { LogConfig: { Type: 'nope' } } }, /^logger: no log driver named 'nope' is registered$/],
    [
      { HostConfig: { NetworkMode: 'container:x', PortBindings: { '80/tcp': [] } } },
      /port publishing and the container type network mode/,
    ],
  ];
  for (const [request, message] of refused) {
    assert.throws(
      () => make(request),
      (err: Error) => message.test(err.message),
      JSON.stringify(request),
    );
  }
  assert.throws(() => make({}, { ...image, config: {} }), /no command specified/);
});

test('unknown capabilities and tmpfs options are refused in Docker’s words', () => {
  assert.throws(
    () => make({ HostConfig: { CapAdd: ['FOO'] } }),
    /^WharfError: invalid CapAdd: unknown capability: "CAP_FOO"$/,
  );
  assert.throws(
    () => make({ HostConfig: { CapDrop: ['x'] } }),
    /invalid CapDrop: unknown capability: "CAP_X"/,
  );
  assert.throws(
    () => make({ HostConfig: { Tmpfs: { '/t': 'bogus=1' } } }),
    /invalid tmpfs option \["bogus" "1"\]/,
  );
  assert.throws(() => make({ HostConfig: { Tmpfs: { '/t': 'size' } } }), /invalid tmpfs option "size"/);
  make({ HostConfig: { CapAdd: ['net_admin', 'ALL'], Tmpfs: { '/t': 'exec,size=1m,mode=1777' } } });
});

test('containers that are joined are named by id', () => {
  const host = { NetworkMode: 'container:web', PidMode: 'container:gone', IpcMode: 'private' };
  joinById(host, (name) => (name === 'web' ? 'abc' : undefined));
  assert.deepEqual(host, { NetworkMode: 'container:abc', PidMode: 'container:gone', IpcMode: 'private' });
});
