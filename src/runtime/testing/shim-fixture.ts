/** Real containers for the shim's tests: a busybox root, bundles, shims of their own cgroup; all removed at the end. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { Cgroup, ensureHybridUsable } from '../../linux/index.ts';
import type { ExitRecord, ShimHandle, ShimOptions } from '../index.ts';
import { startShim } from '../index.ts';

const PROJECT = resolve(import.meta.dirname, '../../..');
const SHIM = process.env.WHARF_SHIM ?? join(PROJECT, '.build/wharf-shim');
const APPLETS =
  'sh cat echo true false sleep head yes stty seq dd printf env ls kill tr wc id test chmod'.split(' ');

/** What a test container is made of. */
export interface FixtureOptions extends Partial<ShimOptions> {
  /** The JSON of config.json may be changed here. */
  edit?: (config: OciConfig) => void;
}

/** The parts of config.json that tests touch. */
export interface OciConfig {
  process: { args: string[]; terminal: boolean; user: { uid: number; gid: number } };
  linux: { namespaces: { type: string }[]; resources: { memory?: { limit: number; swap?: number } } };
}

export class ShimFixture {
  readonly root = fs.mkdtempSync(join(tmpdir(), 'wharf-shim-'));
  readonly #group = `/wharf-shim-test-${process.pid}`;
  readonly #handles: ShimHandle[] = [];
  #serial = 0;

  constructor() {
    execFileSync('make', ['-s', '-C', join(PROJECT, 'shim')], { stdio: ['ignore', 'ignore', 'inherit'] });
    ensureHybridUsable();
    const bin = join(this.root, 'rootfs/bin');
    fs.mkdirSync(bin, { recursive: true });
    for (const dir of ['proc', 'dev', 'sys', 'tmp']) fs.mkdirSync(join(this.root, 'rootfs', dir));
    fs.copyFileSync('/bin/busybox', join(bin, 'busybox'));
    for (const applet of APPLETS) fs.symlinkSync('busybox', join(bin, applet));
    this.program('no-interpreter', '#!/no/such\n');
    this.program('not-a-program', 'garbage\n');
  }

  /** Makes an executable /bin/NAME. */
  program(name: string, content: string): void {
    fs.writeFileSync(join(this.root, 'rootfs/bin', name), content, { mode: 0o755 });
  }

  /** A further applet of busybox. */
  applet(name: string): void {
    fs.rmSync(join(this.root, 'rootfs/bin', name), { force: true });
    fs.symlinkSync('busybox', join(this.root, 'rootfs/bin', name));
  }

  path(handle: ShimHandle, name: string): string {
    return join(this.root, handle.id, name);
  }

  config(args: string[], id: string, tty: boolean): OciConfig {
    const namespaces = ['pid', 'ipc', 'uts', 'mount', 'network'].map((type) => ({ type }));
    const mount = (destination: string, type: string, options: string[] = []) => ({
      destination,
      type,
      source: type,
      options,
    });
    const config = {
      ociVersion: '1.0.2',
      root: { path: join(this.root, 'rootfs'), readonly: true },
      process: { ...this.process(args), terminal: tty },
      hostname: 'test',
      mounts: [mount('/proc', 'proc'), mount('/dev', 'tmpfs'), mount('/dev/pts', 'devpts', ['newinstance'])],
      linux: {
        namespaces,
        cgroupsPath: `${this.#group}/${id}`,
        resources: {},
        // So that crun's state is what it is for a real container.
        seccomp: {
          defaultAction: 'SCMP_ACT_ALLOW',
          syscalls: [{ names: ['acct'], action: 'SCMP_ACT_ERRNO' }],
        },
      },
    };
    return config;
  }

  /** An OCI process that runs `args`. */
  process(args: string[]) {
    return { args, cwd: '/', env: ['PATH=/bin'], user: { uid: 0, gid: 0 } };
  }

  /** A shim for a container that will run `args`. */
  create(args: string[], o: FixtureOptions = {}): ShimHandle {
    const id = `t${process.pid}-${this.#serial++}`;
    const bundle = join(this.root, id);
    fs.mkdirSync(bundle);
    const config = this.config(args, id, o.tty === true);
    o.edit?.(config);
    fs.writeFileSync(join(bundle, 'config.json'), JSON.stringify(config));
    const handle = startShim({
      shimPath: SHIM,
      id,
      bundle,
      runtimePath: '/usr/bin/crun',
      runtimeRoot: join(this.root, 'runtime'),
      socketPath: this.socketPath(id),
      logPath: join(bundle, 'log'),
      logMaxSize: 0,
      logMaxFiles: 1,
      exitPath: join(bundle, 'exit.json'),
      tty: false,
      openStdin: false,
      stdinOnce: false,
      cgroupPaths: new Cgroup(`${this.#group}/${id}`).directories(),
      ...o,
    });
    this.#handles.push(handle);
    return handle;
  }

  socketPath(id: string): string {
    return join(this.root, `${id}.sock`);
  }

  async close(): Promise<void> {
    for (const handle of this.#handles) {
      if (handle.state === 'running') await handle.signal(null, 9).catch(() => {});
      // A handle that the test has closed tells nothing any more.
      const patience = new Promise((resolve) => setTimeout(resolve, 1000));
      if (handle.state !== 'idle') await Promise.race([gone(handle), patience]);
      handle.close();
    }
    for (const directory of new Cgroup(this.#group).directories()) {
      if (fs.existsSync(directory)) fs.rmdirSync(directory); // fails when a container's group is left
    }
    fs.rmSync(this.root, { recursive: true });
  }
}

export const exited = (handle: ShimHandle): Promise<ExitRecord> =>
  new Promise((resolve) => handle.onExit(resolve));

export const gone = (handle: ShimHandle): Promise<void> => new Promise((resolve) => handle.onGone(resolve));

export const execExited = (handle: ShimHandle, execId: string): Promise<number> =>
  new Promise((resolve) => handle.onExecExit((id, code) => id === execId && resolve(code)));

/** All bytes of a stream. */
export async function readAll(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Splits Docker's frames: what each stream said. */
export function demultiplex(bytes: Buffer): { stdout: string; stderr: string } {
  const out = { stdout: '', stderr: '' };
  for (let at = 0; at < bytes.length; ) {
    const end = at + 8 + bytes.readUInt32BE(at + 4);
    out[bytes[at] === 2 ? 'stderr' : 'stdout'] += bytes.toString('latin1', at + 8, end);
    at = end;
  }
  return out;
}

/** Waits until `condition` holds. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  for (let i = 0; i < 500; i++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`timed out: ${what}`);
}
