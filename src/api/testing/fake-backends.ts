/** Backends in memory, for the tests of the API only: every call is recorded, sessions are plain pipes. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Duplex, duplexPair, Readable } from 'node:stream';
import { conflict, notFound, notModified } from '../../errdefs/index.ts';
import type {
  AttachedStream,
  Backends,
  ContainerBackend,
  EventBackend,
  ExecBackend,
  ImageBackend,
  NetworkBackend,
  SystemBackend,
  VolumeBackend,
} from '../backends.ts';
import type { ApiLog } from '../dispatch.ts';
import { type ApiServer, type ApiServerOptions, createApiServer } from '../server.ts';
import type { Event } from '../types.ts';

/** Some methods of a backend; a test that calls another one gets an error and a 500. */
const partial = <T extends object>(methods: Partial<T>): T => methods as T;

export interface Fake extends Backends {
  containers: ContainerBackend;
  exec: ExecBackend;
  images: ImageBackend;
  networks: NetworkBackend;
  volumes: VolumeBackend;
  system: SystemBackend;
  events: EventBackend & { emit(event: Event): void; listeners: number };
  /** The far end of the newest attach or exec session. */
  far(): Promise<Duplex>;
  /** Every recorded call as `[name, ...arguments]`. */
  calls: unknown[][];
  /** Ends a wait. */
  exit(code: number): void;
}

/** A container `c1` (running, no TTY) and `tty` (with one); everything else is not found. */
export function fakeBackends(): Fake {
  const calls: unknown[][] = [];
  const exits: ((code: number) => void)[] = [];
  const listeners = new Set<(event: Event) => void>();
  const sessions: Duplex[] = [];
  const waiting: ((far: Duplex) => void)[] = [];
  const known = (id: string): string => {
    if (id !== 'c1' && id !== 'tty') throw notFound(`No such container: ${id}`);
    return id;
  };
  const session = (tty: boolean): AttachedStream => {
    const [near, far] = duplexPair();
    const taker = waiting.shift();
    if (taker) taker(far);
    else sessions.push(far);
    return { stream: near, tty };
  };
  const record =
    <A extends unknown[], R>(name: string, run: (...args: A) => R) =>
    (...args: A): R => {
      calls.push([name, ...args]);
      return run(...args);
    };
  return {
    calls,
    far: () => {
      const ready = sessions.shift();
      return ready ? Promise.resolve(ready) : new Promise((resolve) => waiting.push(resolve));
    },
    exit: (code) => {
      for (const done of exits.splice(0)) done(code);
    },
    containers: partial<ContainerBackend>({
      list: record('list', () => [
        { Id: 'c1'.repeat(32), Names: ['/c1'], Labels: {}, HostConfig: { Annotations: { a: 'b' } } },
      ]),
      inspect: record('inspect', (id) => ({
        Id: known(id),
        Config: { Hostname: 'box' },
        ImageManifestDescriptor: { digest: 'sha256:0' },
        NetworkSettings: { Networks: { bridge: { IPAddress: '10.0.0.2' }, app: { Aliases: ['web'] } } },
      })),
      create: record('create', () => ({ Id: 'f'.repeat(64), Warnings: [] })),
      start: record('start', (id) => {
        known(id);
        if (id === 'tty') throw notModified('already started');
      }),
      stop: record('stop', (id) => void known(id)),
      kill: record('kill', (id) => void known(id)),
      rename: record('rename', (id) => void known(id)),
      remove: record('remove', async (id) => void known(id)),
      resize: record('resize', (id) => void known(id)),
      wait: record('wait', (id) => {
        known(id);
        const { promise, resolve } = Promise.withResolvers<{ StatusCode: number }>();
        exits.push((StatusCode) => resolve({ StatusCode }));
        return { result: promise };
      }),
      attach: record('attach', (id) => session(known(id) === 'tty')),
      logs: record('logs', (id) => ({
        stream: Readable.from([Buffer.from('one'), Buffer.from('two')]),
        tty: known(id) === 'tty',
      })),
    }),
    exec: partial<ExecBackend>({
      create: record('exec.create', (id) => {
        known(id);
        return 'e1';
      }),
      start: record('exec.start', (id, options) => {
        if (id === 'gone') throw notFound(`No such exec instance: ${id}`);
        if (id === 'stopped') throw conflict('container is not running');
        if (id === 'bad') throw new Error('exec: "nosuch": executable file not found in $PATH');
        return options.detach ? null : session(options.tty);
      }),
      inspect: record('exec.inspect', (id) => ({ ID: id, Running: false, ExitCode: 0 })),
    }),
    images: partial<ImageBackend>({
      list: record('images.list', () => [
        {
          Id: 'sha256:1',
          ParentId: '',
          RepoTags: [],
          RepoDigests: [],
          Created: 1,
          Size: 42,
          SharedSize: -1,
          Labels: {},
          Containers: 2,
          Descriptor: { digest: 'sha256:0' },
        },
      ]),
      inspect: record('images.inspect', (id) => ({ Id: id, Size: 42, Config: { Env: ['A=1'] } })),
    }),
    networks: partial<NetworkBackend>({
      list: record('networks.list', () => [{ Name: 'bridge', Containers: { c1: { Name: 'c1' } } }]),
      create: record('networks.create', () => ({ Id: 'n1', Warning: '' })),
    }),
    volumes: partial<VolumeBackend>({
      list: record('volumes.list', () => ({ Volumes: [] })),
      prune: record('volumes.prune', () => ({ VolumesDeleted: [], SpaceReclaimed: 0 })),
    }),
    system: partial<SystemBackend>({
      info: record('info', () => ({ ID: 'x', RuncCommit: { ID: 'abc' } })),
      version: record('version', () => ({ Version: '0.1.0' })),
      auth: record('auth', async () => ({ Status: 'Login Succeeded' })),
    }),
    events: {
      get listeners() {
        return listeners.size;
      },
      emit: (event) => {
        for (const listener of listeners) listener(event);
      },
      subscribe: record('subscribe', (options, listener) => {
        listeners.add(listener);
        const past = options.since === undefined ? [] : [{ Type: 'volume' as const, Action: 'create' }];
        return { past, close: () => void listeners.delete(listener) };
      }),
    },
  };
}

export interface Served {
  server: ApiServer;
  path: string;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Serves backends on a fresh unix socket until disposed. */
export async function serve(backends: Backends, options: Partial<ApiServerOptions> = {}): Promise<Served> {
  const dir = mkdtempSync(join(tmpdir(), 'wharf-api-'));
  const path = join(dir, 'api.sock');
  const server = createApiServer(backends, { version: '0.1.0', ...options });
  await server.listenUnix(path);
  return {
    server,
    path,
    async [Symbol.asyncDispose]() {
      await server.close(50);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** A log that keeps its errors. */
export function memoryLog(): ApiLog & { errors: string[] } {
  const errors: string[] = [];
  return { errors, debug() {}, warn() {}, error: (_fields, message) => void errors.push(message) };
}
