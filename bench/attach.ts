/**
 * Throughput of an attached client in both directions: bytes into a container's stdin, out of its stdout, and both at
 * once (`cat`). The engines take turns; medians in MB/s (10^6 bytes).
 *
 *     node bench/attach.ts --engine docker=/var/run/docker.sock --engine wharf=/run/wharf/wharf.sock [--mb 200] [--rounds 5]
 */
import { request } from 'node:http';
import type { Socket } from 'node:net';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    engine: { type: 'string', multiple: true, default: [] },
    mb: { type: 'string', default: '200' },
    rounds: { type: 'string', default: '5' },
    image: { type: 'string', default: 'busybox' },
  },
});
const bytes = Number(values.mb) * 1_000_000;
const CHUNK = Buffer.alloc(1 << 16, 'x');

function call(socketPath: string, method: string, path: string, body?: object): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = body ? { 'content-type': 'application/json' } : {};
    const req = request({ socketPath, method, path, headers }, (res) => {
      let text = '';
      res.on('data', (chunk: Buffer) => (text += chunk.toString()));
      res.on('error', reject);
      res.on('end', () =>
        (res.statusCode ?? 500) < 300 ? resolve(text) : reject(new Error(`${method} ${path}: ${text}`)),
      );
    });
    req.on('error', reject);
    req.end(body && JSON.stringify(body));
  });
}

function attach(socketPath: string, id: string): Promise<{ socket: Socket; head: Buffer }> {
  return new Promise((resolve, reject) => {
    const path = `/containers/${id}/attach?stream=1&stdin=1&stdout=1&stderr=1`;
    const headers = { connection: 'Upgrade', upgrade: 'tcp' };
    const req = request({ socketPath, method: 'POST', path, headers });
    req.on('upgrade', (_res, socket, head) => resolve({ socket: socket as Socket, head }));
    req.on('error', reject);
    req.end();
  });
}

function send(socket: Socket): void {
  let left = bytes;
  const more = (): void => {
    while (left > 0) {
      const part = left < CHUNK.length ? CHUNK.subarray(0, left) : CHUNK;
      left -= part.length;
      if (!socket.write(part) && left > 0) {
        socket.once('drain', more);
        return;
      }
    }
    socket.end();
  };
  more();
}

const CASES = {
  in: { cmd: ['sh', '-c', 'cat >/dev/null'], sends: true },
  out: { cmd: ['sh', '-c', `head -c ${bytes} /dev/zero`], sends: false },
  both: { cmd: ['cat'], sends: true },
} as const;

/** MB/s of one run, from the start's request to the end of the stream. */
async function run(socketPath: string, { cmd, sends }: (typeof CASES)[keyof typeof CASES]): Promise<number> {
  const created = await call(socketPath, 'POST', '/containers/create', {
    Image: values.image,
    Cmd: cmd,
    OpenStdin: true,
    StdinOnce: true,
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    HostConfig: { NetworkMode: 'none', LogConfig: { Type: 'none' } },
  });
  const id = (JSON.parse(created) as { Id: string }).Id;
  try {
    const { socket, head } = await attach(socketPath, id);
    const ended = new Promise<number>((resolve, reject) => {
      let received = head.length;
      socket.on('data', (chunk: Buffer) => (received += chunk.length));
      socket.on('end', () => resolve(received));
      socket.on('error', reject);
    });
    const waited = call(socketPath, 'POST', `/containers/${id}/wait?condition=next-exit`);
    await call(socketPath, 'POST', `/containers/${id}/start`);
    const began = performance.now();
    if (sends) send(socket);
    const [received] = await Promise.all([ended, waited]);
    if (cmd[0] !== 'sh' || !sends) {
      if (received < bytes) throw new Error(`${received} of ${bytes} bytes came`);
    }
    return bytes / 1000 / (performance.now() - began);
  } finally {
    await call(socketPath, 'DELETE', `/containers/${id}?force=1`);
  }
}

const engines = values.engine.map((text): [string, string] => {
  const at = text.indexOf('=');
  return [text.slice(0, at), text.slice(at + 1).replace(/^unix:\/\//, '')];
});
const median = (numbers: number[]): number => numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? 0;
for (const [name, kind] of Object.entries(CASES)) {
  const rates = new Map(engines.map(([engine]) => [engine, [] as number[]]));
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const [engine, socketPath] of engines) rates.get(engine)?.push(await run(socketPath, kind));
  }
  const row = [...rates].map(([engine, all]) => `${engine} ${Math.round(median(all))} MB/s`);
  process.stdout.write(`attach-${name}: ${row.join(', ')}\n`);
}
