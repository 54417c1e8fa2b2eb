/** Programs run by tests: to their end with {@link run}, or alongside the test with {@link Running}. */
import { type ChildProcess, spawn } from 'node:child_process';
import { waitFor } from '../../scripts/engine-client.ts';

export interface Result {
  /** Exit status; null when a signal ended it. */
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  /** Written to standard input, which is then closed; without it standard input is empty. */
  input?: string | Buffer;
  env?: Record<string, string>;
  cwd?: string;
  /** Ends the program with SIGKILL after so many milliseconds. */
  timeout?: number;
}

/** A program that runs alongside the test: what it printed so far, and a way to talk to it. */
export class Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Result>;
  readonly #chunks = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  readonly #command: string;

  constructor(argv: readonly string[], options: RunOptions = {}) {
    const [program = '', ...args] = argv;
    this.#command = argv.join(' ');
    const child = spawn(program, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    this.child = child;
    // A program that ends without reading its input is no failure of the test.
    child.stdin.on('error', () => {});
    child.stdout.on('data', (chunk: Buffer) => this.#chunks.stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => this.#chunks.stderr.push(chunk));
    const timer = setTimeout(() => child.kill('SIGKILL'), options.timeout ?? 60_000);
    this.ended = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => {
        clearTimeout(timer);
        resolve({ code, signal, stdout: this.stdout, stderr: this.stderr });
      });
    });
  }

  get stdout(): string {
    return Buffer.concat(this.#chunks.stdout).toString();
  }

  get stderr(): string {
    return Buffer.concat(this.#chunks.stderr).toString();
  }

  write(text: string | Buffer): void {
    this.child.stdin?.write(text);
  }

  closeInput(): void {
    this.child.stdin?.end();
  }

  /** Waits until what it printed matches. */
  async prints(pattern: RegExp, timeout = 20_000): Promise<RegExpExecArray> {
    try {
      return await waitFor(`${pattern}`, () => pattern.exec(this.stdout + this.stderr), { timeout });
    } catch (err) {
      throw new Error(`${this.#command} printed no ${pattern}:\n${this.stdout}${this.stderr}`, {
        cause: err,
      });
    }
  }
}

/** Runs a program to its end. */
export function run(argv: readonly string[], options: RunOptions = {}): Promise<Result> {
  const running = new Running(argv, options);
  running.child.stdin?.end(options.input);
  return running.ended;
}

/** Standard output, trimmed, of a program that must succeed. */
export async function ok(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, signal, stdout, stderr } = await run(argv, options);
  if (code !== 0) throw new Error(`${argv.join(' ')} ended with ${signal ?? code}\n${stderr}${stdout}`);
  return stdout.trim();
}
