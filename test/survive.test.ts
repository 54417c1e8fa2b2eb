/**
 * The daemon dies at any moment; containers, their output and their exit codes do not, and the next daemon finds what
 * the last one left. `WHARF_TEST_SEED` repeats a run's random choices, `WHARF_TEST_ROUNDS` makes it longer.
 */
import assert from 'node:assert/strict';
import { createReadStream } from 'node:fs';
import { afterEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildImage } from '../library/build.ts';
import { waitFor } from '../scripts/engine-client.ts';
import { absent } from './harness/clients.ts';
import { engineName, useEngine } from './harness/engine.ts';

const ROUNDS = Number(process.env.WHARF_TEST_ROUNDS ?? 12);
const SEED = Number(process.env.WHARF_TEST_SEED ?? Date.now() % 1_000_000);
const LINES = 4000;

/** Prints numbered lines in bursts for several seconds, then ends with 17. */
const TALKER = `i=0; while [ $i -lt ${LINES} ]; do i=$((i+1)); echo "line $i"; [ $((i % 20)) = 0 ] && usleep 40000; done; exit 17`;

const skip =
  (engineName === 'dockerd' && 'dockerd ends its containers, or needs --live-restore') || absent('docker-28');

describe('survival', { skip }, () => {
  const engine = useEngine({ images: ['busybox'] });
  const docker = () => engine().cli('docker-28');
  const api = () => engine().client;
  afterEach(() => engine().clear());

  interface State {
    Running: boolean;
    ExitCode: number;
    Status: string;
    Pid: number;
  }
  const state = async (id: string) =>
    (await api().json<{ State: State }>('GET', `/containers/${id}/json`)).State;
  const create = async (name: string, script: string, HostConfig: object = {}) => {
    const body = { Image: 'busybox', Cmd: ['sh', '-c', script], HostConfig, OpenStdin: true };
    return (await api().json<{ Id: string }>('POST', `/containers/create?name=${name}`, { body })).Id;
  };
  const start = (id: string) => api().json('POST', `/containers/${id}/start`);

  /** Ends the daemon without warning and starts the next one. */
  const crash = async (pause = 0) => {
    await engine().signal('SIGKILL');
    await sleep(pause);
    await engine().launch();
  };

  test('a container runs on, its log has no gap, its exit code is found', async () => {
    const before = await docker()
      .ok(
        'run',
        '-d',
        '--name',
        'steady',
        'busybox',
        'sh',
        '-c',
        'i=0; while :; do i=$((i+1)); echo $i; usleep 5000; done',
      )
      .then(() => state('steady'));
    await crash(300);
    const after = await state('steady');
    assert.deepEqual([after.Running, after.Pid], [true, before.Pid], 'the same process');
    assert.equal(await docker().ok('exec', 'steady', 'echo', 'still here'), 'still here');
    const follower = docker().start('logs', '-f', '--tail', '1', 'steady');
    await follower.prints(/\d+\n\d+\n/);
    await docker().ok('stop', '-t', '0', 'steady');
    assert.equal((await follower.ended).code, 0);
    const numbers = (await docker().ok('logs', 'steady')).split('\n').map(Number);
    assert.deepEqual(
      numbers,
      numbers.map((_, i) => i + 1),
    );
  });

  test('what ends while there is no daemon ended with its own code, at its own time', async () => {
    const id = await create('mortal', 'sleep 0.3; echo last words; exit 42');
    const gone = await create('vanishing', 'sleep 0.2', { AutoRemove: true });
    await start(id);
    await start(gone);
    await engine().signal('SIGKILL');
    await sleep(800);
    const revived = Date.now();
    await engine().launch();
    const { Status, ExitCode, FinishedAt } = (await state(id)) as State & { FinishedAt: string };
    assert.deepEqual([Status, ExitCode], ['exited', 42]);
    assert.ok(Date.parse(FinishedAt) < revived, `${FinishedAt} is before the new daemon`);
    assert.equal(await docker().ok('logs', 'mortal'), 'last words');
    await waitFor(
      '--rm',
      async () => (await api().request('GET', `/containers/${gone}/json`)).status === 404,
    );
  });

  test('published ports and the address are still the container’s', async () => {
    await docker().ok(
      'run',
      '-d',
      '--name',
      'web',
      '-p',
      '8090:80',
      'busybox',
      'sh',
      '-c',
      'mkdir /w; echo served > /w/index.html; exec httpd -f -p 80 -h /w',
    );
    await waitFor('the page', () =>
      engine()
        .fetch('http://127.0.0.1:8090/')
        .catch(() => undefined),
    );
    await engine().signal('SIGKILL');
    assert.equal(await engine().fetch('http://127.0.0.1:8090/'), 'served', 'without a daemon');
    await engine().launch();
    assert.equal(await engine().fetch('http://127.0.0.1:8090/'), 'served');
    const address = await docker().ok(
      'inspect',
      '-f',
      '{{.NetworkSettings.Networks.bridge.IPAddress}}',
      'web',
    );
    await docker().ok('run', '-d', '--name', 'next', 'busybox', 'sleep', '300');
    assert.notEqual(
      await docker().ok('inspect', '-f', '{{.NetworkSettings.Networks.bridge.IPAddress}}', 'next'),
      address,
    );
    assert.match(
      await docker().fails(125, 'run', '--rm', '-p', '8090:80', 'busybox', 'true'),
      /port is already allocated/,
    );
  });

  test('an attached client stays attached', async () => {
    const echo = 'while read x; do echo "got $x"; done; echo end of input';
    const client = docker().start('run', '-i', '--name', 'attached', 'busybox', 'sh', '-c', echo);
    client.write('one\n');
    await client.prints(/got one/);
    // The output may be there before the answer to `start`, without which the client gives up; this takes longer.
    assert.equal(await docker().ok('ps', '--format', '{{.Names}}'), 'attached');
    await engine().signal('SIGKILL');
    client.write('two\n');
    await client.prints(/got two/);
    await engine().launch();
    const second = docker().start('attach', '--no-stdin', 'attached');
    await waitFor('both clients to see the output', () => {
      client.write('three\n');
      return client.stdout.includes('got three') && second.stdout.includes('got three');
    });
    client.closeInput();
    await second.prints(/end of input/);
    assert.equal((await second.ended).code, 0);
    assert.match(client.stdout, /end of input/);
    client.child.kill('SIGKILL');
  });

  test('a terminal is not hung up', async () => {
    const terminal = docker().terminal('run', '-it', '--name', 'screen', 'busybox', 'sh');
    // ash takes what comes at once for the terminal's answer to its question where the cursor is: say it again.
    const say = (client: typeof terminal, line: string, answer: string) => () => {
      client.write(`${line}\r`);
      return client.stdout.includes(answer);
    };
    await waitFor('the shell', say(terminal, 'marker=kept; echo "now "set', 'now set'), { interval: 300 });
    await crash();
    // This client gives up when its `wait` does; the shell knows nothing of it.
    await terminal.ended;
    assert.equal((await state('screen')).Running, true);
    const again = docker().terminal('attach', 'screen');
    await waitFor('the same shell', say(again, 'echo "it is $marker"', 'it is kept'), { interval: 300 });
    again.write('exit 4\r');
    assert.equal((await again.ended).code, 4);
  });

  test(`killed at ${ROUNDS} random moments (WHARF_TEST_SEED=${SEED}): all is accounted for and nothing is left`, async () => {
    const random = generator(SEED);
    // What the first container of an image brings about (caches) is not left over.
    await docker().ok('run', '--rm', 'busybox', 'true');
    const baseline = await engine().quiet();
    const talker = await create('talker', TALKER);
    await start(talker);
    /** id → exit code of containers whose start was confirmed. */
    const expected = new Map<string, number>([[talker, 17]]);
    const ephemeral: string[] = [];
    const { path } = await buildImage('hello-world');
    let serial = 0;

    const workloads: (() => Promise<unknown>)[] = [
      async () => {
        const code = 1 + Math.floor(random() * 100);
        const id = await create(
          `ends-${serial++}`,
          `sleep 0.${Math.floor(random() * 5)}; echo done; exit ${code}`,
        );
        await start(id);
        expected.set(id, code);
      },
      async () => {
        const id = await create(`rm-${serial++}`, 'true', {
          AutoRemove: true,
          PortBindings: { '80/tcp': [{}] },
        });
        ephemeral.push(id);
        await start(id);
        await api().request('POST', `/containers/${id}/wait?condition=removed`);
      },
      async () => {
        const id = await create(`volume-${serial++}`, 'echo x > /v/f; sleep 9', {
          Binds: [`vol-${serial}:/v`],
        });
        await start(id);
        await api().json('DELETE', `/containers/${id}?force=1&v=1`);
      },
      async () => {
        const body = { Cmd: ['sh', '-c', 'exit 5'], AttachStdout: true };
        const { Id } = await api().json<{ Id: string }>('POST', `/containers/${talker}/exec`, { body });
        await api().request('POST', `/exec/${Id}/start`, { body: { Detach: true } });
      },
      async () => {
        await api().request('POST', '/images/load?quiet=1', { body: createReadStream(path) });
        await api().request('DELETE', '/images/hello-world:latest');
      },
    ];

    for (let round = 0; round < ROUNDS; round++) {
      let alive = true;
      const busy = workloads.map(async (work) => {
        // What the death of the daemon interrupts is not a failure; what it leaves is looked at below.
        while (alive) await work().catch(() => sleep(5));
      });
      await sleep(20 + random() * 400);
      await engine().signal('SIGKILL');
      alive = false;
      await Promise.all(busy);
      await sleep(random() * 150);
      await engine().launch();
      const containers = await api().json<{ Id: string; State: string }[]>('GET', '/containers/json?all=1');
      const known = new Map(containers.map((each) => [each.Id, each.State]));
      for (const id of expected.keys()) assert.ok(known.has(id), `${id} is known after round ${round}`);
      for (const [id, status] of known) {
        if (status !== 'running') continue;
        const { Pid, Running } = await state(id);
        // It may have ended between the two requests.
        if (Running) assert.doesNotThrow(() => process.kill(Pid, 0), `${id} runs as ${Pid}`);
      }
    }

    for (const [id, code] of expected) {
      const { StatusCode } = await api().json<{ StatusCode: number }>('POST', `/containers/${id}/wait`);
      assert.equal(StatusCode, code, `exit code of ${id}`);
    }
    const lines = (await docker().run(['logs', 'talker'])).stdout.split('\n').slice(0, -1);
    const gap = lines.findIndex((line, i) => line !== `line ${i + 1}`);
    assert.equal(
      gap,
      -1,
      `the log is wrong at line ${gap + 1}: ${lines.slice(Math.max(0, gap - 2), gap + 3)}`,
    );
    assert.equal(lines.length, LINES);
    await waitFor('containers with --rm to be removed', async () => {
      const all = await api().json<{ Id: string; State: string }[]>('GET', '/containers/json?all=1');
      return all.every((each) => !ephemeral.includes(each.Id) || each.State === 'created');
    });

    await engine().clear();
    await api().request('DELETE', '/images/hello-world:latest');
    await engine().settles(baseline);
  });

  test('SIGTERM ends the containers in order; the next daemon knows how they ended', async () => {
    await create('orderly', 'trap "echo bye; exit 3" TERM; echo up; while :; do sleep 0.05; done').then(
      start,
    );
    await waitFor('the trap', async () => (await docker().ok('logs', 'orderly')) === 'up');
    await engine().signal('SIGTERM');
    assert.deepEqual(engine().sandbox.processes(), []);
    assert.deepEqual(engine().sandbox.mountPoints(), []);
    await engine().launch();
    assert.deepEqual(
      [(await state('orderly')).ExitCode, await docker().ok('logs', 'orderly')],
      [3, 'up\nbye'],
    );
  });
});

/** Numbers in [0, 1) that a seed decides (mulberry32). */
function generator(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
