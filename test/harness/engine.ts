/**
 * An engine under test, in a {@link Sandbox} of its own: wharfd, or with `WHARF_TEST_ENGINE=dockerd` Debian's dockerd,
 * which shows whether a test asks for what Docker really does.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createReadStream, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { after, before } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { buildImage } from '../../library/build.ts';
import { EngineClient, streamError, waitFor } from '../../scripts/engine-client.ts';
import { type ClientName, clientPath } from './clients.ts';
import { ok, type Result, Running, type RunOptions, run } from './command.ts';
import { type Holdings, holdings } from './leaks.ts';
import { Sandbox } from './sandbox.ts';

const REPOSITORY = join(import.meta.dirname, '../..');
const LOGS = join(REPOSITORY, '.build/test-logs');

/** The engine that tests run against. */
export const engineName = process.env.WHARF_TEST_ENGINE === 'dockerd' ? 'dockerd' : 'wharfd';

export interface EngineOptions {
  /** Images of library/ to load before the tests. */
  images?: string[];
  /** More flags for the daemon. */
  flags?: string[];
  /** Another daemon than {@link engineName}: `wharfd`, `dockerd`, or the path of a dockerd. */
  daemon?: string;
  /** What the machine shall be like before the daemon starts. */
  prepare?: (sandbox: Sandbox) => Promise<unknown>;
}

/** A command-line client bound to an engine. */
export class Cli {
  readonly path: string;
  readonly env: Record<string, string>;

  constructor(path: string, env: Record<string, string>) {
    this.path = path;
    this.env = env;
  }

  run(args: readonly string[], options: RunOptions = {}): Promise<Result> {
    return run([this.path, ...args], { ...options, env: { ...this.env, ...options.env } });
  }

  /** Standard output, trimmed, of a command that must succeed. */
  ok(...args: string[]): Promise<string> {
    return ok([this.path, ...args], { env: this.env });
  }

  /** Standard error of a command that must fail with `code`. */
  async fails(code: number, ...args: string[]): Promise<string> {
    const result = await this.run(args);
    assert.equal(result.code, code, `${args.join(' ')}\n${result.stdout}${result.stderr}`);
    return result.stderr;
  }

  start(...args: string[]): Running {
    return new Running([this.path, ...args], { env: this.env });
  }

  /** Runs the client on a terminal of 24 × 80; `stdin` of the result is its keyboard. */
  terminal(...args: string[]): Running {
    const command = [this.path, ...args].map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
    return new Running(['script', '-qefc', `stty rows 24 cols 80; exec ${command}`, '/dev/null'], {
      env: this.env,
    });
  }
}

export class TestEngine {
  readonly sandbox: Sandbox;
  readonly client: EngineClient;
  readonly socket: string;
  readonly log: string;
  readonly #flags: readonly string[];
  readonly #program: string;
  #daemon: ChildProcess | undefined;
  #ended: string | undefined;
  readonly #helpers: Running[] = [];

  private constructor(sandbox: Sandbox, flags: readonly string[], program: string) {
    this.#program = program;
    this.sandbox = sandbox;
    this.socket = join(sandbox.directory, 'engine.sock');
    this.client = new EngineClient(this.socket);
    this.#flags = flags;
    mkdirSync(LOGS, { recursive: true });
    this.log = join(LOGS, `${basename(process.argv[1] ?? 'test', '.ts')}-${basename(sandbox.directory)}.log`);
    mkdirSync(join(sandbox.directory, 'config'));
  }

  static async start(options: EngineOptions = {}): Promise<TestEngine> {
    const sandbox = await Sandbox.create();
    const engine = new TestEngine(sandbox, options.flags ?? [], options.daemon ?? engineName);
    try {
      await options.prepare?.(sandbox);
      await engine.launch();
      for (const name of options.images ?? []) await engine.load(name);
    } catch (err) {
      await sandbox.destroy();
      throw err;
    }
    return engine;
  }

