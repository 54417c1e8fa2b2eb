/**
 * Many containers on one engine: created, started eight at a time, listed, the daemon restarted with them running,
 * stopped and removed. Prints one JSON line per step.
 *
 *     node bench/scale.ts --socket /run/wharf/wharf.sock --count 1000 --pidfile /run/wharf/wharfd.pid --restart 'COMMAND'
 *
 * COMMAND ends the daemon and starts it again, leaving the containers running; without it the step is left out. The
 * pidfile names the daemon whose memory is told, with all that it started.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    socket: { type: 'string' },
    count: { type: 'string', default: '1000' },
    parallel: { type: 'string', default: '8' },
    image: { type: 'string', default: 'busybox' },
    network: { type: 'string', default: 'bridge' },
    restart: { type: 'string' },
    pidfile: { type: 'string' },
  },
});
const socketPath = values.socket ?? '/run/wharf/wharf.sock';
const count = Number(values.count);
const LABEL = 'wharf.bench.scale';

function call(method: string, path: string, body?: object): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const payload = body && JSON.stringify(body);
    const req = request(
      { socketPath, method, path, headers: payload ? { 'content-type': 'application/json' } : {} },
      (res) => {
        const chunks: Buffer[] = [];
        res.on('data', (chunk: Buffer) => chunks.push(chunk));
        res.on('end', () => resolve({ status: res.statusCode ?? 0, text: Buffer.concat(chunks).toString() }));
        res.on('error', reject);
      },
    );
    req.on('error', reject);
    req.end(payload);
  });
}

async function must(method: string, path: string, body?: object): Promise<string> {
  const { status, text } = await call(method, path, body);
  if (status >= 300) throw new Error(`${method} ${path}: ${status} ${text}`);
  return text;
}

/** Runs `task` for every item, `width` at a time. */
async function pool<T>(
  items: readonly T[],
  width: number,
  task: (item: T) => Promise<unknown>,
): Promise<void> {
  const queue = [...items];
  const worker = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await task(item);
  };
  await Promise.all(Array.from({ length: width }, worker));
}

async function step(name: string, work: () => Promise<object | undefined>): Promise<void> {
  const began = performance.now();
  const facts = await work();
  const ms = performance.now() - began;
  process.stdout.write(
    `${JSON.stringify({ step: name, ms: Math.round(ms), each: +(ms / count).toFixed(2), ...facts })}\n`,
  );
}

/** Proportional set size of the daemon and of every monitor and helper of its containers, in MiB (proc(5), smaps_rollup). */
function memory(): { pssMiB: number } | undefined {
  if (!values.pidfile) return undefined;
  const root = values.pidfile.replace(/[^/]*$/, '');
  let kib = 0;
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
      // Daemon, containerd, monitors and port proxies all have the engine's directories on their command lines.
      if (!command.includes(root) || command.includes('scale.ts')) continue;
      kib += Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1'))?.[1] ?? 0);
    } catch (err) {
      if (!(err instanceof Error && 'code' in err && (err.code === 'ENOENT' || err.code === 'ESRCH')))
        throw err;
    }
  }
  return { pssMiB: Math.round(kib / 1024) };
}

async function answers(): Promise<void> {
  for (let i = 0; i < 3000; i++) {
    const up = await call('GET', '/_ping').then(
      ({ status }) => status === 200,
      () => false,
    );
    if (up) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('the daemon does not answer');
}

const running = async (): Promise<number> =>
  (
    JSON.parse(
      await must('GET', `/containers/json?filters=${encodeURIComponent(JSON.stringify({ label: [LABEL] }))}`),
    ) as unknown[]
  ).length;

const ids: string[] = [];
const names = Array.from({ length: count }, (_, i) => `scale-${i}`);
const width = Number(values.parallel);
await step('create', async () => {
  await pool(names, width, async (name) => {
    const answer = await must('POST', `/containers/create?name=${name}`, {
      Image: values.image,
      Cmd: ['sleep', '1000000'],
      StopSignal: 'SIGKILL',
      Labels: { [LABEL]: '1' },
      HostConfig: { NetworkMode: values.network },
    });
    ids.push((JSON.parse(answer) as { Id: string }).Id);
  });
  return memory();
});
await step('start', async () => {
  await pool(ids, width, (id) => must('POST', `/containers/${id}/start`));
  return { running: await running(), ...memory() };
});
await step('list', async () => {
  for (let i = 0; i < 10; i++) await must('GET', '/containers/json?all=1');
  return { rounds: 10 };
});
await step('inspect', async () => {
  await pool(ids, width, (id) => must('GET', `/containers/${id}/json`));
  return undefined;
});
if (values.restart) {
  await step('restart-daemon', async () => {
    execFileSync('sh', ['-c', values.restart!], { stdio: ['ignore', 'inherit', 'inherit'] });
    await answers();
    return { running: await running() };
  });
}
await step('stop', async () => {
  await pool(ids, width, (id) => must('POST', `/containers/${id}/stop`));
  return { running: await running() };
});
await step('remove', async () => {
  await pool(ids, width, (id) => must('DELETE', `/containers/${id}`));
  return memory();
});
