import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { execPlan, type ShimHandle, type Spec, type SpecProcess } from './index.ts';
import { demultiplex, type OciConfig, readAll, ShimFixture } from './testing/shim-fixture.ts';

const PROC_FILES =
  'status limits cgroup oom_score_adj coredump_filter loginuid timerslack_ns personality setgroups uid_map gid_map';

/** All that /proc tells of a process but what differs from one to the next; in pieces, for the bound of a probe's output. */
const LOOKS = [
  ...PROC_FILES.split(' ').map((file) => `cat /proc/self/${file}`),
  "ls -l /proc/self/ns | sed 's/.* \\([a-z_]* -> .*\\)/\\1/'",
  "ls -l /proc/self/fd | sed 's/.* \\([0-9]* -> [^0-9]*\\).*/\\1/; / 3$/d'",
  "ls -ld /proc/self/root /proc/self/cwd | sed 's/.* -> //'",
  "tr '\\0' '\\n' < /proc/self/environ; id; cat /proc/self/attr/current",
  "cut -d' ' -f3- /proc/self/mountinfo",
  "cut -d' ' -f18-20,38,40,41 /proc/self/stat",
];

/** Of `status`: what counts (switches, memory), pids; and the session, of which crun's exec leads none. */
const PASSING =
  /^(Pid|Tgid|PPid|NSpid|NStgid|NSpgid|NSsid|Name|Vm|Rss|Hugetlb|.*ctxt|FDSize|Ngid|SigQ|CoreDumping)/;

const CAPABILITIES = ['CAP_CHOWN', 'CAP_SETUID', 'CAP_NET_RAW', 'CAP_NET_BIND_SERVICE'];