  get pid(): number {
    assert.ok(this.#daemon?.pid, 'the daemon is running');
    return this.#daemon.pid;
  }

  #argv(): string[] {
    const { directory, cgroupParent } = this.sandbox;
    const common = [
      // The sandbox's cgroup is no slice of systemd's.
      ...(existsSync('/run/systemd/system') ? ['--exec-opt', 'native.cgroupdriver=cgroupfs'] : []),
      ...[
        '-H',
        `unix://${this.socket}`,
        '--data-root',
        join(directory, 'data'),
        '--exec-root',
        join(directory, 'exec'),
      ],
      ...['--pidfile', join(directory, 'pid'), '--cgroup-parent', cgroupParent],
    ];
    if (this.#program !== 'wharfd') return [this.#program, ...common, ...this.#flags];
    return [join(REPOSITORY, 'bin/wharfd'), ...common, '--log-level', 'debug', ...this.#flags];
  }

  /** Starts the daemon (again) and waits until it answers. */
  async launch(): Promise<void> {
    const log = openSync(this.log, 'a');
    const [program = '', ...args] = this.sandbox.inside(this.#argv());
    const daemon = spawn(program, args, { stdio: ['ignore', log, log], detached: true });
    this.#daemon = daemon;
    this.#ended = undefined;
    daemon.once('exit', (code, signal) => {
      this.#ended = `the daemon ended with ${signal ?? code}`;
    });
    await waitFor(
      'the daemon to answer',
      async () => this.#ended !== undefined || (await this.client.ping()),
      {
        timeout: 30_000,
      },
    );
    if (this.#ended !== undefined) throw new Error(`${this.#ended}\n${this.logTail()}`);
  }

  logTail(lines = 20): string {
    return readFileSync(this.log, 'utf8').trim().split('\n').slice(-lines).join('\n');
  }

  /** Ends the daemon by a signal and waits until it is gone. */
  async signal(signal: NodeJS.Signals): Promise<void> {
    const daemon = this.#daemon;
    assert.ok(daemon);
    daemon.kill(signal);
    await waitFor(
      `the daemon to end on ${signal}`,
      () => daemon.exitCode !== null || daemon.signalCode !== null,
      {
        timeout: 30_000,
      },
    );
  }

  /** Loads an image of library/. */
  async load(name: string): Promise<string> {
    const { path, id } = await buildImage(name);
    const answer = await this.client.request('POST', '/images/load?quiet=1', {
      body: createReadStream(path),
    });
    assert.equal(answer.status, 200, answer.body);
    assert.equal(streamError(answer.body), undefined);
    return id;
  }

  /** A command-line client that talks to this engine, with a configuration directory of its own. */
  cli(name: ClientName): Cli {
    const config = join(this.sandbox.directory, 'config');
    return new Cli(clientPath(name), {
      DOCKER_HOST: `unix://${this.socket}`,
      DOCKER_CONFIG: config,
      HOME: this.sandbox.directory,
    });
  }

  /** Starts a program beside the engine, in its namespaces; it is ended before the engine is. */
  helper(argv: readonly string[], options: RunOptions = {}): Running {
    const running = this.sandbox.start(argv, { timeout: 600_000, ...options });
    this.#helpers.push(running);
    return running;
  }

  /** The body of `url` as fetched from inside the sandbox, where published ports are. */
  fetch(url: string): Promise<string> {
    return this.sandbox.ok(fetcher(url), { timeout: 10_000 });
  }

  /** Writes a file below the sandbox's directory and gives its path. */
  file(name: string, content: string | Buffer): string {
    const path = join(this.sandbox.directory, name);
    writeFileSync(path, content);
    return path;
  }

  holdings(): Promise<Holdings> {
    return holdings(this.sandbox);
  }

  /** What the engine holds once nothing is being taken down any more: the same for a second. */
  async quiet(): Promise<Holdings> {
    let last = await this.holdings();
    let same = 0;
    const settled = async () => {
      const now = await this.holdings();
      same = isDeepStrictEqual(now, last) ? same + 1 : 0;
      last = now;
      return same === 5 ? now : undefined;
    };
    return waitFor('the engine to be quiet', settled, { interval: 200 });
  }

  /** Waits until the engine holds what it did before; what is taken down behind an answer has a few seconds for it. */
  async settles(before: Holdings): Promise<void> {
    const same = async () => isDeepStrictEqual(await this.holdings(), before);
    await waitFor('the books to balance', same, { timeout: 5000 }).catch(() => {});
    assert.deepEqual(await this.holdings(), before);
  }

  /** Removes all containers, volumes and networks of the user's, as far as the engine knows them. */
  async clear(): Promise<void> {
    const containers = await this.client.json<{ Id: string }[]>('GET', '/containers/json?all=1');
    for (const { Id } of containers) await this.client.json('DELETE', `/containers/${Id}?force=1&v=1`);
    const { Volumes } = await this.client.json<{ Volumes: { Name: string }[] | null }>('GET', '/volumes');
    for (const { Name } of Volumes ?? []) await this.client.json('DELETE', `/volumes/${Name}`);
    const networks = await this.client.json<{ Id: string; Name: string }[]>('GET', '/networks');
    for (const { Id, Name } of networks) {
      if (!['bridge', 'host', 'none'].includes(Name)) await this.client.json('DELETE', `/networks/${Id}`);
    }
  }

  /**
   * Ends the daemon as an init system does, and holds it to having left nothing that runs or is mounted. Everything
   * else is removed with the sandbox, whatever the outcome.
   */
  async stop(): Promise<void> {
    try {
      for (const helper of this.#helpers) helper.child.kill('SIGKILL');
      await Promise.all(this.#helpers.map((helper) => helper.ended));
      if (this.#ended !== undefined) throw new Error(`${this.#ended} during the tests\n${this.logTail()}`);
      await this.signal('SIGTERM');
      if (this.#program !== 'wharfd') return;
      const { mounts, processes, cgroups } = await this.holdings();
      assert.deepEqual(
        { mounts, processes, cgroups },
        { mounts: [], processes: [], cgroups: [] },
        'left by the daemon',
      );
    } finally {
      await this.sandbox.destroy();
    }
  }
}

/** argv of a program that prints what `url` answers, or fails after 5 seconds. */
export function fetcher(url: string): string[] {
  const script = `fetch('${url}', { signal: AbortSignal.timeout(5000) }).then((r) => r.text()).then((t) => process.stdout.write(t)).catch((e) => { console.error(e.cause?.code ?? e.name); process.exit(1); })`;
  return [process.execPath, '-e', script];
}

/** An engine for the tests of a file or suite: started before them, stopped after them. Call the result to get it. */
export function useEngine(options: EngineOptions = {}): () => TestEngine {
  let engine: TestEngine | undefined;
  before(async () => {
    engine = await TestEngine.start(options);
  });
  after(() => engine?.stop());
  return () => {
    assert.ok(engine, 'the engine runs only while the tests run');
    return engine;
  };
}
