/** For tests: Debian's docker-registry on a free port of the loopback, and a proxy that breaks connections. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** bcrypt of `secret`. */
const HTPASSWD = 'user:$2b$04$VVxdLi5RkyH9Gl9OL2AnAOzF9FRRbMKroMU4/b69bliQAEKiMZ1SG\n';

export interface TestRegistry {
  /** `localhost:port`. */
  readonly host: string;
  readonly port: number;
  /** The directory it keeps its blobs in. */
  readonly root: string;
  stop(): Promise<void>;
}

export async function freePort(): Promise<number> {
  const server = createTcp().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** User `user`, password `secret`, when `auth` is asked; https with the given certificate. */
export async function startRegistry(
  o: { auth?: boolean; tls?: { certificate: string; key: string } } = {},
): Promise<TestRegistry> {
  const dir = mkdtempSync(join(tmpdir(), 'wharf-registry-'));
  const root = join(dir, 'storage');
  mkdirSync(root);
  writeFileSync(join(dir, 'htpasswd'), HTPASSWD);
  const port = await freePort();
  const config = {
    version: '0.1',
    log: { level: 'error', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: root }, delete: { enabled: true } },
    http: { addr: `127.0.0.1:${port}`, ...(o.tls ? { tls: o.tls } : {}) },
    ...(o.auth ? { auth: { htpasswd: { realm: 'test', path: join(dir, 'htpasswd') } } } : {}),
  };
  writeFileSync(join(dir, 'config.yml'), JSON.stringify(config));
  const child = spawn('docker-registry', ['serve', join(dir, 'config.yml')], { stdio: 'ignore' });
  await untilUp(child, port);
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    rmSync(dir, { recursive: true, force: true });
  };
  return { host: `localhost:${port}`, port, root, stop };
}

async function untilUp(child: ChildProcess, port: number): Promise<void> {
  for (let i = 0; i < 200; i++) {
    if (child.exitCode !== null) throw new Error('docker-registry ended at once');
    const up = await new Promise<boolean>((resolve) => {
      const req = request({ host: '127.0.0.1', port, path: '/' }, (res) => {
        res.resume();
        resolve(true);
      });
      req.on('error', (err) => resolve(!('code' in err && err.code === 'ECONNREFUSED')));
      req.end();
    });
    if (up) return;
    await sleep(25);
  }
  throw new Error('docker-registry does not listen');
}

/** Forwards http to `port`; `cut` tells after how many body bytes an answer's connection is broken off. */
export async function breakingProxy(
  port: number,
  cut: (url: string, attempt: number) => number | undefined,
  seen: string[] = [],
): Promise<{ host: string; server: Server }> {
  const attempts = new Map<string, number>();
  const server = createServer((req, res) => {
    const url = req.url ?? '';
    const headers = { ...req.headers, connection: 'close' };
    const onward = request({ host: '127.0.0.1', port, path: url, method: req.method, headers }, (answer) => {
      const key = `${req.method} ${url}`;
      const n = (attempts.get(key) ?? 0) + 1;
      attempts.set(key, n);
      seen.push(`${key}${req.headers.range === undefined ? '' : ` ${req.headers.range}`}`);
      let left = cut(key, n) ?? Number.POSITIVE_INFINITY;
      res.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.on('data', (chunk: Buffer) => {
        if (left <= 0) return;
        res.write(chunk.subarray(0, left), () => {
          if (left <= 0) res.destroy();
        });
        left -= chunk.length;
      });
      answer.on('end', () => left > 0 && res.end());
    });
    onward.on('error', () => res.destroy());
    req.pipe(onward);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { host: `localhost:${(server.address() as AddressInfo).port}`, server };
}