describe('a process the shim makes by itself', () => {
  let fixture: ShimFixture;
  before(() => {
    fixture = new ShimFixture();
    for (const applet of ['sed', 'tr', 'cut']) fixture.applet(applet);
  });
  after(() => fixture.close());

  async function container(edit: (config: OciConfig & Spec) => void): Promise<[ShimHandle, Spec]> {
    let spec: Spec | undefined;
    const shim = fixture.create(['sleep', '100'], {
      edit: (config) => {
        spec = config as unknown as Spec;
        edit(config as OciConfig & Spec);
      },
    });
    await shim.start();
    return [shim, spec!];
  }

  function planFile(shim: ShimHandle, spec: Spec, process: SpecProcess): string {
    const plan = execPlan(spec, process, shim.runtime);
    assert.ok(plan, 'it can be planned');
    const file = fixture.path(shim, 'test.plan');
    fs.writeFileSync(file, plan, { mode: 0o600 });
    return file;
  }

  const facts = (text: string): string[] => text.split('\n').filter((line) => !PASSING.test(line));

  const cases: Record<string, (process: SpecProcess, spec: Spec) => void> = {
    'root with few capabilities': () => {},
    'a user with groups': (process) => {
      process.user = { uid: 1000, gid: 1001, additionalGids: [7, 44] };
      process.cwd = '/tmp';
    },
    'no new privileges': (process) => {
      process.noNewPrivileges = true;
      process.user = { uid: 1000, gid: 1000 };
    },
    'limits, inheritable and ambient capabilities': (process) => {
      process.rlimits = [
        { type: 'RLIMIT_NOFILE', soft: 100, hard: 200 },
        { type: 'RLIMIT_CORE', soft: 0, hard: 0 },
      ];
      process.capabilities.inheritable = ['CAP_NET_RAW'];
      process.capabilities.ambient = ['CAP_NET_RAW'];
      process.user = { uid: 5, gid: 5 };
    },
    'no seccomp, own cgroup namespace': (_process, spec) => {
      delete spec.linux.seccomp;
      spec.linux.namespaces.push({ type: 'cgroup' });
    },
    'the network of the host': (_process, spec) => {
      spec.linux.namespaces = spec.linux.namespaces.filter(({ type }) => type !== 'network');
    },
  };
  for (const [name, edit] of Object.entries(cases)) {
    test(`it is confined as by the runtime: ${name}`, async () => {
      const process: SpecProcess = {
        args: [],
        cwd: '/',
        env: ['PATH=/bin', 'HOME=/tmp', 'EMPTY=', 'TWO=a=b\nc'],
        user: { uid: 0, gid: 0 },
        capabilities: { bounding: CAPABILITIES, effective: CAPABILITIES, permitted: CAPABILITIES },
      };
      const [shim, spec] = await container((config) => {
        Object.assign(config.process, { ...process, args: ['sleep', '100'] });
        edit(process, config);
      });
      for (const [i, look] of LOOKS.entries()) {
        const asked = { ...process, args: ['sh', '-c', `{ ${look}; } 2>/dev/null; echo .`] };
        const ours = await shim.probe(planFile(shim, spec, asked), 10_000);
        assert.ok('output' in ours, JSON.stringify(ours));
        const exec = await shim.exec({ execId: `e${i}`, process: asked, tty: false, stdin: false });
        const theirs = demultiplex(await readAll(exec.stream!)).stdout;
        assert.deepEqual(facts(ours.output.toString()), facts(theirs), look);
        assert.notEqual(theirs, '.\n', look);
      }
    });
  }

  test('its end: exit code, signal, a bound on its output, a time-out that takes its children along', async () => {
    const [shim, spec] = await container(() => {});
    const base = {
      cwd: '/',
      env: ['PATH=/bin', 'HOME=/'],
      user: { uid: 0, gid: 0 },
      capabilities: { bounding: [], effective: [], permitted: [] },
    };
    const run = (script: string, ms = 10_000) =>
      shim.probe(planFile(shim, spec, { ...base, args: ['sh', '-c', script] }), ms);
    const said = (text: string, code: number, timedOut = false) => ({
      code,
      timedOut,
      output: Buffer.from(text),
    });
    assert.deepEqual(await run('echo out; echo grün >&2; exit 3'), said('out\ngrün\n', 3));
    assert.deepEqual(await run('kill -9 $$'), said('', 137));
    const much = await run('yes 0123456 | head -c 1000000');
    assert.ok('output' in much && much.output.length === 4097 && much.code === 0);
    const start = process.hrtime.bigint();
    assert.deepEqual(await run('echo hm; sleep 999 & sleep 999', 300), said('hm\n', 137, true));
    assert.ok(process.hrtime.bigint() - start > 250_000_000n);
    // A child left behind holds the output open, and is not waited for.
    assert.deepEqual(await run('sleep 998 & echo done'), said('done\n', 0));
    // The kernel ends the group's processes one after the other.
    const look = 'cat /proc/[0-9]*/cmdline | tr "\\\\0" " "';
    for (let left = 'sleep 999'; left.includes('sleep 999'); ) {
      const seen = await run(look);
      left = 'output' in seen ? seen.output.toString() : '';
    }
  });

  test('what cannot be executed is told, and changes nothing', async () => {
    const [shim, spec] = await container(() => {});
    const plan = (args: string[], cwd = '/') =>
      planFile(shim, spec, {
        args,
        cwd,
        env: ['PATH=/bin', 'HOME=/'],
        user: { uid: 0, gid: 0 },
        capabilities: { bounding: [], effective: [], permitted: [] },
      });
    assert.deepEqual(await shim.probe(plan(['nonexist']), 1000), {
      error: 'nonexist: No such file or directory',
    });
    assert.deepEqual(await shim.probe(plan(['true'], '/nowhere'), 1000), {
      error: '/nowhere: No such file or directory',
    });
    assert.deepEqual(await shim.probe('/no/such/plan', 1000), {
      error: '/no/such/plan: No such file or directory',
    });
    assert.equal(shim.state, 'running');
    const again = await shim.probe(plan(['true']), 1000);
    assert.ok('code' in again && again.code === 0);
  });

  test('what only the runtime does has no plan', () => {
    const process: SpecProcess = {
      args: ['true'],
      cwd: '/',
      env: ['HOME=/'],
      user: { uid: 0, gid: 0 },
      capabilities: { bounding: [], effective: [], permitted: [] },
    };
    const namespaces = [{ type: 'pid' as const }, { type: 'mount' as const }];
    const spec: Spec = {
      ociVersion: '1.0.2',
      process,
      root: { path: '/' },
      mounts: [],
      linux: { namespaces, resources: {} },
    };
    const crun = { path: '/usr/bin/crun', stateDirectory: '/nowhere' };
    const planned = (s: object, p: object = {}, r = crun): boolean =>
      execPlan({ ...spec, ...s }, { ...process, ...p }, r) !== undefined;
    const linux = (l: object) => ({ linux: { ...spec.linux, ...l } });
    assert.ok(planned({}));
    assert.ok(!planned({}, {}, { ...crun, path: '/usr/bin/runsc' }));
    assert.ok(!planned(linux({ namespaces: [...namespaces, { type: 'user' }] })));
    assert.ok(!planned(linux({ namespaces: [{ type: 'mount' }] })), 'pid namespace of the host');
    assert.ok(!planned(linux({ namespaces: [{ type: 'mount' }, { type: 'pid', path: '/proc/1/ns/pid' }] })));
    assert.ok(!planned(linux({ seccomp: { defaultAction: 'SCMP_ACT_ALLOW' } })), 'no program');
    assert.ok(!planned(linux({ personality: { domain: 'LINUX32' } })));
    assert.ok(!planned({ annotations: { 'run.oci.handler': 'wasm' } }));
    const caps = (bounding: string[]) => ({ capabilities: { bounding, effective: [], permitted: [] } });
    for (const refused of [
      { apparmorProfile: 'docker-default' },
      { terminal: true },
      { env: [] },
      { env: ['HOME=/', 'A=1', 'A=2'] },
      { args: ['a\0b'] },
      { scheduler: {} },
      caps(['CAP_SYS_PTRACE']),
      caps(['CAP_NEW']),
    ]) {
      assert.ok(!planned({}, refused), JSON.stringify(refused));
    }
  });
});
