/**
 * Mount and network namespaces of their own for one engine under test, held open by a process that only sleeps, so
 * that the engine may die and come back in them. What the engine leaves behind is visible there and nowhere else.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { waitFor } from '../../scripts/engine-client.ts';
import { ok, Running, type RunOptions } from './command.ts';

export class Sandbox {
  /** A directory for everything the engine keeps; removed by {@link destroy}. */
  readonly directory: string;
  /** The cgroup below which the engine puts its containers. */
  readonly cgroupParent: string;
  readonly #holder: ChildProcess;
  readonly #mountNamespace: string;

  private constructor(directory: string, holder: ChildProcess, mountNamespace: string) {
    this.directory = directory;
    this.cgroupParent = `/${basename(directory)}`;
    this.#holder = holder;
    this.#mountNamespace = mountNamespace;
  }

  static async create(): Promise<Sandbox> {
    const directory = mkdtempSync(join(tmpdir(), 'wharf-e2e-'));
    const holder = spawn('unshare', ['--mount', '--net', '--propagation', 'private', 'sleep', 'infinity'], {
      stdio: 'ignore',
    });
    const own = readlinkSync('/proc/self/ns/mnt');
    // The process is there at once, in its namespaces only when it has become `sleep`.
    const namespace = await waitFor('the namespaces', () => {
      if (readFileSync(`/proc/${holder.pid}/comm`, 'utf8').trim() !== 'sleep') return undefined;
      const found = namespaceOf(String(holder.pid));
      return found === own ? undefined : found;
    });
    const sandbox = new Sandbox(directory, holder, namespace);
    await sandbox.ok(['ip', 'link', 'set', 'lo', 'up']);
    return sandbox;
  }

  /** argv for running a command in the namespaces. */
  inside(argv: readonly string[]): string[] {
    return ['nsenter', '-t', String(this.#holder.pid), '--mount', '--net', '--', ...argv];
  }

  /** Standard output of a command run in the namespaces; it must succeed. */
  ok(argv: readonly string[], options?: RunOptions): Promise<string> {
    return ok(this.inside(argv), options);
  }

  start(argv: readonly string[], options?: RunOptions): Running {
    return new Running(this.inside(argv), options);
  }

  /** /proc/[pid]/mountinfo as the engine sees it: mount points under the sandbox's directory. */
  mountPoints(): string[] {
    return readFileSync(`/proc/${this.#holder.pid}/mountinfo`, 'utf8')
      .split('\n')
      .map((line) => line.split(' ')[4] ?? '')
      .filter((path) => path.startsWith(`${this.directory}/`));
  }

  /** Programs of the engine: processes in its mount namespace (daemon, shims), without the holder. */
  processes(): { pid: number; command: string }[] {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name) && Number(name) !== this.#holder.pid)
      .filter((pid) => namespaceOf(pid) === this.#mountNamespace)
      .map((pid) => ({ pid: Number(pid), command: commandOf(pid) }));
  }

  /** Directories of the cgroup hierarchies that the engine made for containers, without the parent itself. */
  cgroups(): string[] {
    return this.#cgroupParents().flatMap((parent) =>
      readdirSync(parent, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map((entry) => join(entry.parentPath, entry.name)),
    );
  }

  #cgroupParents(): string[] {
    const root = '/sys/fs/cgroup';
    return ['', ...readdirSync(root)]
      .map((hierarchy) => join(root, hierarchy, this.cgroupParent))
      .filter((path) => existsSync(path));
  }

  /** Ends whatever still runs here and removes every trace, also after a test that failed half-way. */
  async destroy(): Promise<void> {
    const members = () => [
      ...this.processes().map((each) => each.pid),
      ...[...this.#cgroupParents(), ...this.cgroups()].flatMap((path) =>
        readFileSync(join(path, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number),
      ),
    ];
    await waitFor('the processes of the sandbox to end', () => {
      const pids = members();
      for (const pid of pids) killQuietly(pid);
      return pids.length === 0;
    });
    for (const path of this.cgroups().reverse()) rmdirSync(path);
    for (const path of this.#cgroupParents()) rmdirSync(path);
    this.#holder.kill('SIGKILL');
    // The namespaces, and with them mounts and links, go with their last process, a moment after it.
    await waitFor('the sandbox directory to be free', () => {
      try {
        rmSync(this.directory, { recursive: true, force: true });
        return true;
      } catch {
        return false;
      }
    });
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended by itself meanwhile.
  }
}

function namespaceOf(pid: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/mnt`);
  } catch {
    return undefined;
  }
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
  } catch {
    return '';
  }
}
